use proptest::prelude::*;

use super::*;
use crate::store::testing::catalog;

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn sid(text: &str) -> Sid {
    Sid::parse(text.as_bytes()).expect("a SID")
}

fn kept(byte: u8) -> Kept {
    Kept {
        digest: Digest::Sha256([byte; 32]),
        sealed: Some("sealed".into()),
    }
}

fn fields() -> Fields {
    Fields {
        name: "Reporting".into(),
        description: "Nightly".into(),
        api_version: Some("1".into()),
        primary_contact: "dana@example.com".into(),
        developer_emails: vec!["dev@example.com".into()],
        scopes: vec!["items:read".into(), "events:read".into()],
    }
}

fn create(fields: Fields) -> Mutation {
    Mutation::Create {
        sid: sid("A"),
        kept: kept(1),
        fields,
    }
}

/// A table with the token A, created a second ago.
fn table() -> TokenTable {
    let before = NOW - jiff::SignedDuration::from_secs(1);
    let change = create(fields()).apply(&TokenTable::default(), &catalog(), before);
    TokenTable::new(change.expect("a token").after)
}

fn apply(mutation: &Mutation) -> Result<Change, MutationError> {
    mutation.apply(&table(), &catalog(), NOW)
}

fn after(mutation: &Mutation) -> Token {
    let change = apply(mutation).expect("it can be");
    Token::clone(&change.after.expect("a token"))
}

fn field_faults(mutation: &Mutation) -> Vec<String> {
    match apply(mutation) {
        Err(MutationError::Fields(faults)) => faults.into_iter().map(|f| f.field).collect(),
        other => panic!("no faults of fields: {other:?}"),
    }
}

#[test]
fn a_new_token_has_what_was_asked_for() {
    let catalog = catalog();
    let change = create(fields()).apply(&TokenTable::default(), &catalog, NOW);
    let token = change.expect("a token").after.expect("it is there");
    assert_eq!(token.version, catalog.version_number("1"));
    assert_eq!(token.scopes.iter().count(), 2);
    assert_eq!(token.state, State::Enabled);
    assert_eq!(token.digest, kept(1).digest);
    let texts = &token.texts;
    assert_eq!(
        (&*texts.name, &*texts.description),
        ("Reporting", "Nightly")
    );
    assert_eq!(texts.developer_emails.len(), 1);
    assert_eq!((texts.created_at, texts.updated_at), (Some(NOW), Some(NOW)));
    assert_eq!(texts.sealed.as_deref(), Some("sealed"));
}

#[test]
fn without_a_version_the_latest_of_now_is_written_down() {
    let mutation = create(Fields {
        name: "x".into(),
        ..Fields::default()
    });
    let catalog = catalog();
    let change = mutation.apply(&TokenTable::default(), &catalog, NOW);
    let token = change.expect("a token").after.expect("it is there");
    assert_eq!(token.version, catalog.version_number("2"));
}

#[test]
fn a_sid_is_given_once() {
    assert_eq!(apply(&create(fields())), Err(MutationError::SidTaken));
}

#[test]
fn all_faults_are_told_at_once() {
    let mutation = create(Fields {
        name: String::new(),
        description: "x".repeat(1_025),
        api_version: Some("9".into()),
        primary_contact: "dana".into(),
        developer_emails: vec!["a@b".into(), "b".into()],
        scopes: vec!["items:read".into(), "no:such".into()],
    });
    let mut fields = field_faults(&mutation);
    fields.sort();
    assert_eq!(
        fields,
        [
            "api_version",
            "description",
            "developer_emails[1]",
            "name",
            "primary_contact",
            "scopes[1]"
        ]
    );
    let patch = Patch {
        name: Some(String::new()),
        scopes: Some(vec!["x".into()]),
        ..Patch::default()
    };
    assert_eq!(
        field_faults(&Mutation::Edit(sid("A"), patch)),
        ["name", "scopes[0]"]
    );
}

#[test]
fn an_edit_changes_what_it_names() {
    let patch = Patch {
        description: Some(String::new()),
        scopes: Some(vec![]),
        api_version: Some("2".into()),
        ..Patch::default()
    };
    let token = after(&Mutation::Edit(sid("A"), patch));
    assert_eq!(
        (&*token.texts.name, &*token.texts.description),
        ("Reporting", "")
    );
    assert!(token.scopes.is_empty());
    assert_eq!(token.version, catalog().version_number("2"));
    assert_eq!(token.texts.updated_at, Some(NOW));
    assert_ne!(token.texts.created_at, Some(NOW));
}

#[test]
fn an_edit_to_the_same_is_none() {
    let patch = Patch {
        name: Some("Reporting".into()),
        api_version: Some("1".into()),
        scopes: Some(vec!["events:read".into(), "items:read".into()]),
        ..Patch::default()
    };
    let change = apply(&Mutation::Edit(sid("A"), patch)).expect("it can be");
    assert!(change.is_empty());
}

#[test]
fn a_version_goes_up_only() {
    let upgraded = after(&Mutation::Upgrade(sid("A"), None));
    let catalog = catalog();
    assert_eq!(upgraded.version, catalog.version_number("2"));
    let table = TokenTable::new([Arc::new(upgraded)]);
    let apply = |mutation: Mutation| mutation.apply(&table, &catalog, NOW);
    let reached = Err(MutationError::VersionReached);
    assert_eq!(apply(Mutation::Upgrade(sid("A"), None)), reached);
    assert_eq!(
        apply(Mutation::Upgrade(sid("A"), Some("2".into()))),
        reached
    );
    let lower = Patch {
        api_version: Some("1".into()),
        ..Patch::default()
    };
    for (mutation, field) in [
        (Mutation::Upgrade(sid("A"), Some("1".into())), "version"),
        (Mutation::Upgrade(sid("A"), Some("9".into())), "version"),
        (Mutation::Edit(sid("A"), lower), "api_version"),
    ] {
        match apply(mutation) {
            Err(MutationError::Fields(faults)) => assert_eq!(faults[0].field, field),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_token_that_follows_the_latest_goes_on() {
    let mut token = Token::clone(table().find(b"A").expect("it is there"));
    token.version = None;
    let table = TokenTable::new([Arc::new(token)]);
    let apply = |mutation: Mutation| mutation.apply(&table, &catalog(), NOW);
    let upgrade = apply(Mutation::Upgrade(sid("A"), None));
    assert_eq!(upgrade, Err(MutationError::VersionReached));
    let patch = Patch {
        api_version: Some("2".into()),
        ..Patch::default()
    };
    assert!(apply(Mutation::Edit(sid("A"), patch)).is_ok_and(|change| change.is_empty()));
}

#[test]
fn a_duplicate_has_rights_and_settings_and_its_own_secret() {
    let mutation = Mutation::Duplicate {
        of: sid("A"),
        sid: sid("B"),
        kept: kept(2),
    };
    let copy = after(&mutation);
    let table = table();
    let original = table.find(b"A").expect("it is there");
    assert_eq!((copy.sid, &copy.digest), (sid("B"), &kept(2).digest));
    assert_eq!(
        (&copy.scopes, copy.version),
        (&original.scopes, original.version)
    );
    assert_eq!(copy.texts.name, original.texts.name);
    assert_eq!(copy.texts.created_at, Some(NOW));
    assert_eq!(mutation.subject(), &sid("A"));
}

#[test]
fn a_reset_replaces_digest_and_seal() {
    let mut new = kept(3);
    new.sealed = None;
    let token = after(&Mutation::Reset {
        sid: sid("A"),
        kept: new,
    });
    assert_eq!(token.digest, kept(3).digest);
    assert_eq!(token.texts.sealed, None);
}

#[test]
fn switching_is_idempotent() {
    let enabled = apply(&Mutation::Enable(sid("A"))).expect("it can be");
    assert!(enabled.is_empty());
    let disabled = apply(&Mutation::Disable(sid("A"))).expect("it can be");
    assert!(!disabled.is_empty());
    let token = disabled.after.expect("it is there");
    assert_eq!(
        (token.state, token.texts.updated_at),
        (State::Disabled, Some(NOW))
    );
}

#[test]
fn what_is_not_there_is_not_found() {
    let missing = sid("Z");
    for mutation in [
        Mutation::Edit(missing, Patch::default()),
        Mutation::Duplicate {
            of: missing,
            sid: sid("B"),
            kept: kept(1),
        },
        Mutation::Reset {
            sid: missing,
            kept: kept(1),
        },
        Mutation::Upgrade(missing, None),
        Mutation::Enable(missing),
        Mutation::Disable(missing),
        Mutation::Delete(missing),
    ] {
        assert_eq!(
            apply(&mutation),
            Err(MutationError::NotFound),
            "{mutation:?}"
        );
    }
    assert_eq!(
        apply(&Mutation::Delete(sid("A"))).expect("it can be").after,
        None
    );
}

proptest! {
    /// What is let in can be written to the token file and read again.
    #[test]
    fn what_an_edit_lets_in_keeps_the_rules(name in "\\PC{0,140}|[a-z\u{0}-\u{1f}]{1,5}", email in "[a-z.@-]{0,12}") {
        let patch = Patch {
            name: Some(name.clone()),
            primary_contact: Some(email.clone()),
            ..Patch::default()
        };
        let good = rules::name(&name).is_ok() && rules::email_or_empty(&email).is_ok();
        prop_assert_eq!(apply(&Mutation::Edit(sid("A"), patch)).is_ok(), good);
    }
}
