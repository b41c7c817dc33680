//! When a change is answered, every request that begins later is judged by it: on
//! connections that are kept alive, on HTTP/2 streams, and on new connections.
//!
//! `SIDGATE_SOAK=1` (`scripts/soak`) runs the full size; otherwise a few seconds of it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use super::history::{Observed, Version, certain, violations};
use super::{Issued, Operator};
use crate::support::fixture::basic;
use crate::support::http2::client::{Http2, empty};
use crate::support::{Client, Gate, Recorder};

/// Whether so many changes since then are enough. A disk that is slow to sync makes them
/// fewer, but for the full size.
fn is_enough(changes: usize, since: Instant) -> bool {
    match std::env::var_os("SIDGATE_SOAK") {
        // They are met by about a million requests.
        Some(_) => changes >= 3_000,
        None => changes >= 60 || since.elapsed() > Duration::from_secs(5),
    }
}

/// Answers that each client waits for between two changes: of two more on each of its four
/// streams at least one was asked for in between, and so was one of theirs who ask alone.
const ANSWERS: usize = 8;

/// The item that clients ask for.
const TARGET: &str = "/v1/items/1";

/// What the clients share with who changes the token.
struct Field<'a> {
    gate: &'a Gate,
    /// All credentials that the token and its successors ever had.
    issued: RwLock<Vec<Issued>>,
    seen: Mutex<Vec<Observed>>,
    /// Requests that each client has finished.
    finished: [AtomicUsize; 4],
    done: AtomicBool,
}

impl Field<'_> {
    /// The credentials for a client's next request: the latest, and in every third the
    /// ones before.
    fn next(&self, number: usize) -> (usize, String) {
        let issued = self.issued.read().unwrap();
        let back = usize::from(number % 3 == 2);
        let which = (issued.len() - 1).saturating_sub(back);
        (which, issued[which].basic.clone())
    }

    fn saw(&self, client: usize, credentials: usize, began: Instant, status: u16) {
        let ended = Instant::now();
        self.seen.lock().unwrap().push(Observed {
            credentials,
            began,
            ended,
            status,
        });
        self.finished[client].fetch_add(1, Ordering::SeqCst);
    }

    fn is_done(&self) -> bool {
        self.done.load(Ordering::SeqCst)
    }

    /// Asks on one connection, or on a new one each time.
    fn ask(&self, number: usize, keeps_alive: bool) {
        let mut client: Client = self.gate.connect();
        for round in 0.. {
            if self.is_done() {
                return;
            }
            let (credentials, basic) = self.next(round);
            let ask = self.gate.ask("GET", TARGET).header("Authorization", &basic);
            let began = Instant::now();
            if !keeps_alive {
                client = self.gate.connect();
            }
            client.send(ask.bytes());
            let status = client.reply("GET").status;
            self.saw(number, credentials, began, status);
            // Each new connection leaves a port behind that is not free for a minute.
            if !keeps_alive {
                thread::sleep(Duration::from_millis(2));
            }
        }
    }

    /// Asks on four streams of one HTTP/2 connection.
    fn ask_on_streams(&self, number: usize) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let connection = Http2::connect(self.gate.address()).await;
            let stream = || self.ask_on(number, connection.clone());
            tokio::join!(stream(), stream(), stream(), stream());
        });
    }

    async fn ask_on(&self, number: usize, mut connection: Http2) {
        for round in 0.. {
            if self.is_done() {
                return;
            }
            let (credentials, basic) = self.next(round);
            let request = http::Request::get(format!("http://localhost{TARGET}"))
                .header("authorization", basic)
                .body(empty())
                .unwrap();
            let began = Instant::now();
            let answer = connection.exchange(request).await.expect("an answer");
            self.saw(number, credentials, began, answer.status);
        }
    }

    /// Waits until a request of each client began and ended.
    #[track_caller]
    fn is_met_by_all(&self) {
        let before: Vec<usize> = self.counts();
        crate::support::eventually("answers", Duration::from_secs(30), || {
            let met = self
                .counts()
                .iter()
                .zip(&before)
                .all(|(a, b)| *a >= b + ANSWERS);
            met.then_some(())
        });
    }

    fn counts(&self) -> Vec<usize> {
        let counts = self.finished.iter();
        counts.map(|count| count.load(Ordering::SeqCst)).collect()
    }
}

/// Lets the clients end, also where the one who changes the token panics.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Changes the token again and again under the clients' requests.
struct Changes<'a> {
    field: &'a Field<'a>,
    operator: Operator<'a>,
    versions: Vec<Version>,
}

impl Changes<'_> {
    /// Disables, enables or resets.
    #[track_caller]
    fn change(&mut self, verb: &str) {
        let last = *self.versions.last().unwrap();
        let credentials = last.credentials.unwrap();
        let sid = self.field.issued.read().unwrap()[credentials].sid.clone();
        let called = Instant::now();
        let reply = self.operator.change(&sid, verb);
        let answered = Instant::now();
        let (credentials, enabled) = match verb {
            "reset" => (self.issue(Issued::from(&reply)), last.enabled),
            verb => (credentials, verb == "enable"),
        };
        self.made(Some(credentials), enabled, called, answered);
    }

    #[track_caller]
    fn delete_and_create(&mut self) {
        let sid = self
            .field
            .issued
            .read()
            .unwrap()
            .last()
            .unwrap()
            .sid
            .clone();
        let called = Instant::now();
        self.operator.delete(&sid);
        self.made(None, false, called, Instant::now());
        self.create();
    }

    #[track_caller]
    fn create(&mut self) {
        let called = Instant::now();
        let made = self.operator.create(&["items:read"]);
        let answered = Instant::now();
        let credentials = self.issue(made);
        self.made(Some(credentials), true, called, answered);
    }

    /// Clients may use these from now on.
    fn issue(&self, issued: Issued) -> usize {
        let mut all = self.field.issued.write().unwrap();
        all.push(issued);
        all.len() - 1
    }

    /// Notes what a change made, and lets all clients meet it.
    #[track_caller]
    fn made(
        &mut self,
        credentials: Option<usize>,
        enabled: bool,
        called: Instant,
        answered: Instant,
    ) {
        self.versions.push(Version {
            credentials,
            enabled,
            called,
            answered,
        });
        if self.versions.len() > 1 {
            self.field.is_met_by_all();
        }
    }
}

/// Clients ask with the latest credentials while `plan` changes the token; then all that
/// they saw is checked. `first` is a token that the file has.
#[track_caller]
fn hammer(gate: &Gate, upstream: &Recorder, first: Option<Issued>, plan: impl Fn(&mut Changes)) {
    let field = Field {
        gate,
        issued: RwLock::default(),
        seen: Mutex::default(),
        finished: Default::default(),
        done: AtomicBool::new(false),
    };
    let mut changes = Changes {
        field: &field,
        operator: Operator::of(gate),
        versions: Vec::new(),
    };
    match first {
        None => changes.create(),
        Some(first) => {
            let credentials = changes.issue(first);
            let now = Instant::now();
            changes.made(Some(credentials), true, now, now);
        }
    }
    thread::scope(|scope| {
        let _done = Done(&field.done);
        let field = &field;
        scope.spawn(move || field.ask(0, true));
        scope.spawn(move || field.ask(1, true));
        scope.spawn(move || field.ask(2, false));
        scope.spawn(move || field.ask_on_streams(3));
        field.is_met_by_all();
        plan(&mut changes);
    });
    let (versions, seen) = (changes.versions, field.seen.into_inner().unwrap());

    // Every version judged requests, and each answer was given.
    let least = certain(&versions, &seen).into_iter().min().unwrap_or(0);
    assert!(least > 0, "a version that no request met");
    let answered = |status| seen.iter().filter(|one| one.status == status).count();
    let counts = [200, 401, 403].map(answered);
    assert!(counts.iter().all(|&count| count > 0), "{counts:?}");
    assert_eq!(counts.iter().sum::<usize>(), seen.len());
    assert_eq!(upstream.count(), counts[0], "what is admitted");
    eprintln!("{} requests, {} changes", seen.len(), versions.len());

    let violations = violations(&versions, seen);
    let first = violations.first();
    assert!(first.is_none(), "{} such as {first:#?}", violations.len());
}

#[test]
fn no_request_that_begins_after_an_answer_is_judged_by_the_older_state() {
    let upstream = Recorder::counting();
    let gate = Gate::builder()
        .before(&upstream)
        .section("[access_log]\noutput = \"off\"")
        .start();
    hammer(&gate, &upstream, None, |changes| {
        let began = Instant::now();
        while !is_enough(changes.versions.len(), began) {
            changes.change("disable");
            changes.change("enable");
            changes.change("reset");
            changes.change("disable");
            // What is reset while it is disabled stays disabled.
            changes.change("reset");
            changes.change("enable");
            changes.delete_and_create();
        }
    });
}

/// A success that is remembered, as verifying it was slow, is worth no more than others.
#[test]
fn a_remembered_success_ends_at_once_too() {
    // Of `bcrypts-auth-token-1`, made by `htpasswd -B`.
    let digest = "$2y$04$vc20VDAD2wW08qw1TTP8tujKoIMCvqB58yFTpiFrwQck7qWrZ/mQq";
    let upstream = Recorder::counting();
    let gate = Gate::builder()
        .before(&upstream)
        .tokens(format!(
            "[[token]]\nsid = \"slow\"\nname = \"slow\"\nscopes = [\"items:read\"]\ndigest = \"{digest}\"\n"
        ))
        .section("[access_log]\noutput = \"off\"")
        .start();
    let first = Issued {
        sid: "slow".to_owned(),
        basic: basic("slow:bcrypts-auth-token-1"),
    };
    hammer(&gate, &upstream, Some(first), |changes| {
        let began = Instant::now();
        while !is_enough(3 * changes.versions.len(), began) {
            changes.change("disable");
            changes.change("enable");
        }
        changes.change("reset");
        changes.delete_and_create();
    });
}
