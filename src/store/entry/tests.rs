use proptest::prelude::*;

use super::*;
use crate::store::testing::{DIGEST, block, catalog};

fn parsed(block: &str) -> Result<Token, Vec<Flaw>> {
    let catalog = catalog();
    let terms = Terms {
        catalog: Some(&catalog),
        hmac: false,
    };
    parse(block, &terms)
}

/// Each flaw as the text that stands at its place, and its message.
fn flaws(block: &str) -> Vec<(String, String)> {
    let found = parsed(block).expect_err("flaws");
    let at = |flaw: Flaw| {
        let rest = block[flaw.offset..].split_whitespace().next();
        (rest.unwrap_or_default().to_owned(), flaw.message)
    };
    found.into_iter().map(at).collect()
}

/// A whole block of which these lines are the changed part.
fn with(lines: &str) -> String {
    format!("[[token]]\nsid = \"A\"\nname = \"n\"\ndigest = \"{DIGEST}\"\n{lines}\n")
}

fn only_flaw(lines: &str) -> (String, String) {
    let mut found = flaws(&with(lines));
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn every_key_is_read() {
    let token = parsed(&format!(
        r#"# above
[[token]]
sid = "IRa7"
name = "Reporting"
description = """
two
lines"""
api_version = "1"
primary_contact = "dana@example.com"
developer_emails = ["a@example.com", "b@example.com"]
scopes = ["items:read", "events:read", "items:read"]
state = "disabled"
account = "ACME.1"
created_at = 2026-11-21T12:00:00Z
updated_at = 2026-11-21T14:00:00.5+02:00
sealed = "k1:abc"
digest = "{DIGEST}"
"#
    ))
    .expect("a token");
    let catalog = catalog();
    assert_eq!(token.sid.as_str(), "IRa7");
    assert_eq!(&*token.texts.name, "Reporting");
    assert_eq!(&*token.texts.description, "two\nlines");
    assert_eq!(token.version, catalog.version_number("1"));
    assert_eq!(&*token.texts.primary_contact, "dana@example.com");
    assert_eq!(token.texts.developer_emails.len(), 2);
    let scopes = ["items:read", "events:read"].map(|id| catalog.scope_number(id));
    assert_eq!(token.scopes, scopes.into_iter().flatten().collect());
    assert_eq!(token.state, State::Disabled);
    assert_eq!(token.account.as_deref().map(Sid::as_str), Some("ACME.1"));
    let at = |text: &str| text.parse::<Timestamp>().ok();
    assert_eq!(token.texts.created_at, at("2026-11-21T12:00:00Z"));
    assert_eq!(token.texts.updated_at, at("2026-11-21T12:00:00.5Z"));
    assert_eq!(token.texts.sealed.as_deref(), Some("k1:abc"));
}

#[test]
fn three_keys_are_enough() {
    let token = parsed(&with("")).expect("a token");
    assert_eq!(token.state, State::Enabled);
    assert_eq!(token.version, None);
    assert!(token.scopes.is_empty() && token.account.is_none());
    assert_eq!(token.texts.created_at, None);
    assert!(token.texts.developer_emails.is_empty());
}

#[test]
fn all_flaws_are_told_in_order() {
    let found = flaws(
        "[[token]]\nname = \"\"\nscopes = [\"items:read\", \"no:such\", 7]\nstate = \"on\"\nfoo = 1\n",
    );
    let expected = [
        ("[[token]]", "the token has no `sid`"),
        ("[[token]]", "the token has no `digest`"),
        ("\"\"", "a name has 1 to 128 characters"),
        ("\"no:such\",", "the catalogue has no scope \"no:such\""),
        ("7]", "this must be a string"),
        ("\"on\"", "a state is \"enabled\" or \"disabled\""),
        ("foo", "unknown key \"foo\""),
    ];
    let found: Vec<_> = found
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn each_key_is_checked() {
    for (lines, place) in [
        ("api_version = \"9\"", "\"9\""),
        ("api_version = 2", "2"),
        ("account = \"a b\"", "\"a"),
        ("primary_contact = \"dana\"", "\"dana\""),
        ("developer_emails = [\"a@b\", \"c\"]", "\"c\"]"),
        ("developer_emails = \"a@b\"", "\"a@b\""),
        (
            "created_at = \"2026-11-21T12:00:00Z\"",
            "\"2026-11-21T12:00:00Z\"",
        ),
        ("created_at = 2026-11-21T12:00:00", "2026-11-21T12:00:00"),
        ("updated_at = 2026-11-21", "2026-11-21"),
        ("sealed = true", "true"),
        ("[token.extra]", "extra]"),
        ("[other]", "other]"),
        ("sid = \"B\"", "sid"),
        ("description = \"\\u0000\"", "\"\\u0000\""),
    ] {
        assert_eq!(only_flaw(lines).0, place, "{lines}");
    }
    let long = format!("description = \"{}\"", "x".repeat(1_025));
    assert!(only_flaw(&long).1.contains("1024"));
}

#[test]
fn an_empty_contact_is_none() {
    assert!(parsed(&with("primary_contact = \"\"\ndeveloper_emails = []")).is_ok());
}

#[test]
fn hmac_needs_its_key() {
    let block = with("").replace("sha256:", "hmac-sha256:");
    let found = parsed(&block).expect_err("no key");
    assert!(found[0].message.contains("hmac_key_file"), "{found:?}");
    let catalog = catalog();
    let terms = Terms {
        catalog: Some(&catalog),
        hmac: true,
    };
    let token = parse(&block, &terms).expect("a key");
    assert!(fits(&token, &terms));
    assert!(!fits(
        &token,
        &Terms {
            hmac: false,
            ..terms
        }
    ));
}

#[test]
fn names_are_not_judged_without_a_catalogue() {
    let terms = Terms {
        catalog: None,
        hmac: false,
    };
    assert!(parse(&with("scopes = [\"no:such\"]\napi_version = \"9\""), &terms).is_ok());
    assert!(parse(&with("scopes = [1]"), &terms).is_err());
}

#[test]
fn no_message_repeats_a_secret() {
    let secret = "sgt_4Zx0Qv7Lr2Mn9Pd5Ks8Wt1Yb3Hc6Jf_aB3dE";
    for block in [
        with(&format!("digest2 = \"{secret}\"")),
        with(secret),
        with(&format!("{secret} = 1")),
        with(&format!("\"{secret}\" = 1")),
        with(&format!("state = \"{secret}\"")),
        with(&format!("account = \"{secret} \"")),
        with(&format!("created_at = {secret}")),
        with(&format!("sealed = {secret}")),
        with("").replace(DIGEST, secret),
        with("").replace(DIGEST, &format!("sha256:{secret}")),
        with("").replace(&format!("\"{DIGEST}\""), secret),
        with("").replace(&format!("\"{DIGEST}\""), &format!("\"{secret}")),
        with("").replace(&format!("\"{DIGEST}\""), &format!("[\"{secret}\"]")),
    ] {
        for flaw in parsed(&block).expect_err("a flaw") {
            assert!(!flaw.message.contains(&secret[4..20]), "{flaw:?}");
        }
    }
    let digest = with("").replace("sha256:9", "sha256:x");
    for flaw in parsed(&digest).expect_err("a flaw") {
        assert!(!flaw.message.contains("f86d08"), "{flaw:?}");
    }
}

#[test]
fn odd_headers_are_refused() {
    for (block, place) in [
        ("[token]\nsid = \"A\"", "token]"),
        ("token = [{ sid = \"A\" }, { sid = \"B\" }]", "token"),
        (
            "[[\"tok\\u0065n\"]]\nsid = \"A\"\n[[token]]\n",
            "\"tok\\u0065n\"]]",
        ),
        ("token = [1]", "1]"),
    ] {
        assert_eq!(flaws(block)[0].0, place, "{block}");
    }
}

#[test]
fn the_place_of_a_sid_is_found() {
    let text = block("A", "");
    assert!(text[sid_offset(&text)..].starts_with("\"A\""));
    assert_eq!(sid_offset("= nonsense"), 0);
}

proptest! {
    /// No text makes the reader panic, and a flaw lies within the text.
    #[test]
    fn any_text_is_a_token_or_has_flaws(text in "(\\[\\[token\\]\\]\n|sid = |name = |digest = |scopes = |\"|'|\\[|\\]|[a-z=,.{}#\n é]|2026-11-21T12:00:00Z|\"A\"\n){0,24}") {
        if let Err(flaws) = parsed(&text) {
            prop_assert!(!flaws.is_empty());
            prop_assert!(flaws.iter().all(|flaw| flaw.offset <= text.len()));
        }
    }
}
