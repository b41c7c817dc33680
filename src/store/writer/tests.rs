use std::time::Instant;

use tokio::task::JoinHandle;

use super::*;
use crate::store::testing::{CATALOG, Files, block};
use crate::token::Token;

/// New content is promised to be in force by then.
const PROMISE: Duration = Duration::from_secs(2);
/// How long is waited for what must come, where how soon is not the question.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running writer over a directory.
struct Fixture {
    files: Files,
    writer: Writer,
    task: JoinHandle<()>,
    _stop: oneshot::Sender<()>,
}

impl Fixture {
    async fn start(tokens: &str) -> Self {
        let files = Files::new(tokens);
        let (writer, task) = open(&files.settings(), &[], false).expect("good files");
        let audit = AuditLog::open(&files.path().join("audit.jsonl")).expect("an audit");
        let task = task.with_audit(audit);
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(task.start().unwrap().run(async move {
            let _ = stopped.await;
        }));
        // Until the directory is listened to, a replacement would be seen by the poll.
        tokio::time::sleep(Duration::from_millis(100)).await;
        Self {
            files,
            writer,
            task,
            _stop: stop,
        }
    }

    fn token(&self, sid: &str) -> Option<Arc<Token>> {
        let snapshot = self.writer.snapshot().load();
        snapshot.tokens.find(sid.as_bytes()).cloned()
    }

    fn revision(&self) -> u64 {
        self.writer.snapshot().load().revision.0
    }

    /// Waits until something holds and the status tells of the snapshot in force, at most as
    /// long as is promised.
    async fn until(&self, holds: impl Fn(&Self) -> bool) {
        let before = Instant::now();
        while !holds(self) || self.writer.status().revision.0 != self.revision() {
            assert!(before.elapsed() < PROMISE, "{:?}", self.writer.status());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn faults(&self) -> String {
        let fault = self.writer.status().fault;
        fault.map_or_else(String::new, |faults| faults.to_string())
    }
}

fn opened(files: &Files, upstreams: &[&str]) -> Result<(), String> {
    let upstreams: Vec<Arc<str>> = upstreams.iter().map(|&name| name.into()).collect();
    let opened = open(&files.settings(), &upstreams, false);
    opened.map(drop).map_err(|faults| faults.to_string())
}

#[test]
fn a_start_tells_the_faults_of_both_files() {
    let files = Files::new("[[token]]\nsid = \"A\"\n");
    std::fs::write(files.catalog(), "nonsense").expect("written");
    let faults = opened(&files, &[]).expect_err("faults");
    assert!(faults.contains("catalog.toml:1:"), "{faults}");
    assert!(
        faults.contains("tokens.toml:1:1: the token has no `name`"),
        "{faults}"
    );
    files.write("");
    assert!(
        opened(&files, &[])
            .expect_err("faults")
            .contains("tokens.toml:1:1: is empty")
    );
    std::fs::remove_file(files.tokens()).expect("removed");
    let faults = opened(&files, &[]).expect_err("faults");
    assert!(
        faults.contains("tokens.toml:1:1: cannot be read"),
        "{faults}"
    );
}

#[test]
fn a_version_names_an_upstream_that_there_is() {
    let files = Files::new("# none\n");
    let catalog = CATALOG.replace("id = \"1\"", "id = \"1\"\nupstream = \"old\"");
    std::fs::write(files.catalog(), catalog).expect("written");
    assert!(
        opened(&files, &["default"])
            .expect_err("a fault")
            .contains("\"old\"")
    );
    assert_eq!(opened(&files, &["default", "old"]), Ok(()));
}

#[tokio::test]
async fn a_replaced_file_is_in_force_and_a_bad_one_changes_nothing() {
    let fixture = Fixture::start(&block("A", "\"items:read\"")).await;
    assert_eq!(fixture.writer.status().rules, 4);
    fixture
        .files
        .replace(&format!("{}{}", block("A", ""), block("B", "")));
    fixture.until(|f| f.token("B").is_some()).await;
    assert!(fixture.token("A").is_some_and(|a| a.scopes.is_empty()));
    let status = fixture.writer.status();
    assert_eq!((status.tokens, status.enabled, status.disabled), (2, 2, 0));
    assert_eq!(status.last_reload.outcome, Outcome::Loaded);

    for bad in ["", "[[token]]\nsid = \"C\"", "token = []"] {
        fixture.files.replace(bad);
        fixture
            .until(|f| f.writer.status().last_reload.outcome == Outcome::Refused)
            .await;
        assert!(fixture.faults().contains("tokens.toml"));
        assert_eq!((fixture.revision(), fixture.writer.status().tokens), (2, 2));
        fixture
            .files
            .replace(&format!("{}{}", block("A", ""), block("B", "")));
        fixture.until(|f| f.writer.status().fault.is_none()).await;
    }
    assert_eq!(fixture.revision(), 2, "nothing new, nothing published");

    let disabled = block("A", "").replace("name =", "state = \"disabled\"\nname =");
    fixture.files.replace(&disabled);
    fixture.until(|f| f.revision() == 3).await;
    let status = fixture.writer.status();
    assert_eq!((status.tokens, status.enabled, status.disabled), (1, 0, 1));
}

#[tokio::test]
async fn a_file_written_in_two_halves_is_never_half_in_force() {
    let fixture = Fixture::start(&block("A", "")).await;
    let (one, two) = (block("B", ""), block("C", ""));
    fixture.files.write(&one);
    tokio::time::sleep(Duration::from_millis(900)).await;
    fixture.files.write(&format!("{one}{two}"));
    let before = Instant::now();
    while fixture.token("C").is_none() {
        assert!(fixture.token("B").is_none() || fixture.token("C").is_some());
        assert!(before.elapsed() < PROMISE);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(fixture.revision(), 2);
}

#[tokio::test]
async fn a_new_scope_and_its_token_come_into_force_together() {
    let fixture = Fixture::start(&block("A", "\"items:read\"")).await;
    let larger = CATALOG.replace("items:write", "items:admin");
    // The token first: refused until the catalogue has its scope.
    fixture.files.replace(&block("A", "\"items:admin\""));
    fixture
        .until(|f| f.faults().contains("no scope \"items:admin\""))
        .await;
    fixture.files.replace_catalog(&larger);
    fixture.until(|f| f.revision() == 2).await;
    let snapshot = fixture.writer.snapshot().load();
    let scope = snapshot
        .catalog
        .scope_number("items:admin")
        .expect("it is there");
    assert!(
        fixture
            .token("A")
            .is_some_and(|token| token.scopes.contains(scope))
    );
    drop(snapshot);

    // And a catalogue that drops a scope in use is refused, with the token's place.
    fixture.files.replace_catalog(CATALOG);
    fixture
        .until(|f| {
            f.faults()
                .contains("tokens.toml:4:11: the catalogue has no scope")
        })
        .await;
    assert_eq!(fixture.revision(), 2);
    fixture.files.replace(&block("A", "\"items:write\""));
    fixture.until(|f| f.revision() == 3).await;
    assert_eq!(fixture.faults(), "");
}

#[tokio::test]
async fn a_catalogue_is_judged_without_a_token_file_that_is_being_written() {
    let fixture = Fixture::start(&block("A", "\"items:read\"")).await;
    let written = format!("{}{}", block("A", ""), block("B", ""));
    fixture.files.write(&written);
    fixture
        .files
        .replace_catalog(&CATALOG.replace("items:read", "items:get"));
    // Written again and again, it is not still, however long the look takes to come.
    let before = Instant::now();
    while !fixture
        .faults()
        .contains("lacks the scope \"items:read\", which the token A")
    {
        assert!(before.elapsed() < PATIENCE, "{:?}", fixture.faults());
        fixture.files.write(&written);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(fixture.token("B").is_none());
    let before = Instant::now();
    while fixture.token("B").is_none() {
        assert!(before.elapsed() < PATIENCE, "{:?}", fixture.faults());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    fixture.until(|f| f.faults().is_empty()).await;
    assert_eq!((fixture.revision(), fixture.faults().as_str()), (2, ""));
}

#[tokio::test]
async fn a_reload_is_now() {
    let fixture = Fixture::start(&block("A", "")).await;
    fixture.files.write(&block("B", ""));
    assert_eq!(fixture.writer.reload().await, Ok(()));
    assert!(fixture.token("B").is_some() && fixture.token("A").is_none());
    fixture.files.write("nonsense");
    let faults = fixture
        .writer
        .reload()
        .await
        .expect_err("faults")
        .to_string();
    assert!(faults.contains("tokens.toml:1:1"), "{faults}");
    assert!(fixture.token("B").is_some());
}

#[tokio::test]
async fn other_files_can_be_put_in_place() {
    let fixture = Fixture::start(&block("A", "")).await;
    let other = Files::new(&format!("{}{}", block("A", ""), block("B", "")));
    let missing = config::Files {
        tokens: other.path().join("none"),
        ..other.settings()
    };
    assert!(
        fixture
            .writer
            .configure(&missing, &[], false)
            .await
            .is_err()
    );
    assert_eq!(fixture.revision(), 1);
    let configured = fixture
        .writer
        .configure(&other.settings(), &[], false)
        .await;
    assert_eq!(configured, Ok(()));
    assert!(fixture.token("B").is_some());
    other.replace(&block("C", ""));
    fixture.until(|f| f.token("C").is_some()).await;
    assert_eq!(fixture.writer.status().tokens, 1);
}

#[tokio::test]
async fn the_hmac_key_cannot_go_while_it_is_needed() {
    let files = Files::new(&block("A", "").replace("sha256:", "hmac-sha256:"));
    let (writer, task) = open(&files.settings(), &[], true).expect("good files");
    tokio::spawn(task.start().unwrap().run(std::future::pending()));
    let configured = writer.configure(&files.settings(), &[], false).await;
    assert!(
        configured
            .expect_err("a fault")
            .to_string()
            .contains("hmac_key_file")
    );
    assert_eq!(writer.configure(&files.settings(), &[], true).await, Ok(()));
}

#[tokio::test]
async fn old_snapshots_are_freed_when_nobody_looks() {
    let fixture = Fixture::start(&block("A", "")).await;
    let held = arc_swap::Guard::into_inner(fixture.writer.snapshot().load());
    let weak = Arc::downgrade(&held);
    fixture.files.replace(&block("B", ""));
    fixture.until(|f| f.revision() == 2).await;
    tokio::time::sleep(BURY * 3).await;
    drop(held);
    assert!(weak.upgrade().is_some(), "freed here, not by the writer");
    fixture.until(|_| weak.upgrade().is_none()).await;
}

#[tokio::test]
async fn ten_replacements_a_second_do_not_starve() {
    let fixture = Fixture::start(&block("A", "")).await;
    let stop = Instant::now() + Duration::from_secs(2);
    let mut round = 0;
    while Instant::now() < stop {
        round += 1;
        fixture.files.replace(&block(&format!("T{round}"), ""));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(fixture.revision() > 5, "{}", fixture.revision());
    fixture
        .until(|f| f.token(&format!("T{round}")).is_some())
        .await;
}

#[tokio::test]
async fn a_stopped_writer_says_so() {
    let Fixture {
        files: _files,
        writer,
        task,
        _stop: stop,
    } = Fixture::start("# none\n").await;
    drop(stop);
    task.await.expect("it ends");
    let faults = writer.reload().await.expect_err("a fault").to_string();
    assert!(faults.contains("stopped"), "{faults}");
}

mod mutate;
