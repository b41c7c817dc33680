//! Digests other than SHA-256, as other programs made them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::fixture::{basic, digest};
use crate::support::{ALICE, Gate, Recorder, eventually};

/// Made by `htpasswd -B`.
const BCRYPT: &str = "$2y$04$vc20VDAD2wW08qw1TTP8tujKoIMCvqB58yFTpiFrwQck7qWrZ/mQq";
/// Made by argon2-cffi.
const ARGON2ID: &str = "$argon2id$v=19$m=64,t=1,p=1$ebVuJ19rYfuWomuVtkGOnA$ZDASUn3SshKPgnuNn1rwd6pCpYPWBAQdn22S10x7uno";
/// Made by Python's `hmac` under [`KEY`].
const HMAC: &str = "hmac-sha256:531dba955869714f7aadf5b57c45a93e89817fa6ac3cf98863ccfdcc62af2530";
const KEY: &str = "a key of thirty-two bytes or more";

fn token(sid: &str, digest: &str) -> String {
    format!(
        "[[token]]\nsid = \"{sid}\"\nname = \"{sid}\"\nscopes = [\"items:read\"]\ndigest = \"{digest}\"\n"
    )
}

#[test]
fn bcrypt_argon2id_and_hmac_digests_prove_their_tokens() {
    let upstream = Recorder::ok();
    let tokens = [
        token("b", BCRYPT),
        token("a", ARGON2ID),
        token("h", HMAC),
        format!("{}state = \"disabled\"\n", token("off", BCRYPT)),
    ];
    let gate = Gate::builder()
        .before(&upstream)
        .tokens(tokens.concat())
        .section("[secrets]\nhmac_key_file = \"hmac.key\"")
        .file("hmac.key", KEY)
        .start();
    let ask = |pair: &str| {
        gate.ask("GET", "/v1/items")
            .header("Authorization", &basic(pair))
            .send()
    };
    for pair in [
        "b:bcrypts-auth-token-1",
        "a:argons-auth-token-1",
        "h:hmacs-auth-token-1",
    ] {
        // The second time a slow digest comes from the cache.
        for _ in 0..2 {
            assert_eq!(ask(pair).status, 200, "{pair}");
            ask(&format!("{pair}x")).assert_refused(401, "bad_credentials");
        }
    }
    assert_eq!(upstream.last().header("x-auth-sid"), Some("h"));
    for pair in [
        "b:argons-auth-token-1",
        "a:bcrypts-auth-token-1",
        "h:",
        "a:",
        "b:",
    ] {
        ask(pair).assert_refused(401, "bad_credentials");
    }
    ask("off:bcrypts-auth-token-1").assert_refused(403, "token_disabled");
    ask("off:wrong").assert_refused(401, "bad_credentials");
}

#[test]
fn a_changed_token_empties_the_cache_of_its_digest() {
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .tokens(token("b", BCRYPT))
        .start();
    let status = || {
        let value = basic("b:bcrypts-auth-token-1");
        gate.ask("GET", "/v1/items")
            .header("Authorization", &value)
            .send()
            .status
    };
    assert_eq!(status(), 200);
    gate.replace("tokens.toml", token("b", &digest("another")));
    eventually(
        "the old auth token is refused",
        Duration::from_secs(2),
        || (status() == 401).then_some(()),
    );
}

#[test]
fn guesses_at_slow_digests_do_not_hold_up_others() {
    let upstream = Recorder::ok();
    // Slow enough for the queue to fill, quick enough for a test.
    let slow = bcrypt::hash("a-slow-auth-token", 10).unwrap();
    let tokens = format!("{}{}", token("b", &slow), ALICE.token(&["items:read"]));
    let gate = Gate::builder()
        .before(&upstream)
        .tokens(tokens)
        .proxy("workers = 1")
        .section("[verification]\nthreads = 1\nqueue = 4")
        .start();
    let overloaded = AtomicUsize::new(0);
    thread::scope(|scope| {
        for guesser in 0..12 {
            let (gate, overloaded) = (&gate, &overloaded);
            scope.spawn(move || {
                for number in 0..3 {
                    let value = basic(&format!("b:guess-{guesser}-{number}"));
                    let reply = gate
                        .ask("GET", "/v1/items")
                        .header("Authorization", &value)
                        .send();
                    match reply.status {
                        401 => {}
                        503 => {
                            reply.assert_refused(503, "overloaded");
                            assert!(reply.header("retry-after").is_some());
                            overloaded.fetch_add(1, Ordering::SeqCst);
                        }
                        _ => panic!("{reply:?}"),
                    }
                }
            });
        }
        for _ in 0..20 {
            let began = Instant::now();
            assert_eq!(gate.read_as(&ALICE, "/v1/items").status, 200);
            let took = began.elapsed();
            assert!(took < Duration::from_secs(1), "{took:?} beside the guesses");
        }
    });
    assert!(
        overloaded.load(Ordering::SeqCst) > 0,
        "the queue is bounded"
    );
}
