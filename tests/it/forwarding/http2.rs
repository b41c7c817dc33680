//! HTTP/2 to clients and to upstreams.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Frame;

use crate::support::http2::client::{Body, Http2, full};
use crate::support::http2::run;
use crate::support::http2::upstream::Http2Upstream;
use crate::support::recorder::ok;
use crate::support::{ALICE, BOB, Gate, Recorder};

/// `text`, and one trailer after it.
fn with_trailer(text: &'static str, name: &'static str, value: &'static str) -> Body {
    let mut trailers = HeaderMap::new();
    trailers.insert(name, HeaderValue::from_static(value));
    Full::new(Bytes::from_static(text.as_bytes()))
        .with_trailers(async move { Some(Ok(trailers)) })
        .boxed()
}

#[test]
fn an_http2_client_reaches_an_http1_upstream() {
    let upstream =
        Recorder::replying(|request| ok(&format!("{} {}", request.method, request.target)));
    let gate = Gate::before(&upstream);
    run(async {
        let mut client = Http2::connect(gate.address()).await;
        let answer = client.read_as(&ALICE, "/v1/items/%61?q=%zz").await;
        assert_eq!(
            (answer.status, &answer.body[..]),
            (200, &b"GET /v1/items/a?q=%zz"[..])
        );
        assert!(answer.headers.contains_key("x-request-id"));
        let request = client
            .request("POST", "/any", &ALICE)
            .map(|_| full("hello"));
        assert_eq!(client.exchange(request).await.unwrap().status, 200);
    });
    let requests = upstream.requests();
    assert_eq!(requests[0].header("x-auth-sid"), Some("alice"));
    assert_eq!(requests[0].header("x-forwarded-host"), Some("localhost"));
    assert_eq!(requests[0].header("x-forwarded-proto"), Some("http"));
    assert_eq!(requests[0].header("authorization"), None);
    assert_eq!(requests[1].body, b"hello");
}

#[test]
fn http2_refusals_are_the_same() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    run(async {
        let mut client = Http2::connect(gate.address()).await;
        for (method, path, who, status, code) in [
            ("GET", "/a//b", ALICE, 400, "bad_request_target"),
            ("GET", "/v1/items/%2e%2e", ALICE, 400, "bad_request_target"),
            ("TRACE", "/any", ALICE, 405, "method_not_allowed"),
            ("GET", "/nothing", ALICE, 403, "no_route"),
            ("GET", "/v1/items", BOB, 403, "scope_not_granted"),
            ("GET", "/Mediapartners/bob/Ads", ALICE, 403, "sid_mismatch"),
        ] {
            let request = client.request(method, path, &who);
            let answer = client.exchange(request).await.unwrap();
            assert_eq!(answer.status, status, "{method} {path}");
            let document: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(document["code"], code);
            assert_eq!(answer.headers["content-type"], "application/problem+json");
        }
        let mut request = client.request("GET", "/v1/items", &ALICE);
        request.headers_mut().remove("authorization");
        let answer = client.exchange(request).await.unwrap();
        assert_eq!(answer.status, 401);
        assert_eq!(
            answer.headers["www-authenticate"],
            r#"Basic realm="sidgate", charset="UTF-8""#
        );
    });
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn many_streams_run_side_by_side() {
    let upstream = Recorder::replying(|request| ok(request.path()));
    let gate = Gate::before(&upstream);
    run(async {
        let client = Http2::connect(gate.address()).await;
        let mut tasks = Vec::new();
        for number in 0..200 {
            let mut client = client.clone();
            tasks.push(tokio::spawn(async move {
                let path = format!("/v1/items/{number}");
                let answer = client.read_as(&ALICE, &path).await;
                assert_eq!((answer.status, &answer.body[..]), (200, path.as_bytes()));
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(upstream.requests().len(), 200);
}

#[test]
fn an_authority_and_a_differing_host_give_the_upstream_one_host() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    run(async {
        let mut client = Http2::connect(gate.address()).await;
        let mut request = client.request("GET", "/v1/items", &ALICE);
        request
            .headers_mut()
            .insert("host", HeaderValue::from_static("evil.example"));
        if let Ok(answer) = client.exchange(request).await {
            assert!(matches!(answer.status, 200 | 400), "{answer:?}");
        }
    });
    for request in upstream.requests() {
        assert_eq!(request.header("x-forwarded-host"), Some("localhost"));
        assert!(
            request
                .headers
                .iter()
                .all(|(_, value)| !value.contains("evil"))
        );
    }
}

#[test]
fn an_http1_client_reaches_an_http2_upstream() {
    let upstream = Http2Upstream::start(None, |asked| {
        Response::builder()
            .status(202)
            .header("x-from", "h2")
            .body(full(format!("{} {}", asked.method, asked.uri.path())))
            .unwrap()
    });
    let gate = Gate::builder()
        .server(upstream.url())
        .upstream("protocol = \"http2\"")
        .proxy("workers = 1")
        .start();
    let mut client = gate.connect();
    for _ in 0..5 {
        client.send(
            gate.ask("POST", "/any?x=1")
                .host("api.example.com")
                .by(&ALICE)
                .header("X-Auth-Sid", "bob")
                .header("Connection", "X-Hop")
                .header("X-Hop", "1")
                .body("hello")
                .bytes(),
        );
        let reply = client.reply("POST");
        assert_eq!((reply.status, reply.text().as_str()), (202, "POST /any"));
        assert_eq!(reply.header("x-from"), Some("h2"));
    }
    let asked = upstream.asked();
    let first = &asked[0];
    assert_eq!(first.uri.path_and_query().unwrap(), "/any?x=1");
    assert_eq!(&first.body[..], b"hello");
    assert_eq!(first.headers.get_all("x-auth-sid").iter().count(), 1);
    assert_eq!(first.headers["x-auth-sid"], "alice");
    assert_eq!(first.headers["x-forwarded-host"], "api.example.com");
    assert!(!first.headers.contains_key("authorization"));
    assert!(!first.headers.contains_key("x-hop"));
    assert!(!first.headers.contains_key("connection"));
    assert_eq!(upstream.connections(), 1, "streams share a connection");
}

#[test]
fn trailers_pass_both_ways_between_http2_and_http2() {
    let upstream = Http2Upstream::start(None, |_| {
        Response::new(with_trailer("answer", "grpc-status", "0"))
    });
    let gate = Gate::builder()
        .server(upstream.url())
        .upstream("protocol = \"http2\"")
        .start();
    run(async {
        let mut client = Http2::connect(gate.address()).await;
        let mut request = client
            .request("POST", "/any/Service/Method", &ALICE)
            .map(|_| with_trailer("question", "x-sum", "7"));
        request
            .headers_mut()
            .insert("te", HeaderValue::from_static("trailers"));
        let answer = client.exchange(request).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (200, &b"answer"[..]));
        assert_eq!(answer.trailers.unwrap()["grpc-status"], "0");
    });
    let asked = upstream.asked();
    assert_eq!(&asked[0].body[..], b"question");
    assert_eq!(asked[0].trailers.as_ref().unwrap()["x-sum"], "7");
    assert_eq!(asked[0].headers["te"], "trailers");
}

#[test]
fn an_answer_of_trailers_alone_passes() {
    // gRPC's "trailers-only": a head that ends the stream.
    let upstream = Http2Upstream::start(None, |_| {
        Response::builder()
            .header("content-type", "application/grpc")
            .header("grpc-status", "5")
            .body(crate::support::http2::client::empty())
            .unwrap()
    });
    let gate = Gate::builder()
        .server(upstream.url())
        .upstream("protocol = \"http2\"")
        .start();
    run(async {
        let mut client = Http2::connect(gate.address()).await;
        let request = client.request("POST", "/any/S/M", &ALICE);
        let answer = client.exchange(request).await.unwrap();
        assert_eq!(answer.headers["grpc-status"], "5");
        assert!(answer.body.is_empty());
    });
}

#[test]
fn http2_bodies_flow_both_ways_at_once() {
    let upstream = Recorder::scripted(|wire| {
        if wire.head().is_none() {
            return;
        }
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while let Some(Some(chunk)) = wire.chunk() {
            let mut bytes = format!("{:x}\r\n", chunk.len()).into_bytes();
            bytes.extend_from_slice(&chunk);
            bytes.extend_from_slice(b"\r\n");
            if !wire.send(bytes) {
                return;
            }
        }
        wire.send("0\r\n\r\n");
        wire.hang();
    });
    let gate = Gate::before(&upstream);
    run(async {
        let mut client = Http2::connect(gate.address()).await;
        let (pieces, receiver) = tokio::sync::mpsc::channel::<Bytes>(1);
        let stream = body_of(receiver);
        let request = client.request("POST", "/any", &ALICE).map(|_| stream);
        pieces.send(Bytes::from_static(b"ping")).await.unwrap();
        let response = client.send(request).await.unwrap();
        let mut body = response.into_body();
        for round in 0..5 {
            let piece = tokio::time::timeout(Duration::from_secs(10), body.frame())
                .await
                .expect("the piece comes back before the next is sent")
                .unwrap()
                .unwrap()
                .into_data()
                .unwrap();
            assert_eq!(&piece[..], b"ping", "round {round}");
            if round < 4 {
                pieces.send(Bytes::from_static(b"ping")).await.unwrap();
            }
        }
        drop(pieces);
        let rest = body.collect().await.unwrap().to_bytes();
        assert!(rest.is_empty(), "{rest:?}");
    });
}

/// A body of the pieces that a channel brings.
fn body_of(receiver: tokio::sync::mpsc::Receiver<Bytes>) -> Body {
    struct Pieces(tokio::sync::mpsc::Receiver<Bytes>);
    impl hyper::body::Body for Pieces {
        type Data = Bytes;
        type Error = std::convert::Infallible;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            self.0
                .poll_recv(cx)
                .map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
        }
    }
    Pieces(receiver).boxed()
}

#[test]
fn workers_take_turns_where_connections_are_fewer() {
    let upstream = Http2Upstream::start(None, |_| Response::new(full("ok")));
    let gate = Gate::builder()
        .server(upstream.url())
        .upstream("protocol = \"http2\"\nmax_connections = 1")
        .proxy("workers = 3")
        .start();
    // Each on a connection of its own, so that all workers are met.
    for number in 0..24 {
        assert_eq!(gate.read_as(&ALICE, "/any").status, 200, "{number}");
    }
}

/// A body of which nothing ever comes.
struct Silence;

impl hyper::body::Body for Silence {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Pending
    }
}

#[test]
fn a_server_that_takes_few_streams_gets_more_connections() {
    let upstream = Http2Upstream::limited(1, |asked| match asked.uri.path() {
        "/any/held" => Response::new(Silence.boxed()),
        _ => Response::new(full("ok")),
    });
    let gate = Gate::builder()
        .server(upstream.url())
        .upstream("protocol = \"http2\"\ntimeouts = { first_byte = \"2s\" }")
        .proxy("workers = 1")
        .start();
    assert_eq!(gate.read_as(&ALICE, "/any").status, 200);
    let mut held = gate.connect();
    held.send(gate.ask("GET", "/any/held").by(&ALICE).bytes());
    assert_eq!(held.head().status, 200);
    assert_eq!(gate.read_as(&ALICE, "/any").status, 200);
    assert_eq!(upstream.connections(), 2);
}
