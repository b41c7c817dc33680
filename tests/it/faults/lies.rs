//! Upstreams that break off, lie about what they send, or answer when they should not: for
//! each the answer that the client gets, and a next request that knows nothing of it.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::http1::Failure;
use crate::support::http2::client::{Http2, full};
use crate::support::http2::run;
use crate::support::recorder::ok;
use crate::support::{ALICE, Gate, Recorder, Reply, Wire};

/// What becomes of the request that meets the lie.
#[derive(Debug)]
enum Outcome {
    /// It is refused with one of these.
    Refused(&'static [u16]),
    /// Its answer begins, and the client can tell that it is not whole.
    CutOff,
    /// It is answered whole with this status and body.
    Whole(u16, &'static str),
    /// It is answered whole where the answer was faster than the end, else refused.
    Either(u16, &'static str),
}

use Outcome::{CutOff, Either, Refused, Whole};

/// What an upstream does with its first request.
struct Lie {
    name: &'static str,
    tell: Arc<dyn Fn(&mut Wire) + Send + Sync>,
    outcome: Outcome,
}

/// Reads the request, says this, and ends the connection.
fn says(name: &'static str, bytes: impl AsRef<[u8]>, outcome: Outcome) -> Lie {
    let bytes = bytes.as_ref().to_vec();
    does(name, outcome, move |wire| {
        wire.request();
        wire.send(&bytes);
    })
}

fn does(
    name: &'static str,
    outcome: Outcome,
    tell: impl Fn(&mut Wire) + Send + Sync + 'static,
) -> Lie {
    let tell = Arc::new(tell);
    Lie {
        name,
        tell,
        outcome,
    }
}

fn lies() -> Vec<Lie> {
    vec![
        says("ends without an answer", "", Refused(&[502])),
        says(
            "ends within its head",
            "HTTP/1.1 200 OK\r\nContent-Length: 3",
            Refused(&[502]),
        ),
        says(
            "ends within its body",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
            CutOff,
        ),
        says(
            "ends within a chunk",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
            CutOff,
        ),
        says(
            "ends between two chunks",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            CutOff,
        ),
        says(
            "ends within its trailers",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nX-Tr",
            CutOff,
        ),
        says(
            "a chunk's size is no number",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
            CutOff,
        ),
        says(
            "a chunk's size is beyond every number",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n\
             fffffffffffffffff\r\nx",
            CutOff,
        ),
        says(
            "a chunk is longer than it says",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nlonger\r\n0\r\n\r\n",
            CutOff,
        ),
        says(
            "a body is longer than it says",
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlonger",
            Whole(200, "long"),
        ),
        says(
            "two answers",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\noneHTTP/1.1 200 OK\r\n\
             Content-Length: 3\r\n\r\ntwo",
            Whole(200, "one"),
        ),
        says(
            "a body where there is none",
            "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nbody",
            Whole(204, ""),
        ),
        says(
            "another answer instead of a body",
            "HTTP/1.1 304 Not Modified\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            Whole(304, ""),
        ),
        says(
            "a length and chunks",
            "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nTransfer-Encoding: chunked\r\n\r\n\
             4\r\nbody\r\n0\r\n\r\n",
            Either(200, "body"),
        ),
        says(
            "a body to the end of the connection",
            "HTTP/1.1 200 OK\r\n\r\nbody",
            Whole(200, "body"),
        ),
        says(
            "HTTP/1.0",
            "HTTP/1.0 200 OK\r\n\r\nbody",
            Whole(200, "body"),
        ),
        says(
            "a switch of protocols that nobody asked for",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            Refused(&[502]),
        ),
        says(
            "interim answers, and the end",
            "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(2_000),
            Refused(&[502]),
        ),
        says(
            "interim answers before an answer",
            "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(10)
                + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
            Whole(200, "body"),
        ),
        says(
            "a thousand fields",
            format!(
                "HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n",
                "X-A: b\r\n".repeat(1_000)
            ),
            Refused(&[502]),
        ),
        says(
            "a status of four digits",
            "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
            Refused(&[502]),
        ),
        says(
            "a status below all",
            "HTTP/1.1 099 No\r\nContent-Length: 0\r\n\r\n",
            Refused(&[502]),
        ),
        does("a reset without an answer", Refused(&[502]), |wire| {
            wire.request();
            wire.reset_at_end();
        }),
        // A reset overtakes what was sent before it.
        does(
            "a reset within its body",
            Either(200, "never whole"),
            |wire| {
                wire.request();
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
                wire.reset_at_end();
            },
        ),
        does("a head that trickles", Refused(&[504]), |wire| {
            wire.request();
            for byte in "HTTP/1.1 200 OK\r\nX-Long: ".bytes().chain([b'x'; 1_000]) {
                if !wire.send([byte]) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }),
        does(
            "an answer before the request is there",
            Either(200, "body"),
            |wire| {
                wire.head();
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody");
            },
        ),
        does(
            "an answer to a request that is never read",
            Whole(200, "body"),
            |wire| {
                wire.head();
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody");
                std::thread::sleep(Duration::from_secs(2));
            },
        ),
        does(
            "a request that is never read, and no answer",
            Refused(&[504, 502]),
            |wire| {
                wire.head();
                std::thread::sleep(Duration::from_secs(4));
            },
        ),
    ]
}

/// Larger than what the sockets hold between client, gate and upstream.
const BODY: usize = 16 << 20;

/// A gate before an upstream that tells this lie once, and is honest from then on.
fn before_a_liar(lie: &Lie) -> (Gate, Recorder) {
    let tell = Arc::clone(&lie.tell);
    let upstream = Recorder::scripted(move |wire| {
        if wire.number() == 0 {
            return tell(wire);
        }
        while let Some(request) = wire.request() {
            if !wire.send(ok(&format!("for {}", request.path()))) {
                return;
            }
        }
    });
    let timeouts = "timeouts = { first_byte = \"1s\", head = \"1s\", body_idle = \"1s\", \
                    send_idle = \"1s\" }";
    let gate = Gate::builder()
        .before(&upstream)
        .proxy("workers = 1")
        .upstream(timeouts)
        .start();
    (gate, upstream)
}

fn size(lie: &Lie) -> usize {
    match lie.name.contains("request") {
        true => BODY,
        false => 4,
    }
}

#[track_caller]
fn judge(lie: &Lie, answer: &Result<(u16, Vec<u8>), String>) {
    let name = lie.name;
    match (&lie.outcome, answer) {
        (Refused(statuses), Ok((status, _))) => {
            assert!(statuses.contains(status), "{name}: {answer:?}");
        }
        (CutOff, Err(_)) => {}
        (Whole(status, body) | Either(status, body), Ok((got, bytes))) if got == status => {
            assert_eq!(bytes, body.as_bytes(), "{name}");
        }
        (Either(..), Ok((502, _)) | Err(_)) => {}
        _ => panic!("{name}: {answer:?}"),
    }
}

/// The requests that follow are answered by the honest connection, each with its own.
#[track_caller]
fn next_ones_are_intact(lie: &Lie, gate: &Gate, upstream: &Recorder) {
    for number in 0..3 {
        let path = format!("/any/next/{number}");
        let reply = gate.read_as(&ALICE, &path);
        let got = (reply.status, reply.text());
        assert_eq!(got, (200, format!("for {path}")), "{}", lie.name);
    }
    let first = upstream
        .requests()
        .into_iter()
        .filter(|r| r.path() == "/any/first");
    assert_eq!(first.count(), 1, "{}: a POST is sent once", lie.name);
}

#[test]
fn a_liar_harms_one_request_and_no_other() {
    for lie in lies() {
        let (gate, upstream) = before_a_liar(&lie);
        let mut client = gate.connect();
        let ask = gate.ask("POST", "/any/first").by(&ALICE);
        let bytes = ask.body(vec![b'x'; size(&lie)]).bytes();
        let began = Instant::now();
        let reply = std::thread::scope(|scope| {
            let mut sending = client.another();
            scope.spawn(move || {
                // The gate need not read it to its end.
                drop(sending.write_all(&bytes));
            });
            let reply = client.try_reply("POST");
            client.end();
            reply
        });
        assert!(began.elapsed() < Duration::from_secs(15), "{}", lie.name);
        let answer = match reply {
            Ok(Reply { status, body, .. }) => Ok((status, body)),
            Err(Failure::Closed | Failure::Reset) => Err("cut off".to_owned()),
            Err(failure) => panic!("{}: {failure}", lie.name),
        };
        judge(&lie, &answer);
        next_ones_are_intact(&lie, &gate, &upstream);
    }
}

#[test]
fn a_liar_harms_one_stream_and_no_other() {
    for lie in lies() {
        let (gate, upstream) = before_a_liar(&lie);
        run(async {
            let mut connection = Http2::connect(gate.address()).await;
            let request = connection.request("POST", "/any/first", &ALICE);
            let request = request.map(|_| full(vec![b'x'; size(&lie)]));
            let answer = connection.exchange(request).await;
            let answer = answer.map(|answer| (answer.status, answer.body.to_vec()));
            judge(&lie, &answer.map_err(|error| error.to_string()));
            // The same connection goes on.
            let next = connection.read_as(&ALICE, "/any/stream").await;
            assert_eq!(
                (next.status, &next.body[..]),
                (200, &b"for /any/stream"[..])
            );
        });
        next_ones_are_intact(&lie, &gate, &upstream);
    }
}
