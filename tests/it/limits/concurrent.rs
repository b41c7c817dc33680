//! Many clients at one window: never one request too many, none too few.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;

use rustix::process::Signal;

use super::{catalog, holders};
use crate::support::http2::client::Http2;
use crate::support::http2::run;
use crate::support::{ALICE, BOB, Gate, Recorder, Who};

const CLIENTS: usize = 64;
const EACH: usize = 16;
const LIMIT: usize = 500;

/// How a client sends its requests.
#[derive(Clone, Copy)]
enum Way {
    KeptAlive,
    Anew,
    Http2,
}

/// The `X-RateLimit-Remaining` of each request that was admitted; every other one must
/// have been refused for the limit.
fn ask(gate: &Gate, who: &Who, way: Way) -> Vec<usize> {
    let judged = |status: u16, remaining: Option<&str>| -> Option<usize> {
        let remaining = remaining.expect("told").parse().expect("a number");
        match status {
            200 => Some(remaining),
            429 => {
                assert_eq!(remaining, 0);
                None
            }
            other => panic!("{other}"),
        }
    };
    let request = gate.ask("GET", "/v1/items").by(who);
    match way {
        Way::KeptAlive => {
            let mut client = gate.connect();
            let one = |_| {
                client.send(request.bytes());
                let reply = client.reply("GET");
                judged(reply.status, reply.header("x-ratelimit-remaining"))
            };
            (0..EACH).filter_map(one).collect()
        }
        Way::Anew => {
            let one = |_| {
                let reply = request.send();
                judged(reply.status, reply.header("x-ratelimit-remaining"))
            };
            (0..EACH).filter_map(one).collect()
        }
        Way::Http2 => run(async {
            let client = Http2::connect(gate.address()).await;
            // All at once, as streams of one connection.
            let streams = (0..EACH).map(|_| {
                let (mut client, request) =
                    (client.clone(), client.request("GET", "/v1/items", who));
                tokio::spawn(async move { client.exchange(request).await })
            });
            let mut admitted = Vec::new();
            for stream in streams.collect::<Vec<_>>() {
                let answer = stream.await.expect("no panic").expect("an answer");
                let remaining = &answer.headers["x-ratelimit-remaining"];
                admitted.extend(judged(answer.status, remaining.to_str().ok()));
            }
            admitted
        }),
    }
}

/// Two tokens of one account, 64 clients over both protocols on four workers, and files
/// that are read again and again meanwhile.
#[test]
fn clients_on_all_workers_share_a_window_exactly() {
    let upstream = Recorder::counting();
    let items = format!("limits = [\"{LIMIT}/hour\", \"100000/day\"]\nlimits_per = \"account\"");
    let tokens = holders(&[(&ALICE, "acme"), (&BOB, "acme")]);
    let gate = Gate::builder()
        .before(&upstream)
        .proxy("workers = 4")
        .catalog(catalog(&items))
        .tokens(tokens.clone())
        .start();
    let barrier = Barrier::new(CLIENTS + 1);
    let admitted: Vec<usize> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let who = [&ALICE, &BOB][number % 2];
                let way = [Way::KeptAlive, Way::Anew, Way::Http2, Way::KeptAlive][number / 2 % 4];
                let (gate, barrier) = (&gate, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    ask(gate, who, way)
                })
            })
            .collect();
        barrier.wait();
        for round in 0..10 {
            gate.replace("catalog.toml", format!("# {round}\n{}", catalog(&items)));
            gate.replace("tokens.toml", format!("# {round}\n{tokens}"));
            gate.signal(Signal::HUP);
            thread::sleep(std::time::Duration::from_millis(20));
        }
        let clients = clients.into_iter();
        clients
            .flat_map(|client| client.join().expect("no panic"))
            .collect()
    });
    assert_eq!(admitted.len(), LIMIT, "of {}", CLIENTS * EACH);
    assert_eq!(upstream.count(), LIMIT);
    // Each of them was another one of those that were left.
    let remaining: BTreeSet<usize> = admitted.into_iter().collect();
    assert_eq!(remaining, (0..LIMIT).collect());
    assert_eq!(gate.read_as(&ALICE, "/v1/items").status, 429);
    assert_eq!(gate.read_as(&BOB, "/v1/items").status, 429);
}
