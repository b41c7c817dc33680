use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::*;
use crate::store::mutation::{Fields, Kept, Patch};
use crate::telemetry::audit;
use crate::token::{Digest, State};

fn sid(text: &str) -> Sid {
    Sid::parse(text.as_bytes()).expect("a SID")
}

fn kept(byte: u8) -> Kept {
    Kept {
        digest: Digest::Sha256([byte; 32]),
        sealed: None,
    }
}

fn create(name: &str) -> Mutation {
    let fields = Fields {
        name: name.to_owned(),
        scopes: vec!["items:read".to_owned()],
        ..Fields::default()
    };
    Mutation::Create {
        sid: sid(name),
        kept: kept(7),
        fields,
    }
}

fn rename(token: &str, name: &str) -> Mutation {
    let patch = Patch {
        name: Some(name.to_owned()),
        ..Patch::default()
    };
    Mutation::Edit(sid(token), patch)
}

fn origin() -> Origin {
    Origin {
        actor: "ops".to_owned(),
        role: "administrator".to_owned(),
        peer: "127.0.0.1:4711".to_owned(),
        request_id: "r1".to_owned(),
    }
}

impl Fixture {
    async fn mutate(&self, mutation: Mutation) -> Result<Mutated, MutateError> {
        self.writer.mutate(mutation, origin(), None).await
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.files.tokens()).expect("read")
    }

    fn audit_path(&self) -> std::path::PathBuf {
        self.files.path().join("audit.jsonl")
    }

    /// The audit, the oldest first, and that its chain holds.
    fn audit(&self) -> Vec<Value> {
        audit::verify(&[self.audit_path()]).expect("it holds");
        let mut records = audit::newest(&self.audit_path(), None, 10_000).expect("read");
        records.reverse();
        records
    }

    /// Kind, action and outcome of each record.
    fn audited(&self) -> Vec<String> {
        let told = |record: &Value| {
            let fields = ["kind", "actor", "action", "sid", "outcome"];
            let texts = fields.iter().filter_map(|field| record[field].as_str());
            texts.collect::<Vec<_>>().join(" ")
        };
        self.audit().iter().map(told).collect()
    }

    /// What is on disk is what is in force.
    fn assert_whole(&self) {
        let (again, _) = open(&self.files.settings(), &[], false).expect("a good file");
        let (disk, memory) = (again.snapshot().load(), self.writer.snapshot().load());
        assert_eq!(disk.tokens.len(), memory.tokens.len());
        for token in memory.tokens.iter() {
            let on_disk = disk.tokens.find(token.sid.as_bytes()).expect("it is there");
            // Numbers of scopes are those of the same catalogue, read anew.
            assert_eq!(on_disk, token);
        }
        assert_eq!(self.writer.status().tokens, memory.tokens.len());
    }
}

#[tokio::test]
async fn a_token_lives_and_dies() {
    let fixture = Fixture::start("# mine\n").await;
    let made = fixture.mutate(create("A")).await.expect("made");
    assert!(made.changed && made.revision.0 == 2);
    assert_eq!(fixture.token("A").as_ref(), Some(&made.token));
    assert!(
        fixture
            .text()
            .starts_with("# mine\n\n[[token]]\nsid = \"A\"\n")
    );
    assert_eq!(fixture.writer.status().enabled, 1);

    fixture.mutate(rename("A", "Other")).await.expect("renamed");
    let off = fixture
        .mutate(Mutation::Disable(sid("A")))
        .await
        .expect("disabled");
    assert_eq!(off.token.state, State::Disabled);
    assert_eq!(fixture.writer.status().disabled, 1);
    let again = fixture
        .mutate(Mutation::Disable(sid("A")))
        .await
        .expect("still");
    assert!(!again.changed && again.revision == off.revision);
    let copy = Mutation::Duplicate {
        of: sid("A"),
        sid: sid("B"),
        kept: kept(8),
    };
    fixture.mutate(copy).await.expect("copied");
    let reset = Mutation::Reset {
        sid: sid("A"),
        kept: kept(9),
    };
    fixture.mutate(reset).await.expect("reset");
    assert!(
        fixture
            .token("A")
            .is_some_and(|token| token.digest == kept(9).digest)
    );
    fixture.assert_whole();
    let gone = fixture
        .mutate(Mutation::Delete(sid("A")))
        .await
        .expect("gone");
    assert_eq!(&*gone.token.texts.name, "Other");
    assert_eq!(fixture.token("A"), None);
    fixture.assert_whole();

    assert_eq!(
        fixture.audited(),
        [
            "intent ops create A",
            "outcome ops create A done",
            "intent ops edit A",
            "outcome ops edit A done",
            "intent ops disable A",
            "outcome ops disable A done",
            "outcome ops disable A done",
            "intent ops duplicate B",
            "outcome ops duplicate B done",
            "intent ops reset A",
            "outcome ops reset A done",
            "intent ops delete A",
            "outcome ops delete A done",
        ]
    );
    let records = fixture.audit();
    assert_eq!(records[2]["before"]["name"], "A");
    assert_eq!(records[2]["after"]["name"], "Other");
    assert_eq!(records[9]["new_auth_token"], true);
    assert_eq!(records[9]["peer"], "127.0.0.1:4711");
    let text = std::fs::read_to_string(fixture.audit_path()).expect("read");
    assert!(!text.contains("sha256"));
    for digest in ["07", "08", "09"] {
        assert!(!text.contains(&digest.repeat(32)), "the digest of {digest}");
    }
}

#[tokio::test]
async fn our_own_writes_are_no_hand_edits() {
    let fixture = Fixture::start(&block("A", "")).await;
    fixture.mutate(rename("A", "x")).await.expect("renamed");
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(fixture.revision(), 2);
    assert_eq!(fixture.audited().len(), 2);
    assert_eq!(fixture.writer.status().fault, None);
}

#[tokio::test]
async fn a_refusal_changes_nothing_and_is_recorded() {
    let fixture = Fixture::start(&block("A", "")).await;
    let text = fixture.text();
    let refused = |mutation| fixture.mutate(mutation);
    assert_eq!(
        refused(Mutation::Enable(sid("Z"))).await.map(drop),
        Err(MutateError::NotFound)
    );
    let upgrade = refused(Mutation::Upgrade(sid("A"), None)).await.map(drop);
    assert_eq!(upgrade, Err(MutateError::VersionReached));
    let fields = refused(rename("A", "")).await.expect_err("faults");
    assert!(matches!(&fields, MutateError::Fields(faults) if faults.len() == 1));
    let never: Precondition = Box::new(|token, _| token.sid.as_str() == "no");
    let result = fixture
        .writer
        .mutate(rename("A", "x"), origin(), Some(never))
        .await;
    assert_eq!(result.map(drop), Err(MutateError::PreconditionFailed));
    assert_eq!((fixture.text(), fixture.revision()), (text, 1));
    assert_eq!(
        fixture.audited(),
        [
            "outcome ops enable Z token_not_found",
            "outcome ops upgrade A version_reached",
            "outcome ops edit A invalid_fields",
            "outcome ops edit A precondition_failed",
        ]
    );
}

#[tokio::test]
async fn a_hand_edit_is_read_first() {
    let fixture = Fixture::start(&format!("{}{}", block("A", ""), block("B", ""))).await;
    // Edited and not yet noticed: the change of another token is made on top of it.
    fixture.files.replace(&format!(
        "{}{}",
        block("A", "\"items:read\""),
        block("B", "")
    ));
    fixture.mutate(rename("B", "x")).await.expect("renamed");
    assert!(
        fixture
            .token("A")
            .is_some_and(|token| !token.scopes.is_empty())
    );
    fixture.assert_whole();
    // The same token: a conflict, unless the edit was noticed before.
    fixture
        .files
        .write(&fixture.text().replace("items:read", "items:write"));
    let result = fixture.mutate(Mutation::Disable(sid("A"))).await.map(drop);
    assert_eq!(result, Err(MutateError::Conflict));
    assert!(fixture.text().contains("items:write"));
    fixture
        .mutate(Mutation::Disable(sid("A")))
        .await
        .expect("it is read now");
    fixture.assert_whole();
    let audited = fixture.audited();
    assert!(
        audited.contains(&"change file edit A".to_owned()),
        "{audited:?}"
    );
}

#[tokio::test]
async fn a_change_mends_no_catalogue() {
    let fixture = Fixture::start(&block("A", "")).await;
    let catalog = fixture.files.catalog();
    let beside = catalog.with_extension("new");
    std::fs::write(&beside, "nonsense").expect("written");
    std::fs::rename(&beside, &catalog).expect("renamed");
    fixture
        .until(|fixture| fixture.writer.status().fault.is_some())
        .await;
    fixture.mutate(rename("A", "x")).await.expect("changed");
    assert!(fixture.writer.status().fault.is_some());
}

#[tokio::test]
async fn a_bad_file_is_not_written() {
    let fixture = Fixture::start(&block("A", "")).await;
    let good = fixture.text();
    for bad in ["", "nonsense", "[[token]]\nsid = \"A\""] {
        fixture.files.replace(bad);
        let result = fixture.mutate(rename("A", "x")).await.map(drop);
        assert!(
            matches!(result, Err(MutateError::Unavailable(_))),
            "{result:?}"
        );
        assert_eq!(fixture.text(), bad);
        assert!(fixture.writer.status().fault.is_some());
    }
    assert_eq!(fixture.revision(), 1);
    fixture.files.replace(&good);
    fixture
        .mutate(rename("A", "x"))
        .await
        .expect("it is good again");
    std::fs::remove_file(fixture.files.tokens()).expect("removed");
    let result = fixture.mutate(rename("A", "y")).await.map(drop);
    assert!(
        matches!(result, Err(MutateError::Unavailable(_))),
        "{result:?}"
    );
    assert!(!fixture.files.tokens().exists());
    let audited = fixture.audited();
    assert_eq!(
        audited.last().map(String::as_str),
        Some("outcome ops edit A store_unavailable")
    );
}

#[tokio::test]
async fn what_cannot_be_written_is_not_done() {
    let fixture = Fixture::start(&block("A", "")).await;
    let text = fixture.text();
    let read_only = PermissionsExt::from_mode(0o400);
    std::fs::set_permissions(fixture.files.tokens(), read_only).expect("set");
    let result = fixture.mutate(rename("A", "x")).await.map(drop);
    assert!(
        matches!(result, Err(MutateError::Unavailable(_))),
        "{result:?}"
    );
    std::fs::set_permissions(fixture.files.tokens(), PermissionsExt::from_mode(0o600))
        .expect("set");

    // The audit: a directory has taken its place.
    std::fs::remove_file(fixture.audit_path()).expect("removed");
    std::fs::create_dir(fixture.audit_path()).expect("made");
    let result = fixture.mutate(rename("A", "x")).await.map(drop);
    assert!(
        matches!(result, Err(MutateError::Unavailable(_))),
        "{result:?}"
    );
    let recorded = fixture
        .writer
        .record(&origin(), "reveal", Some(&sid("A")), "done")
        .await;
    assert!(recorded.is_err());
    assert_eq!((fixture.text(), fixture.revision()), (text, 1));
}

#[tokio::test]
async fn events_are_recorded() {
    let fixture = Fixture::start(&block("A", "")).await;
    let recorded = fixture
        .writer
        .record(&origin(), "reveal", Some(&sid("A")), "done")
        .await;
    assert_eq!(recorded, Ok(()));
    assert_eq!(fixture.audited(), ["event ops reveal A done"]);
}

#[tokio::test]
async fn many_at_once_are_committed_together() {
    let tokens: String = (0..10_000).map(|at| block(&format!("T{at}"), "")).collect();
    let fixture = Fixture::start(&tokens).await;
    let mutations = (0..1_000).map(|at| match at % 4 {
        0 => create(&format!("N{at}")),
        1 => rename(&format!("T{}", at * 7), &format!("name {at}")),
        2 => Mutation::Disable(sid(&format!("T{}", at * 7 - 7))),
        _ => Mutation::Delete(sid(&format!("N{}", at - 3))),
    });
    let tasks: Vec<_> = mutations
        .map(|mutation| {
            let writer = fixture.writer.clone();
            tokio::spawn(async move { writer.mutate(mutation, origin(), None).await })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic").expect("done");
    }
    assert_eq!(fixture.writer.status().tokens, 10_000);
    assert_eq!(fixture.writer.status().disabled, 250);
    assert!(fixture.revision() < 50, "{} commits", fixture.revision());
    fixture.assert_whole();
}

#[tokio::test]
async fn hand_edits_and_operators_by_turns_lose_nothing() {
    let fixture = Fixture::start(&format!("{}{}", block("A", ""), block("H", ""))).await;
    for round in 0..20 {
        let text = fixture.text();
        let line = text
            .lines()
            .find(|line| line.starts_with("name = \"Name of H"));
        let name = format!("name = \"Name of H {round}\"");
        fixture
            .files
            .replace(&text.replace(line.expect("its line"), &name));
        fixture
            .mutate(create(&format!("N{round}")))
            .await
            .expect("another token");
        let hand = fixture.token("H").expect("it is there");
        assert_eq!(*hand.texts.name, format!("Name of H {round}"));
    }
    assert_eq!(fixture.writer.status().tokens, 22);
    fixture.assert_whole();
}
