//! Trailers both ways, over HTTP/1.1 chunked framing (RFC 9110 section 6.5).

use crate::support::{ALICE, Gate, Recorder};

#[test]
fn trailers_of_a_request_arrive_but_for_the_gates_names() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let mut client = gate.connect();
    client.send(format!(
        "POST /any HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nTransfer-Encoding: chunked\r\n\
         TE: trailers\r\nTrailer: X-Sum, X-Auth-Sid, Authorization\r\n\r\n\
         3\r\nabc\r\n0\r\nX-Sum: 7\r\nX-Auth-Sid: bob\r\nX_Auth_Sid: bob\r\n\
         Authorization: Basic eDp5\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n",
        ALICE.basic()
    ));
    assert_eq!(client.reply("POST").status, 200);
    let seen = upstream.only();
    assert_eq!(seen.body, b"abc");
    assert_eq!(seen.header("x-auth-sid"), Some("alice"));
    let names: Vec<String> = seen
        .trailers
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    assert!(names.iter().all(|name| name == "x-sum"), "{names:?}");
    assert_eq!(names, ["x-sum"]);
}

#[test]
fn trailers_of_an_answer_arrive() {
    let upstream = Recorder::replying(|_| {
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
          3\r\nabc\r\n0\r\nX-Sum: 7\r\nX-Request-Id: upstreams\r\n\r\n"
            .to_vec()
    });
    let gate = Gate::before(&upstream);
    let mut client = gate.connect();
    client.send(
        gate.ask("GET", "/v1/items")
            .by(&ALICE)
            .header("TE", "trailers")
            .header("Connection", "TE")
            .bytes(),
    );
    let reply = client.reply("GET");
    assert_eq!(reply.text(), "abc");
    let trailers: Vec<(String, &str)> = reply
        .trailers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()))
        .collect();
    assert_eq!(trailers, [("x-sum".to_owned(), "7")]);
}
