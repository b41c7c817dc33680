use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::token::{Digest, ScopeId, State, Texts};

fn sid(number: usize) -> Sid {
    Sid::parse(format!("S{number}").as_bytes()).expect("a SID")
}

/// A token that is told from others of its SID by its scope.
fn token(number: usize, scope: u32) -> Arc<Token> {
    Arc::new(Token {
        sid: sid(number),
        digest: Digest::Sha256([0; 32]),
        state: State::Enabled,
        version: scope
            .is_multiple_of(2)
            .then(|| VersionId(u16::try_from(scope % 8).expect("small"))),
        scopes: [ScopeId(scope)].into_iter().collect(),
        account: None,
        texts: Box::new(Texts::default()),
    })
}

fn assert_holds(table: &TokenTable, model: &HashMap<Sid, Arc<Token>>) {
    assert_eq!(table.len(), model.len());
    assert_eq!(table.is_empty(), model.is_empty());
    for (sid, token) in model {
        let found = table.find(sid.as_bytes()).expect("a token of the model");
        assert!(Arc::ptr_eq(found, token), "{sid}");
    }
    let listed: HashMap<Sid, Arc<Token>> = table.iter().map(|t| (t.sid, Arc::clone(t))).collect();
    assert_eq!(table.iter().count(), model.len());
    assert_eq!(&listed, model);

    let mut in_use = InUse::default();
    for token in model.values() {
        in_use.scopes.union_with(&token.scopes);
        in_use.versions.extend(token.version);
    }
    in_use.versions.sort_unstable();
    in_use.versions.dedup();
    assert_eq!(table.in_use(), in_use);
}

#[test]
fn an_empty_table_has_nothing() {
    let table = TokenTable::default();
    assert!(table.find(b"S1").is_none());
    assert!(table.probe(b"S1").0.is_none());
    assert!(table.find(b"").is_none());
    assert_holds(&table, &HashMap::new());
}

#[test]
fn of_two_with_one_sid_the_later_stays() {
    let (first, second) = (token(1, 1), token(1, 2));
    let table = TokenTable::new([Arc::clone(&first), Arc::clone(&second)]);
    assert_holds(&table, &HashMap::from([(sid(1), Arc::clone(&second))]));
    let changes = [Some(second), None, Some(Arc::clone(&first))];
    let table = table.with(changes.into_iter().map(|token| (sid(1), token)));
    assert_holds(&table, &HashMap::from([(sid(1), first)]));
    let table = table.with([(sid(1), Some(token(1, 3))), (sid(1), None), (sid(2), None)]);
    assert_holds(&table, &HashMap::new());
}

#[test]
fn ten_thousand_are_found_after_each_growth() {
    let mut model = HashMap::new();
    let mut table = TokenTable::default();
    for from in (0..10_000).step_by(500) {
        let added: Vec<_> = (from..from + 500).map(|n| token(n, 1)).collect();
        table = table.with(added.iter().map(|t| (t.sid, Some(Arc::clone(t)))));
        model.extend(added.into_iter().map(|t| (t.sid, t)));
        assert_holds(&table, &model);
    }
    assert!(table.pages().all(|page| page.head().len <= PAGE_MAX));
    assert!(table.pages().count() >= 10_000 / PAGE_MAX);
    assert_holds(&TokenTable::new(model.values().cloned()), &model);
    for n in 10_000..11_000 {
        assert!(table.find(sid(n).as_bytes()).is_none());
    }
}

#[test]
fn a_change_copies_its_page_and_leaves_the_table_before_as_it_was() {
    let before = TokenTable::new((0..20_000).map(|n| token(n, 1)));
    let after = before.with([(sid(7), Some(token(7, 2))), (sid(20_001), None)]);
    let copied = after
        .directory
        .iter()
        .zip(before.directory.iter())
        .filter(|(a, b)| !Piece::ptr_eq(&a.0, &b.0))
        .count();
    assert!((1..=2).contains(&copied), "{copied} pages");
    let scope = |table: &TokenTable| table.find(b"S7").map(|token| token.scopes.clone());
    assert_ne!(scope(&before), scope(&after));
    assert_eq!(before.len(), after.len());
    let gone = after.with((0..20_000).map(|n| (sid(n), None)));
    assert_holds(&gone, &HashMap::new());
    assert_eq!(before.iter().count(), 20_000);
}

#[test]
fn an_unknown_sid_reads_some_other_token() {
    let table = TokenTable::new((0..5_000).map(|n| token(n, 1)));
    for n in 5_000..10_000 {
        let (other, known) = table.probe(sid(n).as_bytes());
        assert!(other.is_some() && !known, "{n}");
    }
}

#[test]
fn sids_whose_hashes_agree_are_told_apart() {
    let slot = |n| Slot {
        hash: 42,
        token: token(n, 1),
    };
    let page = Page::new((0..3).map(slot).collect(), 0);
    for n in 0..3 {
        let (found, known) = page.probe(42, sid(n).as_bytes());
        assert!(known && found.is_some_and(|t| t.sid == sid(n)), "{n}");
    }
    assert!(!page.probe(42, sid(3).as_bytes()).1);
    let take = Change {
        hash: 42,
        what: What::Take(Box::new(sid(1))),
    };
    let put = Change {
        hash: 42,
        what: What::Put(token(3, 1)),
    };
    let left: Vec<Sid> = merge(&page, vec![take, put])
        .iter()
        .map(|s| s.token.sid)
        .collect();
    assert_eq!(left.len(), 3);
    assert!([0, 2, 3].iter().all(|&n| left.contains(&sid(n))));
}

#[test]
fn debug_shows_no_token() {
    let table = TokenTable::new([token(1, 1)]);
    assert_eq!(format!("{table:?}"), "TokenTable(1 tokens)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Batches of puts and removals over few SIDs and over enough to split pages.
    #[test]
    fn it_is_a_map(
        start in 0..3_000_usize,
        batches in proptest::collection::vec(
            proptest::collection::vec((0..3_000_usize, any::<Option<u8>>()), 0..400), 0..8),
    ) {
        let mut model: HashMap<Sid, Arc<Token>> =
            (0..start).map(|n| (sid(n), token(n, 0))).collect();
        let mut table = TokenTable::new(model.values().cloned());
        for batch in batches {
            let changes: Vec<_> = batch
                .into_iter()
                .map(|(n, put)| (sid(n), put.map(|scope| token(n, scope.into()))))
                .collect();
            table = table.with(changes.clone());
            for (sid, change) in changes {
                match change {
                    Some(token) => model.insert(sid, token),
                    None => model.remove(&sid),
                };
            }
            assert_holds(&table, &model);
        }
    }
}
