//! A token file's text -> [`sidgate::store::file`]: read, read again after an edit, changed.
//!
//! The file is read in blocks, and only those that are new; the oracle reads the whole
//! document with the TOML library and applies every change to that. Where a change is
//! written, every byte that does not belong to the changed token must stay.

mod document;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use sidgate::catalog::Catalog;
use sidgate::fault::Faults;
use sidgate::store::file::{TokenFile, TokenFileSettings};
use sidgate::store::{Load, Terms, TokenStore};
use sidgate::token::{Sid, State, Token};

use crate::catalog::faults_are_sound;
use crate::scratch;
use document::Document;

/// What tokens may name.
const CATALOG: &str = r#"
[versions]
latest = "2"
[[versions.version]]
id = "2"
[[versions.version]]
id = "1"
[[category]]
name = "Items"
[[category.scope]]
id = "items:read"
allow = ["GET /v1/items"]
[[category.scope]]
id = "items:write"
allow = ["POST /v1/items"]
"#;

static CATALOGUE: LazyLock<Arc<Catalog>> = LazyLock::new(|| {
    let catalog = Catalog::parse(Path::new("catalog.toml"), CATALOG, None);
    Arc::new(catalog.expect("a good catalogue"))
});

static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    // Left where it is when the process ends: libFuzzer ends it by a signal.
    scratch::directory().keep().join("tokens.toml")
});

/// Tokens by their SIDs.
type Set = BTreeMap<Sid, Arc<Token>>;

/// Up to three texts, with a byte between them that no text holds: a first file, the file
/// after an edit, and bytes that choose changes.
///
/// # Panics
/// Where the store and the oracle disagree.
pub fn check(data: &[u8]) {
    let mut parts = data.splitn(3, |&byte| byte == 0xff);
    let first = parts.next().unwrap_or_default();
    let second = parts.next();
    let changes = parts.next().unwrap_or_default();

    let mut store = store();
    let mut in_force = Set::new();
    let mut good = false;
    for text in [Some(first), second].into_iter().flatten() {
        write(text);
        let looked = look(&mut store);
        // What is known of the last state must not change what this one says.
        let fresh = look(&mut self::store());
        good = looked.is_ok();
        match (looked, fresh) {
            (Ok(load), Ok(fresh)) => {
                assert_eq!(load.revision, fresh.revision);
                store.adopt();
                apply(&mut in_force, load);
                let mut whole = Set::new();
                apply(&mut whole, fresh);
                assert_eq!(
                    in_force, whole,
                    "an edit is read otherwise than a whole file"
                );
                let text = std::str::from_utf8(text).expect("what is taken is UTF-8");
                let document = Document::parse(text).expect("what is taken is TOML");
                document.says(&in_force, &CATALOGUE);
            }
            (Err(faults), Err(fresh)) => {
                assert_eq!(faults, fresh);
                refused(&faults, text);
            }
            (looked, fresh) => panic!("{looked:?} after a load, {fresh:?} without one"),
        }
    }
    // On top of a file that was refused the store would say that it has moved on.
    for &byte in changes.iter().take(4).filter(|_| good) {
        let text = std::fs::read_to_string(&*FILE).expect("what is taken is UTF-8");
        change(&mut store, &mut in_force, &text, byte);
    }
}

fn store() -> TokenFile {
    TokenFile::new(TokenFileSettings {
        path: FILE.clone(),
        max_size: 1 << 20,
        max_tokens: 1_000,
    })
}

fn terms() -> Terms<'static> {
    Terms {
        catalog: Some(&CATALOGUE),
        hmac: false,
    }
}

fn write(text: &[u8]) {
    std::fs::write(&*FILE, text).expect("written");
}

fn look(store: &mut TokenFile) -> Result<Load, Faults> {
    store.look(&terms())
}

fn apply(set: &mut Set, load: Load) {
    for sid in load.gone {
        assert!(
            set.remove(&sid).is_some(),
            "{sid} is gone and was not there"
        );
    }
    for token in load.put {
        set.insert(token.sid, token);
    }
}

/// Holds a refusal against the text: there is a fault, it is told well, and it tells no digest.
fn refused(faults: &Faults, text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    faults_are_sound(faults, &FILE, text);
    for digest in text
        .split("sha256:")
        .skip(1)
        .filter_map(|rest| rest.get(..64))
    {
        let told = faults.0.iter().find(|fault| fault.message.contains(digest));
        assert!(
            told.is_none() || !digest.bytes().all(|b| b.is_ascii_hexdigit()),
            "{told:?}"
        );
    }
    let document = Document::parse(text);
    let sound = document.is_ok_and(|document| document.is_plainly_sound(&CATALOGUE));
    assert!(!sound, "{faults} in a sound file:\n{text}");
}

/// Makes one change, and holds the file against what it was.
fn change(store: &mut TokenFile, in_force: &mut Set, text: &str, byte: u8) {
    let at = usize::from(byte >> 3) % (in_force.len() + 1);
    let chosen = in_force.values().nth(at).cloned();
    let (sid, after) = match (&chosen, byte & 7) {
        (None, _) => {
            let sid = Sid::parse(b"A-new-token").expect("a SID");
            (sid, Some(fresh(sid)))
        }
        (Some(token), 0) => (token.sid, None),
        (Some(token), what) => (token.sid, Some(edited(token, what))),
    };
    let before = in_force.get(&sid).cloned();
    let base = store.look(&terms()).expect("as it was");
    assert!(base.is_empty());
    let after = after.map(Arc::new);
    let committed = store.commit(base.revision, &[(sid, after.clone())], &terms());
    let committed = committed.unwrap_or_else(|error| panic!("{sid}: {error} in\n{text}"));
    match &after {
        Some(token) => in_force.insert(sid, Arc::clone(token)),
        None => in_force.remove(&sid),
    };

    let now = std::fs::read_to_string(&*FILE).expect("written as UTF-8");
    Document::parse(&now)
        .expect("what is written is TOML")
        .says(in_force, &CATALOGUE);
    let was = Document::parse(text).expect("read before");
    match (&before, &after) {
        (None, _) => assert!(now.starts_with(text), "{text:?} became {now:?}"),
        (Some(_), None) => {
            let expected = was.without(&sid);
            let emptied =
                in_force.is_empty() && expected.trim_matches('\u{feff}').trim().is_empty();
            assert!(
                now == expected || emptied,
                "{text:?} became {now:?}, not {expected:?}"
            );
        }
        (Some(_), Some(_)) => {
            let (head, tail) = was.around(&sid);
            assert!(
                now.starts_with(head) && now.ends_with(tail),
                "{text:?} became {now:?}"
            );
        }
    }
    // The store knows its own writing, and a store that never saw it reads the same.
    let again = look(store).expect("what is written is good");
    assert!(again.is_empty() && again.revision == committed);
    let mut whole = Set::new();
    apply(
        &mut whole,
        look(&mut self::store()).expect("what is written is good"),
    );
    assert_eq!(*in_force, whole);
}

fn fresh(sid: Sid) -> Token {
    let mut token = Token::clone(&EXAMPLE);
    token.sid = sid;
    token
}

/// A token with a value for every key that has no default of its own.
static EXAMPLE: LazyLock<Token> = LazyLock::new(|| Token {
    sid: Sid::parse(b"-").expect("a SID"),
    digest: sidgate::token::Digest::parse(&format!("sha256:{}", "5a".repeat(32)))
        .expect("a digest"),
    state: State::Enabled,
    version: CATALOGUE.version_number("1"),
    scopes: CATALOGUE.scope_number("items:read").into_iter().collect(),
    account: None,
    texts: Box::new(sidgate::token::Texts {
        name: "A \"new\" token\u{e9}".into(),
        description: "of two\nlines, # and = [[token]] in them".into(),
        primary_contact: "a@example.com".into(),
        developer_emails: ["b@example.com".into(), "c@example.com".into()].into(),
        created_at: "2026-11-21T12:00:00Z".parse().ok(),
        updated_at: "2026-11-21T12:00:00.25Z".parse().ok(),
        sealed: None,
    }),
});

/// The token with some of its values exchanged for those of the example, or taken away.
fn edited(token: &Token, what: u8) -> Token {
    let mut token = token.clone();
    let texts = &mut token.texts;
    match what {
        1 => texts.name = EXAMPLE.texts.name.clone(),
        2 => texts.description = EXAMPLE.texts.description.clone(),
        3 => texts.description = "".into(),
        4 => token.scopes = EXAMPLE.scopes.clone(),
        5 => {
            token.scopes = sidgate::token::ScopeSet::default();
            texts.developer_emails = EXAMPLE.texts.developer_emails.clone();
        }
        6 => {
            token.digest = EXAMPLE.digest.clone();
            texts.sealed = None;
            texts.updated_at = EXAMPLE.texts.updated_at;
        }
        _ => {
            token.version = EXAMPLE.version;
            token.state = match token.state {
                State::Enabled => State::Disabled,
                State::Disabled => State::Enabled,
            };
        }
    }
    token
}
