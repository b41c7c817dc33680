//! Who may call: credentials, roles, guessing.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::support::{self, Builder, Reply, SPECIALIST, VIEWER, basic, operator, sha256, start};

const HOST: &str = "Host: localhost";

fn status(admin: &support::Admin, authorization: &str) -> Reply {
    let authorization = format!("Authorization: {authorization}");
    admin.send("GET /v1/status", &[HOST, &authorization], b"")
}

#[test]
fn credentials_are_demanded() {
    let admin = start();
    for path in ["/v1/status", "/metrics", "/v1/tokens", "/nothing"] {
        let reply = admin.send(&format!("GET {path}"), &[HOST], b"");
        reply.is_problem(401, "missing_credentials");
        assert_eq!(
            reply.header("www-authenticate"),
            Some("Basic realm=\"sidgate admin\", charset=\"UTF-8\"")
        );
    }
}

#[test]
fn strangers_are_counted() {
    let admin = start();
    assert_eq!(status(&admin, &basic(VIEWER.0, VIEWER.1)).status, 200);
    admin.send("GET /healthz", &[HOST], b"");
    assert_eq!(admin.strangers.load(Ordering::Relaxed), 0);
    admin.send("GET /v1/status", &[HOST], b"");
    status(&admin, &basic(VIEWER.0, "wrong"));
    status(&admin, &basic("nobody", "wrong"));
    assert_eq!(admin.strangers.load(Ordering::Relaxed), 3);
}

#[test]
fn an_unknown_name_and_a_wrong_secret_are_one_answer() {
    let admin = start();
    let bare = |mut reply: Reply| {
        reply.is_problem(401, "bad_credentials");
        let id = reply.header("x-request-id").expect("an id").to_owned();
        reply
            .headers
            .retain(|(name, _)| name != "date" && name != "x-request-id");
        reply.body = String::from_utf8(reply.body)
            .unwrap()
            .replace(&id, "")
            .into_bytes();
        reply
    };
    let wrong = bare(status(&admin, &basic(VIEWER.0, "wrong")));
    let unknown = bare(status(&admin, &basic("nobody", VIEWER.1)));
    let malformed = bare(status(&admin, "Bearer x"));
    assert_eq!(wrong, unknown);
    assert_eq!(wrong, malformed);
}

#[test]
fn credentials_have_one_spelling() {
    let admin = start();
    let good = basic(SPECIALIST.0, SPECIALIST.1);
    let encoded = good.strip_prefix("Basic ").unwrap();
    for authorization in [good.clone(), format!("basic   {encoded}")] {
        assert_eq!(status(&admin, &authorization).status, 200);
    }
    for authorization in [
        format!("Basic{encoded}"),
        format!("Basic {}", encoded.trim_end_matches('=')),
        format!("Basic {encoded}="),
        format!("Basic {encoded} "),
        format!("Basic {encoded} x"),
        basic(SPECIALIST.0, ""),
        basic("", SPECIALIST.1),
        basic(&format!("{}\0", SPECIALIST.0), SPECIALIST.1),
    ] {
        let reply = status(&admin, &authorization);
        // White space around a field value is no part of it (RFC 9110 5.5).
        let expected = if authorization.ends_with(' ') {
            200
        } else {
            401
        };
        assert_eq!(reply.status, expected, "{authorization:?}");
    }
    let twice = format!("Authorization: {good}");
    admin
        .send("GET /v1/status", &[HOST, &twice, &twice], b"")
        .is_problem(401, "bad_credentials");
}

#[test]
fn slow_digests_and_odd_names_work() {
    // "hunter2-hunter2", by `htpasswd -nbB -C 4`.
    let digest = bcrypt::hash("hunter2-hunter2", 4).unwrap();
    let admin = Builder {
        operators: operator("Zoë @ the desk", "viewer", &digest),
        ..Builder::default()
    }
    .start();
    let good = basic("Zoë @ the desk", "hunter2-hunter2");
    for _ in 0..40 {
        assert_eq!(status(&admin, &good).status, 200);
    }
    status(&admin, &basic("Zoë @ the desk", "hunter2-hunter3")).is_problem(401, "bad_credentials");
}

#[test]
fn operators_come_and_go_with_the_settings() {
    let admin = start();
    let new = operator("nina", "viewer", &sha256("ninas-secret"));
    let good = basic("nina", "ninas-secret");
    assert_eq!(status(&admin, &good).status, 401);
    let with = support::config(admin.dir.path(), "", &new).settings;
    let without = admin.settings.swap(Arc::new(with));
    assert_eq!(status(&admin, &good).status, 200);
    admin.settings.store(without);
    assert_eq!(status(&admin, &good).status, 401);
}

#[test]
fn guessing_is_throttled_and_not_for_those_who_know() {
    let admin = start();
    let good = basic(VIEWER.0, VIEWER.1);
    for _ in 0..100 {
        assert_eq!(status(&admin, &good).status, 200);
    }
    let mut refused = 0;
    for number in 0..30 {
        let reply = status(&admin, &basic(VIEWER.0, &format!("guess {number}")));
        if reply.status == 429 {
            reply.is_problem(429, "throttled");
            let wait: u64 = reply
                .header("retry-after")
                .expect("a wait")
                .parse()
                .unwrap();
            assert!((1..=60).contains(&wait));
            refused += 1;
        }
    }
    assert_eq!(refused, 10, "20 wrong secrets a minute");
    assert_eq!(
        status(&admin, &good).status,
        429,
        "a lucky guess is not told"
    );
    assert_eq!(admin.send("GET /healthz", &[HOST], b"").status, 200);
    admin
        .send("GET /v1/status", &[HOST], b"")
        .is_problem(401, "missing_credentials");
}

#[test]
fn guesses_sent_at_once_are_counted_too() {
    let digest = bcrypt::hash("hunter2-hunter2", 6).unwrap();
    let admin = Builder {
        operators: operator("slow", "viewer", &digest),
        ..Builder::default()
    }
    .start();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let guesses: Vec<_> = (0..60)
            .map(|number| {
                let admin = &admin;
                scope.spawn(move || status(admin, &basic("slow", &format!("{number}"))).status)
            })
            .collect();
        guesses
            .into_iter()
            .map(|guess| guess.join().unwrap())
            .collect()
    });
    assert_eq!(statuses.iter().filter(|&&status| status == 401).count(), 20);
    assert_eq!(statuses.iter().filter(|&&status| status == 429).count(), 40);
}
