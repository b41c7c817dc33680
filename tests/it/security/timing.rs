//! Class C, timing: the answer to an unknown SID and to a wrong auth token take the same
//! time, so that SIDs cannot be found by guessing: while guesses are counted too.
//!
//! `SIDGATE_SOAK=1` (`scripts/soak`) holds it to the full bound; otherwise fewer requests
//! are held to a looser one, so that it holds on a busy machine.

use std::time::{Duration, Instant};

use super::credentials::authorization;
use crate::support::fixture::{basic, token};
use crate::support::{Client, Gate, Recorder};

/// What is held against a difference.
struct Bound {
    /// Requests of each kind.
    requests: usize,
    /// Of the median.
    share: f64,
    /// Below this a difference of medians says nothing: on a quiet machine t finds single
    /// steps of an unoptimised build.
    least: Duration,
    /// What Welch's t may be (the dudect rule, at the full size).
    t: f64,
}

fn bound() -> Bound {
    match std::env::var_os("SIDGATE_SOAK") {
        Some(_) => Bound {
            requests: 5_000,
            share: 0.05,
            least: Duration::ZERO,
            t: 4.5,
        },
        None => Bound {
            requests: 1_500,
            share: 0.1,
            least: Duration::from_nanos(300),
            t: 6.0,
        },
    }
}

/// How often a measurement that another process disturbed may be repeated. A leak is there
/// each time.
const TRIES: usize = 3;

/// Times of two kinds of requests, interleaved: unknown, known.
fn measure(requests: usize, mut ask: impl FnMut(usize, usize)) -> [Vec<f64>; 2] {
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..requests {
        // Which comes first is drawn anew, so that no rhythm of the machine favours one.
        let first = usize::from(rand::random::<bool>());
        for which in [first, 1 - first] {
            let began = Instant::now();
            ask(which, round);
            times[which].push(began.elapsed().as_secs_f64());
        }
    }
    times
}

fn median(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Welch's t of two samples. The slowest tenth of both is left out, as dudect does: what
/// the scheduler does there is many times what could be leaked.
fn welch([a, b]: &[Vec<f64>; 2]) -> f64 {
    let mut all: Vec<f64> = a.iter().chain(b).copied().collect();
    all.sort_by(f64::total_cmp);
    let most = all[all.len() * 9 / 10];
    let [(mean_a, error_a), (mean_b, error_b)] = [a, b].map(|times| {
        let times: Vec<f64> = times.iter().copied().filter(|&t| t <= most).collect();
        let count = times.len() as f64;
        let mean = times.iter().sum::<f64>() / count;
        let squares = times.iter().map(|t| (t - mean).powi(2)).sum::<f64>();
        (mean, squares / (count - 1.0) / count)
    });
    (mean_a - mean_b) / (error_a + error_b).sqrt()
}

/// Fails where the two kinds differ each time they are measured.
#[track_caller]
fn assert_alike(what: &str, mut ask: impl FnMut(usize, usize)) {
    let bound = bound();
    // What a first request costs is no difference.
    measure(100, &mut ask);
    let mut differences = Vec::new();
    for _ in 0..TRIES {
        let times = measure(bound.requests, &mut ask);
        let [unknown, known] = [&times[0], &times[1]].map(|times| median(times));
        let (difference, t) = ((unknown - known).abs(), welch(&times));
        let near = difference < unknown.max(known) * bound.share;
        if near && (difference < bound.least.as_secs_f64() || t.abs() < bound.t) {
            return;
        }
        differences.push(format!(
            "unknown {unknown:e} s, known {known:e} s, t {t:.2}"
        ));
    }
    panic!("{what}: {differences:#?}");
}

/// A thousand tokens beside the one that is guessed at.
fn gate(upstream: &Recorder) -> Gate {
    let mut tokens = token("alice", "the right one", &["reader"]);
    for number in 0..1_000 {
        tokens.push_str(&token(&format!("other-{number}"), "another", &["reader"]));
    }
    Gate::builder()
        .before(upstream)
        .catalog(super::bench::CATALOG)
        .tokens(tokens)
        .section("[access_log]\noutput = \"off\"")
        // Counted, as those of a stranger are, and never too many.
        .section("[guessing]\nfailures = 1000000\nexempt = []")
        .start()
}

/// SIDs of one length, so that the bytes to read are as many.
const SIDS: [&str; 2] = ["nobod", "alice"];

fn refused(client: &mut Client, request: &[u8]) {
    client.send(request);
    assert_eq!(client.reply("GET").status, 401);
}

#[test]
fn an_unknown_sid_takes_as_long_as_a_wrong_auth_token() {
    let upstream = Recorder::ok();
    let gate = gate(&upstream);
    let mut client = gate.connect();
    let same = SIDS.map(|sid| authorization(&basic(&format!("{sid}:an-auth-token"))));
    // The first round is before, the second after whatever is cached is warm.
    for what in ["cold", "warm"] {
        assert_alike(what, |which, _| refused(&mut client, &same[which]));
    }
    assert_alike("a new guess each time", |which, round| {
        let pair = format!("{}:an-auth-token-{round:06}", SIDS[which]);
        refused(&mut client, &authorization(&basic(&pair)));
    });
    assert_eq!(upstream.connections(), 0);
}

/// Requests that could be answered together are not, for either.
#[test]
fn eight_at_once_take_as_long_for_an_unknown_sid() {
    let upstream = Recorder::ok();
    let gate = gate(&upstream);
    let mut clients: Vec<Client> = (0..8).map(|_| gate.connect()).collect();
    let requests = SIDS.map(|sid| authorization(&basic(&format!("{sid}:an-auth-token"))));
    assert_alike("eight at once", |which, _| {
        for client in &mut clients {
            client.send(&requests[which]);
        }
        for client in &mut clients {
            assert_eq!(client.reply("GET").status, 401);
        }
    });
}

#[test]
fn a_difference_is_found() {
    let slower = |by: f64| {
        let noise = |i: usize| f64::from(u32::try_from(i * 7919 % 1000).unwrap()) / 1e3;
        let times = |add: f64| {
            (0..1_500)
                .map(|i| 10.0 + noise(i) + add)
                .collect::<Vec<_>>()
        };
        welch(&[times(by), times(0.0)])
    };
    assert!(slower(0.0).abs() < 0.01);
    assert!(slower(0.2) > 6.0 && slower(-0.2) < -6.0);
}
