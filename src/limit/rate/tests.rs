use std::collections::BTreeMap;
use std::sync::Barrier;
use std::thread;

use proptest::prelude::*;

use super::*;
use crate::token::{Digest, ScopeSet, Secret, State, Texts};

const MOST: usize = 1_000_000;

fn token(sid: &str, account: Option<&str>) -> Token {
    let parse = |text: &str| Sid::parse(text.as_bytes()).expect("a SID");
    Token {
        sid: parse(sid),
        digest: Digest::of(&Secret::new(b"x".to_vec())),
        state: State::Enabled,
        version: None,
        scopes: ScopeSet::default(),
        account: account.map(|account| Box::new(parse(account))),
        texts: Box::new(Texts::default()),
    }
}

fn group(number: u32, limits: &[&str], per: Per) -> RateGroup {
    RateGroup {
        number: RateGroupId(number),
        name: "g".into(),
        limits: limits.iter().map(|l| l.parse().expect(l)).collect(),
        per,
    }
}

/// A limiter, and a clock that goes as it is told.
struct Fixture {
    limiter: RateLimiter,
    start: Instant,
}

impl Fixture {
    fn new() -> Self {
        let start = Instant::now();
        Self {
            limiter: RateLimiter::new(start),
            start,
        }
    }

    fn at(&self, seconds: f64) -> Instant {
        self.start + Duration::from_secs_f64(seconds)
    }

    fn take(&self, group: &RateGroup, token: &Token, seconds: f64) -> bool {
        let taking = self.limiter.take(group, token, MOST, self.at(seconds));
        matches!(taking, Taking::Taken(_))
    }

    /// Each window as its limit, what is left and the seconds to its end.
    fn standing(&self, group: &RateGroup, token: &Token, seconds: f64) -> Vec<(u32, u32, u64)> {
        let now = self.at(seconds);
        let (Taking::Taken(standing) | Taking::Exceeded(standing)) =
            self.limiter.take(group, token, MOST, now)
        else {
            panic!("there is room");
        };
        let told = standing.windows();
        told.map(|left| (left.limit, left.remaining, left.seconds(now)))
            .collect()
    }
}

#[test]
fn a_window_starts_at_the_first_request_and_ends_when_it_is_over() {
    let fixture = Fixture::new();
    let (a, two) = (token("a", None), group(0, &["2/minute"], Per::Token));
    assert!(fixture.take(&two, &a, 30.0));
    assert!(fixture.take(&two, &a, 89.0));
    assert!(!fixture.take(&two, &a, 89.5));
    assert!(!fixture.take(&two, &a, 89.999));
    assert!(fixture.take(&two, &a, 90.0), "60 s after the first");
    // The next begins with its first request again, not on a grid.
    assert!(fixture.take(&two, &a, 149.0));
    assert!(!fixture.take(&two, &a, 149.9));
    assert!(fixture.take(&two, &a, 300.0));
    assert!(fixture.take(&two, &a, 359.0) && !fixture.take(&two, &a, 359.9));
}

#[test]
fn each_of_the_windows_has_its_length() {
    for (limit, seconds) in [("1/minute", 60.0), ("1/hour", 3600.0), ("1/day", 86_400.0)] {
        let fixture = Fixture::new();
        let (a, one) = (token("a", None), group(0, &[limit], Per::Token));
        assert!(fixture.take(&one, &a, 1.0));
        assert!(!fixture.take(&one, &a, seconds + 0.999), "{limit}");
        assert!(fixture.take(&one, &a, seconds + 1.0), "{limit}");
    }
}

#[test]
fn what_is_told_is_what_is_left() {
    let fixture = Fixture::new();
    let (a, g) = (
        token("a", None),
        group(0, &["2/minute", "5/hour"], Per::Token),
    );
    assert_eq!(fixture.standing(&g, &a, 0.0), [(2, 1, 60), (5, 4, 3600)]);
    assert_eq!(fixture.standing(&g, &a, 0.5), [(2, 0, 60), (5, 3, 3600)]);
    assert_eq!(fixture.standing(&g, &a, 59.5), [(2, 0, 1), (5, 3, 3541)]);
    // A minute that is over is told as the one that the request opened.
    assert_eq!(fixture.standing(&g, &a, 61.0), [(2, 1, 60), (5, 2, 3539)]);
}

#[test]
fn a_refusal_consumes_nothing_in_any_window() {
    let fixture = Fixture::new();
    let (a, g) = (
        token("a", None),
        group(0, &["1/minute", "3/hour"], Per::Token),
    );
    for minute in 0..3 {
        let begins = f64::from(minute) * 60.0;
        assert!(fixture.take(&g, &a, begins));
        for _ in 0..50 {
            assert!(!fixture.take(&g, &a, begins + 1.0));
        }
    }
    // The hour is used up now; the minute is not touched by what the hour refuses.
    assert_eq!(fixture.standing(&g, &a, 181.0), [(1, 1, 60), (3, 0, 3419)]);
    assert_eq!(fixture.standing(&g, &a, 200.0), [(1, 1, 60), (3, 0, 3400)]);
    assert!(fixture.take(&g, &a, 3600.0));
}

#[test]
fn the_tightest_window_is_the_one_with_least_left_and_of_two_the_later() {
    let fixture = Fixture::new();
    let a = token("a", None);
    let tightest = |limits: &[&str], number| {
        let g = group(number, limits, Per::Token);
        let Taking::Taken(standing) = fixture.limiter.take(&g, &a, MOST, fixture.at(0.0)) else {
            panic!("there is room");
        };
        standing.tightest().expect("a window").window
    };
    assert_eq!(tightest(&["5/minute", "4/hour"], 0), Window::Hour);
    assert_eq!(tightest(&["4/minute", "5/hour"], 1), Window::Minute);
    assert_eq!(tightest(&["4/minute", "4/hour", "9/day"], 2), Window::Hour);
}

#[test]
fn seconds_are_rounded_up_and_never_none() {
    let now = Instant::now();
    let seconds = |millis| {
        let left = Left {
            window: Window::Hour,
            limit: 1,
            remaining: 0,
            ends: now + Duration::from_millis(millis),
        };
        left.seconds(now)
    };
    assert_eq!(
        [0, 1, 1000, 1001, 59_999].map(seconds),
        [1, 1, 1, 2, 60],
        "a client that comes back then is not too early"
    );
}

#[test]
fn tokens_of_an_account_share_and_others_do_not() {
    let fixture = Fixture::new();
    let shared = group(0, &["2/hour"], Per::Account);
    let [a, b] = ["a", "b"].map(|sid| token(sid, Some("acme")));
    assert!(fixture.take(&shared, &a, 0.0) && fixture.take(&shared, &b, 0.0));
    assert!(!fixture.take(&shared, &a, 0.0) && !fixture.take(&shared, &b, 0.0));
    // A token without an account counts alone, also one that is called as the account is.
    let namesake = token("acme", None);
    assert!(fixture.take(&shared, &namesake, 0.0) && fixture.take(&shared, &namesake, 0.0));
    assert!(!fixture.take(&shared, &namesake, 0.0));
    // And where tokens are counted, accounts are not.
    let own = group(1, &["2/hour"], Per::Token);
    for who in [&a, &b, &namesake] {
        assert!(fixture.take(&own, who, 0.0) && fixture.take(&own, who, 0.0));
        assert!(!fixture.take(&own, who, 0.0));
    }
}

#[test]
fn groups_and_holders_are_counted_apart() {
    let fixture = Fixture::new();
    let groups = [0, 1].map(|number| group(number, &["1/hour"], Per::Token));
    let tokens = ["a", "b"].map(|sid| token(sid, None));
    for group in &groups {
        for token in &tokens {
            assert!(fixture.take(group, token, 0.0));
            assert!(!fixture.take(group, token, 0.0));
        }
    }
    assert_eq!(fixture.limiter.len(), 4);
}

#[test]
fn changed_limits_hold_in_the_open_window() {
    let fixture = Fixture::new();
    let a = token("a", None);
    let with = |limits: &[&str]| group(7, limits, Per::Token);
    for _ in 0..5 {
        assert!(fixture.take(&with(&["5/hour"]), &a, 0.0));
    }
    assert!(!fixture.take(&with(&["5/hour"]), &a, 1.0));
    assert!(fixture.take(&with(&["6/hour"]), &a, 1.0), "one more");
    assert_eq!(
        fixture.standing(&with(&["3/hour"]), &a, 2.0),
        [(3, 0, 3598)]
    );
    // A window that comes is opened then; the one that stays goes on.
    let both = with(&["9/hour", "2/day"]);
    assert_eq!(
        fixture.standing(&both, &a, 10.0),
        [(9, 2, 3590), (2, 1, 86_400)]
    );
    // One that goes and comes back has not been forgotten.
    assert!(fixture.take(&with(&["9/hour"]), &a, 20.0));
    assert_eq!(
        fixture.standing(&both, &a, 30.0),
        [(9, 0, 3570), (2, 0, 86_380)]
    );
}

#[test]
fn only_what_is_closed_is_swept() {
    let fixture = Fixture::new();
    let minute = group(0, &["1/minute"], Per::Token);
    let day = group(1, &["1/minute", "1/day"], Per::Token);
    let tokens: Vec<Token> = (0..3_000).map(|n| token(&format!("t{n}"), None)).collect();
    for token in &tokens {
        assert!(fixture.take(&minute, token, 0.0) && fixture.take(&day, token, 0.0));
    }
    let sweep = |parts, seconds| {
        for _ in 0..parts {
            fixture.limiter.sweep(parts, fixture.at(seconds));
        }
        fixture.limiter.len()
    };
    assert_eq!(sweep(7, 59.9), 6_000);
    assert_eq!(sweep(32, 60.0), 3_000);
    for token in &tokens {
        assert!(!fixture.take(&day, token, 60.0), "the day goes on");
    }
    assert_eq!(sweep(1, 86_399.0), 3_000);
    assert_eq!(sweep(1, 86_400.0), 0);
    let kept: usize = fixture
        .limiter
        .shards
        .iter()
        .map(|s| lock(s).capacity())
        .sum();
    assert!(
        kept < 8 * SHARDS,
        "the memory goes too: room for {kept} is left"
    );
    assert!(fixture.take(&day, &tokens[0], 86_400.0));
}

#[test]
fn there_are_never_more_counters_than_may_be() {
    let fixture = Fixture::new();
    let one = group(0, &["2/minute"], Per::Token);
    let take = |n: u32, seconds| {
        let token = token(&format!("t{n}"), None);
        fixture.limiter.take(&one, &token, 10, fixture.at(seconds))
    };
    for n in 0..10 {
        assert!(matches!(take(n, 0.0), Taking::Taken(_)));
    }
    assert_eq!(take(10, 0.0), Taking::Full);
    assert!(
        matches!(take(9, 0.0), Taking::Taken(_)),
        "who has one keeps it"
    );
    assert_eq!(fixture.limiter.len(), 10);
    assert_eq!(fixture.limiter.take_turned_away(), 1);
    assert_eq!(fixture.limiter.take_turned_away(), 0);
    fixture.limiter.sweep(1, fixture.at(60.0));
    assert!(matches!(take(10, 60.0), Taking::Taken(_)));
}

/// More threads than cores, all at one counter and from one moment on: never one too many,
/// none too few, and no window is taken without the other.
#[test]
fn threads_take_exactly_what_there_is() {
    for round in 0..20 {
        let fixture = Fixture::new();
        let shared = group(0, &["500/minute", "1200/hour"], Per::Account);
        let barrier = Barrier::new(8);
        let admitted = |seconds| -> usize {
            thread::scope(|scope| {
                let threads: Vec<_> = (0..8)
                    .map(|n| {
                        let token = token(&format!("t{n}"), Some("acme"));
                        let (fixture, barrier, shared) = (&fixture, &barrier, &shared);
                        scope.spawn(move || {
                            barrier.wait();
                            let takes = (0..100).filter(|_| fixture.take(shared, &token, seconds));
                            takes.count()
                        })
                    })
                    .collect();
                let counts = threads.into_iter().map(|t| t.join().expect("no panic"));
                counts.sum()
            })
        };
        let minutes = [0.0, 60.0, 120.0, 180.0].map(admitted);
        assert_eq!(minutes, [500, 500, 200, 0], "round {round}");
    }
}

/// New counters and sweeps at once: none is lost while it is open.
#[test]
fn sweeping_meanwhile_loses_nothing() {
    let fixture = Fixture::new();
    let one = group(0, &["1/minute"], Per::Token);
    let tokens: Vec<Token> = (0..2_000).map(|n| token(&format!("t{n}"), None)).collect();
    let admitted: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| tokens.iter().filter(|t| fixture.take(&one, t, 1.0)).count()))
            .collect();
        for _ in 0..200 {
            fixture.limiter.sweep(32, fixture.at(1.0));
        }
        threads
            .into_iter()
            .map(|t| t.join().expect("no panic"))
            .sum()
    });
    assert_eq!((admitted, fixture.limiter.len()), (2_000, 2_000));
}

/// What the limiter is to do, as simply as it can be said: every request that was counted is
/// remembered, and a window is the requests since its first.
#[derive(Default)]
struct Model {
    windows: BTreeMap<(String, bool, u32, Window), (Duration, u32)>,
}

impl Model {
    fn take(&mut self, group: &RateGroup, token: &Token, now: Duration) -> bool {
        let account = token
            .account
            .as_deref()
            .filter(|_| group.per == Per::Account);
        let name = account.unwrap_or(&token.sid).to_string();
        let mut next = Vec::new();
        for limit in &group.limits {
            let key = (
                name.clone(),
                account.is_some(),
                group.number.0,
                limit.window,
            );
            let open = self
                .windows
                .get(&key)
                .copied()
                .filter(|(began, _)| now - *began < limit.window.duration());
            let (began, used) = open.unwrap_or((now, 0));
            if used >= limit.count.get() {
                return false;
            }
            next.push((key, (began, used + 1)));
        }
        self.windows.extend(next);
        true
    }
}

proptest! {
    #[test]
    fn it_does_what_the_model_does(
        steps in prop::collection::vec((0..4_usize, 0..5_usize, 0..3_usize, 0..40_000_u32), 1..120),
    ) {
        let tokens = [
            token("a", None),
            token("b", Some("acme")),
            token("c", Some("acme")),
            token("acme", None),
        ];
        // The same groups before and after reloads that change their limits.
        let groups = [
            group(0, &["3/minute"], Per::Token),
            group(0, &["2/minute", "5/hour"], Per::Account),
            group(0, &["6/hour", "8/day"], Per::Token),
            group(1, &["2/minute", "4/hour", "6/day"], Per::Account),
            group(1, &["1/day"], Per::Token),
        ];
        let fixture = Fixture::new();
        let mut model = Model::default();
        let mut now = Duration::ZERO;
        for (who, what, how, later) in steps {
            // Mostly soon after, sometimes hours.
            now += match how {
                0 => Duration::ZERO,
                1 => Duration::from_millis(later.into()),
                _ => Duration::from_secs(later.into()),
            };
            if later % 3 == 0 {
                fixture.limiter.sweep(1 + who, fixture.start + now);
            }
            let (group, token) = (&groups[what], &tokens[who]);
            let taking = fixture.limiter.take(group, token, MOST, fixture.start + now);
            let taken = matches!(taking, Taking::Taken(_));
            prop_assert_eq!(taken, model.take(group, token, now));
        }
    }
}
