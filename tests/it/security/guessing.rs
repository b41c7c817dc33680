//! Class C, guessing: counted by the address that it comes from, and by nothing else.

use std::time::Duration;

use super::bench::CATALOG;
use super::credentials::authorization;
use crate::support::fixture::{Who, basic};
use crate::support::http2::client::Http2;
use crate::support::{ALICE, CAROL, Gate, Recorder, Reply, eventually};

/// Wrong guesses that a client has in these tests.
const FAILURES: usize = 5;

fn tokens() -> String {
    let (alice, carol) = (ALICE.token(&["reader"]), CAROL.token(&["reader"]));
    format!("{alice}\n{carol}state = \"disabled\"\n")
}

/// A gate behind a proxy on this machine.
fn behind_proxy(upstream: &Recorder) -> Gate {
    Gate::builder()
        .before(upstream)
        .catalog(format!("{CATALOG}\n[paths]\npublic = [\"GET /open\"]\n"))
        .tokens(tokens())
        .proxy("trusted_proxies = [\"127.0.0.0/8\"]")
        .section(&format!(
            "[guessing]\nfailures = {FAILURES}\nwindow = \"1d\""
        ))
        .start()
}

/// A request that a proxy passes on for this client.
fn ask_for(gate: &Gate, client: &str, pair: &str) -> Reply {
    gate.ask("GET", "/v1/items")
        .header("X-Forwarded-For", client)
        .header("Authorization", &basic(pair))
        .send()
}

fn right() -> String {
    format!("{}:{}", ALICE.sid, ALICE.secret)
}

/// Uses up a client's guesses at a SID.
#[track_caller]
fn guess_away(gate: &Gate, client: &str, sid: &str) {
    for number in 0..FAILURES {
        let reply = ask_for(gate, client, &format!("{sid}:guess-{number}"));
        reply.assert_refused(401, "bad_credentials");
    }
}

#[track_caller]
fn assert_throttled(reply: &Reply) {
    reply.assert_refused(429, "rate_limited");
    let wait = reply.header("retry-after").map(str::parse::<u64>);
    assert!(matches!(wait, Some(Ok(1..=86_400))), "{reply:?}");
}

#[test]
fn who_guesses_is_refused_and_nobody_else() {
    let upstream = Recorder::ok();
    let gate = behind_proxy(&upstream);
    guess_away(&gate, "198.51.100.7", "alice");
    // Whatever it sends now, and by whatever way it is told, it is not looked at.
    for client in ["198.51.100.7", "::ffff:198.51.100.7", "198.51.100.7:4711"] {
        for pair in ["alice:guess", "nobody:guess", "", &right()] {
            assert_throttled(&ask_for(&gate, client, pair));
        }
    }
    assert_eq!(upstream.connections(), 0);

    // The owner of the SID that was guessed at is not locked out, nor are requests that
    // offer nothing.
    assert_eq!(ask_for(&gate, "198.51.100.8", &right()).status, 200);
    assert_eq!(ask_for(&gate, "127.0.0.1", &right()).status, 200);
    assert_eq!(gate.read_as(&ALICE, "/v1/items").status, 200);
    for (target, status) in [("/v1/items", 401), ("/open", 200)] {
        let bare = gate.ask("GET", target);
        let bare = bare.header("X-Forwarded-For", "198.51.100.7").send();
        assert_eq!(bare.status, status, "{target}");
    }
    assert_eq!(upstream.requests().len(), 4);

    let metrics = gate.ask_admin("/metrics").text();
    assert!(
        metrics.contains("sidgate_guesses_refused_total 12"),
        "{metrics}"
    );
    gate.logged(&["wrong credentials again and again", "198.51.100.7"]);
}

#[tokio::test]
async fn http2_is_counted_with_http1() {
    let upstream = Recorder::ok();
    let gate = behind_proxy(&upstream);
    let mut client = Http2::connect(gate.address()).await;
    for (number, status) in [401; FAILURES].into_iter().chain([429]).enumerate() {
        let guess = basic(&format!("alice:guess-{number}"));
        let mut request = client.request("GET", "/v1/items", &ALICE);
        let headers = request.headers_mut();
        headers.insert("authorization", guess.parse().unwrap());
        headers.insert("x-forwarded-for", "198.51.100.7".parse().unwrap());
        let answer = client.exchange(request).await.expect("an answer");
        assert_eq!(answer.status, status, "{number}");
    }
    assert_throttled(&ask_for(&gate, "198.51.100.7", &right()));
    assert_eq!(client.read_as(&ALICE, "/v1/items").await.status, 200);
}

#[test]
fn an_ipv6_subscriber_is_one_client() {
    let upstream = Recorder::ok();
    let gate = behind_proxy(&upstream);
    for number in 0..FAILURES {
        let client = format!("2001:db8:1:2::{number}");
        let pair = format!("alice:guess-{number}");
        ask_for(&gate, &client, &pair).assert_refused(401, "bad_credentials");
    }
    assert_throttled(&ask_for(&gate, "2001:db8:1:2:ffff::1", &right()));
    assert_eq!(ask_for(&gate, "2001:db8:1:3::1", &right()).status, 200);
}

#[test]
fn who_is_no_trusted_proxy_is_not_believed() {
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .catalog(CATALOG)
        .tokens(tokens())
        .proxy("trusted_proxies = [\"192.0.2.1\"]")
        .section(&format!(
            "[guessing]\nfailures = {FAILURES}\nexempt = [\"198.51.100.0/24\"]"
        ))
        .start();
    let told = ["198.51.100.1", "127.0.0.1", "192.0.2.1", "203.0.113.5", "x"];
    for (number, client) in told.into_iter().enumerate() {
        let reply = ask_for(&gate, client, &format!("alice:guess-{number}"));
        reply.assert_refused(401, "bad_credentials");
    }
    for client in told {
        assert_throttled(&ask_for(&gate, client, &right()));
    }
    assert_throttled(&gate.read_as(&ALICE, "/v1/items"));
    assert_eq!(upstream.connections(), 0);
    // A chain that is longer than what its proxy knows begins with what the client said.
    let gate = behind_proxy(&upstream);
    for number in 0..FAILURES {
        let chain = format!("203.0.113.{number}, 198.51.100.7");
        let reply = ask_for(&gate, &chain, &format!("alice:guess-{number}"));
        reply.assert_refused(401, "bad_credentials");
    }
    assert_throttled(&ask_for(&gate, "127.0.0.1, 198.51.100.7", &right()));
}

/// A client that has missed the reset of its auth token takes nothing from the others
/// behind its address.
#[test]
fn the_same_wrong_credentials_are_refused_alone() {
    let upstream = Recorder::ok();
    let gate = behind_proxy(&upstream);
    let client = "198.51.100.7";
    for _ in 0..FAILURES {
        ask_for(&gate, client, "alice:the old one").assert_refused(401, "bad_credentials");
    }
    assert_throttled(&ask_for(&gate, client, "alice:the old one"));
    assert_eq!(ask_for(&gate, client, &right()).status, 200);
    // They were one guess; four are left.
    for number in 1..FAILURES {
        let reply = ask_for(&gate, client, &format!("alice:guess-{number}"));
        reply.assert_refused(401, "bad_credentials");
    }
    assert_throttled(&ask_for(&gate, client, &right()));
}

/// What is slow to judge costs more than it tells.
#[test]
fn guesses_at_a_slow_digest_count_each_time() {
    const SLOW: Who = Who {
        sid: "slow",
        secret: "a password",
    };
    let upstream = Recorder::ok();
    let hash = bcrypt::hash(SLOW.secret, 4).unwrap();
    let slow = format!(
        "[[token]]\nsid = \"slow\"\nname = \"slow\"\nscopes = [\"reader\"]\ndigest = \"{hash}\"\n"
    );
    let gate = Gate::builder()
        .before(&upstream)
        .catalog(CATALOG)
        .tokens(slow)
        .section(&format!("[guessing]\nfailures = {FAILURES}\nexempt = []"))
        .start();
    for _ in 0..FAILURES {
        let wrong = gate.ask("GET", "/v1/items");
        let wrong = wrong.header("Authorization", &basic("slow:guess")).send();
        wrong.assert_refused(401, "bad_credentials");
    }
    assert_throttled(&gate.read_as(&SLOW, "/v1/items"));
}

#[test]
fn guesses_are_without_end_where_that_is_wanted_and_by_default_on_this_machine() {
    let upstream = Recorder::ok();
    for section in [
        "[guessing]\nfailures = 2",
        "[guessing]\nfailures = 0\nexempt = []",
    ] {
        let gate = Gate::builder()
            .before(&upstream)
            .catalog(CATALOG)
            .tokens(tokens())
            .section(section)
            .start();
        let mut client = gate.connect();
        for number in 0..400 {
            client.send(authorization(&basic(&format!("alice:guess-{number}"))));
            assert_eq!(client.reply("GET").status, 401, "{section} {number}");
        }
    }
}

#[test]
fn a_reload_changes_what_is_allowed() {
    let upstream = Recorder::ok();
    let gate = behind_proxy(&upstream);
    guess_away(&gate, "198.51.100.7", "alice");
    assert_throttled(&ask_for(&gate, "198.51.100.7", &right()));
    let main = gate.read("sidgate.toml");
    let more = format!("failures = {}", FAILURES + 1);
    gate.replace(
        "sidgate.toml",
        main.replace(&format!("failures = {FAILURES}"), &more),
    );
    eventually("one more is allowed", Duration::from_secs(10), || {
        (ask_for(&gate, "198.51.100.7", &right()).status == 200).then_some(())
    });
}

/// 429 tells as little as 401 does.
#[test]
fn a_throttled_answer_is_the_same_for_every_sid() {
    let upstream = Recorder::ok();
    let gate = behind_proxy(&upstream);
    guess_away(&gate, "198.51.100.7", "nobody");
    let answer = |pair: &str| {
        let reply = ask_for(&gate, "198.51.100.7", pair);
        let mut all = format!("{}{}", reply.raw, reply.text());
        for field in ["x-request-id", "date", "retry-after"] {
            if let Some(value) = reply.header(field) {
                all = all.replace(value, field);
            }
        }
        all
    };
    let expected = answer("nobody:x");
    for pair in ["alice:x", "carol:x", &right(), "not even a pair"] {
        assert_eq!(answer(pair), expected, "{pair}");
    }
}
