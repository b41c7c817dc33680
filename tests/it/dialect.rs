//! `errors = "impact"`: every refusal in the words of the API that clients know, as JSON or
//! XML, and with all else as it is.

use serde_json::json;

use crate::support::fixture::DAVE;
use crate::support::http1::Reply;
use crate::support::http2::client::Http2;
use crate::support::http2::run;
use crate::support::{ALICE, BOB, CAROL, Gate, Recorder, Who};

fn start(upstream: &Recorder) -> Gate {
    let impact = "errors = \"impact\"";
    Gate::builder().before(upstream).proxy(impact).start()
}

/// Asserts a refusal in JSON, and gives its message.
#[track_caller]
fn message(reply: &Reply, status: u16) -> String {
    assert_eq!(reply.status, status, "{reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert!(
        reply
            .header("x-request-id")
            .is_some_and(|id| id.len() == 32)
    );
    let document = reply.json();
    assert_eq!(document["Status"], "ERROR", "{document}");
    let errors = document["Errors"].as_array().expect("a list");
    for error in errors {
        assert!(error["Field"].is_string() && error["Message"].is_string());
    }
    document["Message"].as_str().expect("a text").to_owned()
}

#[test]
fn every_refusal_keeps_its_status_and_fields() {
    let upstream = Recorder::ok();
    let gate = start(&upstream);
    let ask = |method: &str, target: &str| gate.ask(method, target);
    for (ask, status, said) in [
        (
            ask("GET", "/v1/../items"),
            400,
            "The request target is not in canonical form",
        ),
        (
            ask("GET", "/v1/items?IrVersion=9").by(&ALICE),
            400,
            "The API has no such version",
        ),
        (ask("GET", "/v1/items"), 401, "Credentials are required"),
        (
            ask("GET", "/v1/items").by(&DAVE),
            401,
            "The credentials are not valid",
        ),
        (ask("GET", "/v1/items").by(&CAROL), 403, "Access Denied"),
        (ask("GET", "/nothing").by(&ALICE), 403, "Access Denied"),
        (
            ask("GET", "/Mediapartners/bob/Ads").by(&ALICE),
            403,
            "Access Denied",
        ),
        (ask("GET", "/v1/items").by(&BOB), 403, "Access Denied"),
        (
            ask("TRACE", "/v1/items").by(&ALICE),
            405,
            "The method is not served",
        ),
    ] {
        let reply = ask.send();
        assert_eq!(message(&reply, status), said);
        let challenge = reply.header("www-authenticate");
        assert_eq!(challenge.is_some(), status == 401, "{reply:?}");
        assert_eq!(reply.header("allow").is_some(), status == 405);
        let closes = matches!(status, 405) || said.starts_with("The request target");
        assert_eq!(reply.header("connection"), closes.then_some("close"));
    }
    let scope = ask("GET", "/v1/items").by(&BOB).send().json();
    let why = "The token lacks the scope that this call needs: items:read";
    let errors = json!([{"Field": "Authorization", "Message": why}]);
    assert_eq!(scope["Errors"], errors);
    assert!(upstream.requests().is_empty());
    let record = gate.record(|record| record["sid"] == "bob");
    assert_eq!(record["code"], "scope_not_granted");
}

#[test]
fn faults_of_the_upstream_are_told_alike() {
    let gate = Gate::builder()
        .server("http://127.0.0.1:1")
        .proxy("errors = \"impact\"")
        .start();
    let reply = gate.read_as(&ALICE, "/v1/items");
    assert_eq!(message(&reply, 502), "The upstream could not be reached");
    assert_eq!(reply.json()["Errors"], json!([]));
}

#[test]
fn suffix_and_accept_decide_between_json_and_xml() {
    let upstream = Recorder::ok();
    let gate = start(&upstream);
    let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ImpactRadiusResponse><Status>ERROR\
               </Status><Message>Credentials are required</Message><Errors><Error>\
               <Field>Authorization</Field><Message>Credentials are required</Message></Error>\
               </Errors></ImpactRadiusResponse>\n";
    for (target, accept, kind) in [
        ("/v1/items", &[][..], "application/json"),
        ("/v1/items", &["application/xml"], "application/xml"),
        ("/v1/items", &["text/xml"], "text/xml"),
        (
            "/v1/items",
            &[
                "application/json;q=0.3, text/xml;q=0.2",
                "application/xml;q=0.9",
            ],
            "application/xml",
        ),
        ("/v1/items.xml", &["application/json"], "application/xml"),
        ("/v1/items.json?a=.xml", &["text/xml"], "application/json"),
        ("/v1/items?a=b.xml", &["*/*"], "application/json"),
        ("/v1/items", &["image/png"], "application/json"),
    ] {
        let mut ask = gate.ask("GET", target);
        for accept in accept {
            ask = ask.header("Accept", accept);
        }
        let reply = ask.send();
        assert_eq!(reply.status, 401, "{target} {accept:?}");
        assert_eq!(
            reply.header("content-type"),
            Some(kind),
            "{target} {accept:?}"
        );
        if kind == "application/json" {
            assert_eq!(message(&reply, 401), "Credentials are required");
        } else {
            assert_eq!(reply.text(), xml);
        }
    }
    let head = gate.ask("HEAD", "/v1/items.xml").send();
    assert_eq!(head.header("content-type"), Some("application/xml"));
    assert_eq!(head.header("content-length"), Some(&*xml.len().to_string()));
    run(async {
        let mut client = Http2::connect(gate.address()).await;
        let answer = client.read_as(&DAVE, "/v1/items.xml").await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.headers["content-type"], "application/xml");
        assert!(answer.headers.contains_key("www-authenticate"));
    });
}

#[test]
fn an_unknown_sid_and_a_wrong_auth_token_are_the_same_answer_in_bytes() {
    let upstream = Recorder::ok();
    let gate = start(&upstream);
    let wrong = |sid| Who {
        sid,
        secret: DAVE.secret,
    };
    for target in ["/v1/items", "/v1/items.xml", "/nothing/at/all.json"] {
        let heard: Vec<(String, Vec<u8>)> = [DAVE, wrong(ALICE.sid), wrong(CAROL.sid)]
            .iter()
            .map(|who| {
                let reply = gate.read_as(who, target);
                assert_eq!(reply.status, 401);
                let id = reply.header("x-request-id").unwrap().to_owned();
                let date = reply.header("date").unwrap().to_owned();
                (reply.raw.replace(&id, "").replace(&date, ""), reply.body)
            })
            .collect();
        assert!(heard.windows(2).all(|pair| pair[0] == pair[1]), "{heard:?}");
    }
}

#[test]
fn a_reload_changes_the_words_at_once() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    gate.read_as(&DAVE, "/v1/items")
        .assert_refused(401, "bad_credentials");
    let main = gate.read("sidgate.toml");
    let impact = main.replacen("[proxy]\n", "[proxy]\nerrors = \"impact\"\n", 1);
    gate.replace("sidgate.toml", impact);
    gate.signal(rustix::process::Signal::HUP);
    let within = std::time::Duration::from_secs(20);
    let reply = crate::support::eventually("other words", within, || {
        Some(gate.read_as(&DAVE, "/v1/items")).filter(|reply| reply.code().is_empty())
    });
    assert_eq!(message(&reply, 401), "The credentials are not valid");
}
