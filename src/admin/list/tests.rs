use std::collections::BTreeSet;

use jiff::ToSpan;
use proptest::prelude::*;

use super::*;
use crate::catalog::Catalog;
use crate::snapshot::{Revision, TokenTable};
use crate::token::{Digest, ScopeSet, Texts};

const NOW: &str = "2026-11-21T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().expect("a time")
}

fn token(sid: &str, name: &str, days: Option<i64>, state: State) -> Arc<Token> {
    Arc::new(Token {
        sid: Sid::parse(sid.as_bytes()).expect("a SID"),
        digest: Digest::Sha256([1; 32]),
        state,
        version: None,
        scopes: ScopeSet::default(),
        account: None,
        texts: Box::new(Texts {
            name: name.into(),
            created_at: days.map(|days| now() - (24 * days).hours()),
            ..Texts::default()
        }),
    })
}

fn snapshot(tokens: impl IntoIterator<Item = Arc<Token>>) -> Snapshot {
    Snapshot {
        revision: Revision(1),
        tokens: TokenTable::new(tokens),
        catalog: Arc::new(Catalog::default()),
    }
}

fn sids(page: &serde_json::Value) -> Vec<String> {
    let tokens = page["tokens"].as_array().expect("a list");
    let sid = |token: &serde_json::Value| token["sid"].as_str().expect("a text").to_owned();
    tokens.iter().map(sid).collect()
}

fn ask(snapshot: &Snapshot, query: &str) -> Result<serde_json::Value, Problem> {
    let listing = Listing::parse(Some(query), now())?;
    Ok(serde_json::to_value(listing.page(snapshot)).expect("JSON"))
}

#[test]
fn filters_are_those_of_the_screens() {
    let snapshot = snapshot([
        token("today", "Reporting", Some(0), State::Enabled),
        token("week", "Ärger-Report", Some(7), State::Disabled),
        token("month", "other", Some(30), State::Enabled),
        token("old", "reports", Some(31), State::Enabled),
        token("ageless", "Import", None, State::Disabled),
    ]);
    for (query, expected) in [
        ("", &["today", "week", "month", "old", "ageless"][..]),
        ("name=REPORT", &["today", "week", "old"]),
        ("name=%C3%A4rger", &["week"]),
        ("name=", &["today", "week", "month", "old", "ageless"]),
        ("created=last-7-days", &["today", "week"]),
        ("created=last-30-days", &["today", "week", "month"]),
        ("created=over-30-days", &["old", "ageless"]),
        ("state=enabled", &["today", "month", "old"]),
        ("state=disabled&created=over-30-days", &["ageless"]),
        ("name=nothing", &[]),
    ] {
        let page = ask(&snapshot, query).expect("sound");
        assert_eq!(sids(&page), expected, "{query}");
        assert_eq!(page["total"], expected.len(), "{query}");
        assert!(page["next_cursor"].is_null());
    }
}

#[test]
fn pages_follow_each_other() {
    let days = 0..250;
    let tokens = days.map(|n| token(&format!("t{n:03}"), "x", Some(n % 50), State::Enabled));
    let snapshot = snapshot(tokens);
    let mut seen = Vec::new();
    let mut query = "limit=100".to_owned();
    loop {
        let page = ask(&snapshot, &query).expect("sound");
        assert_eq!(page["total"], 250);
        seen.extend(sids(&page));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        query = format!("limit=100&cursor={cursor}");
    }
    assert_eq!(seen.len(), 250);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 250);
    assert_eq!(seen.first().map(String::as_str), Some("t000"));
    assert_eq!(seen.last().map(String::as_str), Some("t249"));
}

#[test]
fn bad_parameters_are_told_together() {
    let snapshot = snapshot([]);
    let query = "created=yesterday&state=gone&limit=1001&cursor=x&page=2";
    let Err(Problem::InvalidFields(faults)) = ask(&snapshot, query) else {
        panic!("there are faults");
    };
    let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
    assert_eq!(fields, ["created", "state", "limit", "cursor", "page"]);
}

#[test]
fn a_cursor_belongs_to_its_query() {
    let tokens = (0..3).map(|n| token(&format!("t{n}"), "x", Some(n), State::Enabled));
    let snapshot = snapshot(tokens);
    let page = ask(&snapshot, "name=X&limit=1").expect("sound");
    let cursor = page["next_cursor"].as_str().expect("more");
    let next = ask(&snapshot, &format!("cursor={cursor}&limit=2&name=x"));
    assert_eq!(sids(&next.expect("the same filter")), ["t1", "t2"]);
    for query in ["name=y", "name=x&state=enabled", "", "created=last-7-days"] {
        let answer = ask(&snapshot, &format!("{query}&cursor={cursor}"));
        assert_eq!(answer, Err(Problem::CursorMismatch), "{query}");
    }
    let invented = "A".repeat(60);
    let answer = ask(&snapshot, &format!("cursor={invented}"));
    assert_eq!(answer, Err(Problem::CursorMismatch));
}

proptest! {
    /// Whatever comes and goes between two pages, what stays is listed exactly once.
    #[test]
    fn what_stays_is_listed_once(
        stay in proptest::collection::btree_map("[a-z]{1,3}", proptest::option::of(0i64..60), 0..40),
        come in proptest::collection::btree_map("[A-Z]{1,3}", proptest::option::of(0i64..60), 0..40),
        limit in 1usize..12,
    ) {
        let make = |(sid, days): (&String, &Option<i64>)| token(sid, "x", *days, State::Enabled);
        let mut table = snapshot(stay.iter().map(make));
        let mut query = format!("limit={limit}");
        let mut seen = Vec::new();
        let mut changes = come.iter().map(make);
        loop {
            let page = ask(&table, &query).expect("sound");
            seen.extend(sids(&page));
            // Some come, and some of those go again.
            for token in changes.by_ref().take(3) {
                table.tokens = table.tokens.with([(token.sid, Some(token))]);
            }
            if let Some(gone) = come.keys().next() {
                let sid = Sid::parse(gone.as_bytes()).expect("a SID");
                table.tokens = table.tokens.with([(sid, None)]);
            }
            let Some(cursor) = page["next_cursor"].as_str() else {
                break;
            };
            query = format!("limit={limit}&cursor={cursor}");
        }
        let unique: BTreeSet<_> = seen.iter().cloned().collect();
        prop_assert_eq!(unique.len(), seen.len(), "a token came twice");
        prop_assert!(stay.keys().all(|sid| unique.contains(sid)), "a token was left out");
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written(
        filter: [u8; 8], at in -1_000_000_000_000i128..4_000_000_000_000_000_000,
        created: Option<i64>, sid in "[A-Za-z0-9._~-]{1,64}",
    ) {
        let cursor = Cursor {
            filter,
            now: Timestamp::from_nanosecond(at).expect("in range"),
            last: (Reverse(created.map(i128::from)), Sid::parse(sid.as_bytes()).expect("a SID")),
        };
        let text = cursor.encode();
        prop_assert!(Cursor::is_formed(&text));
        prop_assert_eq!(Cursor::decode(&text), Some(cursor));
    }

    #[test]
    fn any_text_is_a_cursor_or_not(text in "\\PC*") {
        let _ = Cursor::decode(&text);
    }
}
