//! What answers under an older version carry (RFC 9745, RFC 8594).

use super::CATALOG;
use crate::support::{ALICE, Gate, Recorder};

/// A gate whose older version is served by the same upstream.
fn start(upstream: &Recorder) -> Gate {
    Gate::builder()
        .before(upstream)
        .catalog(CATALOG.replace("upstream = \"old\"", ""))
        .tokens(ALICE.token(&["items:read", "any:call"]))
        .start()
}

const LINKS: &str = "<https://api.example.com/changes/15>; rel=\"deprecation\", \
                     <https://api.example.com/changes/15>; rel=\"sunset\"";

#[test]
fn answers_under_an_older_version_say_so() {
    let upstream = Recorder::ok();
    let gate = start(&upstream);
    for (target, deprecation, sunset, link) in [
        ("/v1/items", None, None, None),
        ("/v1/items?IrVersion=17-preview", None, None, None),
        (
            "/v1/items?IrVersion=15",
            Some("@1780272000"),
            Some("Tue, 01 Jun 2027 00:00:00 GMT"),
            Some(LINKS),
        ),
        ("/v1/items?IrVersion=14", Some("@1740787200"), None, None),
        (
            "/ping?IrVersion=15",
            Some("@1780272000"),
            Some("Tue, 01 Jun 2027 00:00:00 GMT"),
            Some(LINKS),
        ),
    ] {
        let reply = gate.read_as(&ALICE, target);
        assert_eq!(reply.status, 200, "{target}");
        let told = ["deprecation", "sunset", "link"].map(|name| reply.header(name));
        assert_eq!(told, [deprecation, sunset, link], "{target}");
    }
    // What the gate itself answers is served under no version.
    let refused = gate.read_as(&ALICE, "/v1/new?IrVersion=15");
    refused.assert_refused(403, "no_route");
    assert_eq!(refused.header("deprecation"), None);
}

#[test]
fn what_the_upstream_says_itself_stays_and_links_add_up() {
    let upstream = Recorder::replying(|_| {
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nDeprecation: @1\r\n\
          Link: </next>; rel=\"next\"\r\nLink: </first>; rel=\"first\"\r\n\r\n"
            .to_vec()
    });
    let gate = start(&upstream);
    let reply = gate.read_as(&ALICE, "/v1/items?IrVersion=15");
    assert_eq!(reply.status, 404);
    assert_eq!(reply.header("deprecation"), Some("@1"));
    let sunset = Some("Tue, 01 Jun 2027 00:00:00 GMT");
    assert_eq!(reply.header("sunset"), sunset);
    let links = ["</next>; rel=\"next\"", "</first>; rel=\"first\"", LINKS];
    assert_eq!(reply.all("link"), links);
    let latest = gate.read_as(&ALICE, "/v1/items");
    assert_eq!(latest.header("sunset"), None);
    assert_eq!(latest.all("link"), links[..2]);
}

#[test]
fn a_switch_of_protocols_says_so_too() {
    let upstream = Recorder::replying(|_| {
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
            .to_vec()
    });
    let gate = start(&upstream);
    let mut client = gate.connect();
    client.send(
        gate.ask("GET", "/live?IrVersion=15")
            .by(&ALICE)
            .header("Connection", "upgrade")
            .header("Upgrade", "websocket")
            .bytes(),
    );
    let reply = client.reply("GET");
    assert_eq!(reply.status, 101);
    assert_eq!(reply.header("deprecation"), Some("@1780272000"));
}
