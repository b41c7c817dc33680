//! The store's figures, each beside what it is measured against: a change beside a plain
//! write of the same bytes, many changes at once beside one after the other, and what
//! publishing a change costs with a million tokens.
//!
//! Pairs are measured by turns, so that what else the machine does meets both. Figures are
//! printed; none is asserted, for they are the disk's as much as ours.
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "store/pauses.rs"]
mod pauses;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sidgate::catalog::Catalog;
use sidgate::config;
use sidgate::snapshot::{Revision, Snapshot, SnapshotHandle, TokenTable};
use sidgate::store::mutation::{Mutation, Patch};
use sidgate::store::{self, Origin, Writer};
use sidgate::telemetry::audit::AuditLog;
use sidgate::token::{Digest, ScopeSet, Sid, State, Texts, Token};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// As in the gate itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TOKENS: usize = 10_000;
const MILLION: usize = 1_000_000;
const PAIRS: usize = 40;
/// Changes that wait together.
const TOGETHER: usize = 1_000;
const CATALOG: &str = "[[category]]\nname = \"All\"\n[[category.scope]]\nid = \"items:read\"\n\
                       name = \"Read\"\nallow = [\"GET /v1/items\"]\n";

fn main() {
    // `cargo test --benches` builds and starts this, and wants nothing measured.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    one_change();
    many_changes();
    publishing();
    pauses::pauses();
}

/// A running writer over a directory of its own.
struct Fixture {
    dir: TempDir,
    runtime: Runtime,
    writer: Writer,
}

impl Fixture {
    fn start(audited: bool) -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::write(dir.path().join("catalog.toml"), CATALOG).unwrap();
        fs::write(dir.path().join("tokens.toml"), text()).unwrap();
        let files = config::Files {
            catalog: dir.path().join("catalog.toml"),
            tokens: dir.path().join("tokens.toml"),
            max_size: 64 << 20,
            max_tokens: 2 * TOKENS,
            poll: Duration::from_millis(250),
        };
        let (writer, mut task) = store::open(&files, &[], false).unwrap();
        if audited {
            task = task.with_audit(AuditLog::open(&dir.path().join("audit.jsonl")).unwrap());
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.spawn(task.start().unwrap().run(std::future::pending()));
        Self {
            dir,
            runtime,
            writer,
        }
    }

    fn tokens(&self) -> PathBuf {
        self.dir.path().join("tokens.toml")
    }

    fn change(&self, number: usize, name: &str) -> Duration {
        let before = Instant::now();
        let changed =
            self.runtime
                .block_on(self.writer.mutate(rename(number, name), origin(), None));
        let took = before.elapsed();
        assert!(changed.unwrap().changed);
        took
    }

    /// What the file says is what is in force.
    fn assert_whole(&self) {
        let text = fs::read_to_string(self.tokens()).unwrap();
        let snapshot = self.writer.snapshot().load();
        assert_eq!(text.matches("[[token]]").count(), snapshot.tokens.len());
        for token in snapshot.tokens.iter() {
            let named = format!("sid = \"{}\"\nname = \"{}\"\n", token.sid, token.texts.name);
            assert!(text.contains(&named), "{named}");
        }
    }
}

fn one_change() {
    for audited in [false, true] {
        let fixture = Fixture::start(audited);
        let (mut plain, mut ours) = (Vec::new(), Vec::new());
        for round in 0..PAIRS {
            let bytes = fs::read(fixture.tokens()).unwrap();
            plain.push(replace(&fixture.dir.path().join("plain.toml"), &bytes));
            ours.push(fixture.change(round * 211 % TOKENS, &format!("Change {round}")));
        }
        let (plain, ours) = (median(plain), median(ours));
        println!(
            "one change of {TOKENS} tokens{}: {ours:.1?}; a plain write, fsync and rename of \
             the same bytes: {plain:.1?}; {:.2} times",
            if audited { ", with an audit" } else { "" },
            ours.as_secs_f64() / plain.as_secs_f64(),
        );
    }
}

/// Writes a file, syncs it and puts it in the place of another.
fn replace(path: &Path, bytes: &[u8]) -> Duration {
    let before = Instant::now();
    let new = path.with_extension("new");
    let mut file = File::create(&new).unwrap();
    file.write_all(bytes).unwrap();
    file.sync_all().unwrap();
    fs::rename(&new, path).unwrap();
    before.elapsed()
}

fn many_changes() {
    let fixture = Fixture::start(true);
    let one_by_one = 100;
    let (mut apart, mut together) = (Duration::ZERO, Duration::ZERO);
    let mut commits = 0;
    let rounds = 4;
    for round in 0..rounds {
        for number in 0..one_by_one {
            apart += fixture.change(number, &format!("Apart {round} {number}"));
        }
        let first = fixture.writer.snapshot().load().revision.0;
        let before = Instant::now();
        fixture.runtime.block_on(async {
            let all: Vec<_> = (0..TOGETHER)
                .map(|number| {
                    let (writer, name) = (fixture.writer.clone(), format!("Together {round}"));
                    let mutation = rename(number, &name);
                    tokio::spawn(async move { writer.mutate(mutation, origin(), None).await })
                })
                .collect();
            for one in all {
                assert!(one.await.unwrap().unwrap().changed);
            }
        });
        together += before.elapsed();
        commits += fixture.writer.snapshot().load().revision.0 - first;
    }
    fixture.assert_whole();
    let apart = apart / (one_by_one * rounds) as u32;
    let all = together / rounds as u32;
    let each = all / TOGETHER as u32;
    println!(
        "{TOGETHER} changes at once of {TOKENS} tokens: {all:.1?} in {} commits, {each:.1?} for \
         each; one after the other: {apart:.1?} for each; {:.0} times",
        commits / rounds as u64,
        apart.as_secs_f64() / each.as_secs_f64(),
    );
}

fn publishing() {
    let catalog = Catalog::parse(Path::new("catalog.toml"), CATALOG, None).unwrap();
    let mut table = TokenTable::new((0..MILLION).map(|number| Arc::new(token(number, "Before"))));
    let catalog = Arc::new(catalog);
    let handle = SnapshotHandle::new(Snapshot {
        revision: Revision(1),
        tokens: table.clone(),
        catalog: Arc::clone(&catalog),
    });
    let mut took = Vec::new();
    let mut old = Vec::new();
    for round in 0..1_000 {
        let changed = Arc::new(token(round * 997 % MILLION, "After"));
        let before = Instant::now();
        table = table.with([(changed.sid, Some(changed))]);
        old.push(handle.publish(Snapshot {
            revision: Revision(2),
            tokens: table.clone(),
            catalog: Arc::clone(&catalog),
        }));
        took.push(before.elapsed());
    }
    let most = took.iter().max().copied().unwrap_or_default();
    println!(
        "publishing one change of {MILLION} tokens: median {:.1?}, the longest of 1,000 {most:.1?}",
        median(took)
    );
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn sid(number: usize) -> Sid {
    Sid::parse(format!("IR{number:032}").as_bytes()).unwrap()
}

fn rename(number: usize, name: &str) -> Mutation {
    let patch = Patch {
        name: Some(name.to_owned()),
        ..Patch::default()
    };
    Mutation::Edit(sid(number), patch)
}

fn origin() -> Origin {
    Origin {
        actor: "ops".to_owned(),
        role: "administrator".to_owned(),
        peer: "127.0.0.1:4711".to_owned(),
        request_id: "r1".to_owned(),
    }
}

/// A token file as sidgate itself writes one.
fn text() -> String {
    let mut text = String::from("# Made by a benchmark.\n");
    let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    for number in 0..TOKENS {
        write!(
            text,
            "\n[[token]]\nsid = \"{}\"\nname = \"Token {number}\"\ndescription = \"Nightly pull\"\n\
             primary_contact = \"dana@example.com\"\nscopes = [\"items:read\"]\n\
             state = \"enabled\"\ncreated_at = 2026-11-21T12:00:00Z\n\
             updated_at = 2026-11-21T12:00:00Z\ndigest = \"sha256:{digest}\"\n",
            sid(number)
        )
        .unwrap();
    }
    text
}

fn token(number: usize, name: &str) -> Token {
    Token {
        sid: sid(number),
        digest: Digest::Sha256([7; 32]),
        state: State::Enabled,
        version: None,
        scopes: ScopeSet::default(),
        account: None,
        texts: Box::new(Texts {
            name: name.into(),
            ..Texts::default()
        }),
    }
}
