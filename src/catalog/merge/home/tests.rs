use std::path::Path;

use proptest::prelude::*;

use super::super::super::openapi::{Document, Granularity, Options, import};
use super::super::Merge;
use super::super::testing::merged;
use super::*;

fn options(granularity: Granularity) -> Options {
    Options {
        granularity,
        ..Options::default()
    }
}

/// A draft of operations, each `tag path`, with the path as `operationId` too.
fn drafted(operations: &[(&str, &str)], granularity: Granularity) -> Draft {
    let mut text = "openapi: 3.0.0\npaths:\n".to_owned();
    for (tag, path) in operations {
        text.push_str(&format!(
            "  /{path}:\n    get: {{tags: ['{tag}'], operationId: '{path}'}}\n"
        ));
    }
    let document = Document {
        file: Path::new("api.yaml"),
        text: &text,
    };
    import(&[document], &options(granularity))
        .expect(&text)
        .draft
}

fn draft(operations: &[(&str, &str)]) -> Draft {
    drafted(operations, Granularity::Access)
}

/// `category/scope: rules` for each scope that has rules.
fn scopes(merge: &Merge) -> Vec<String> {
    let mut scopes = Vec::new();
    for category in &merge.after.categories {
        for scope in category.scopes.iter().filter(|s| !s.rules.is_empty()) {
            let rules: Vec<&str> = scope
                .rules
                .iter()
                .map(|r| r.trim_start_matches("GET "))
                .collect();
            scopes.push(format!(
                "{}/{}: {}",
                category.name,
                scope.id,
                rules.join(" ")
            ));
        }
    }
    scopes
}

const BOTH: [(&str, &str); 4] = [("C++", "p1"), ("C++", "p2"), ("C#", "s1"), ("C#", "s2")];

#[test]
fn of_two_names_with_one_slug_each_keeps_its_id() {
    let text = draft(&BOTH).render();
    assert!(
        text.contains("id = \"c:read\"\nname = \"Read C#\"\n"),
        "{text}"
    );
    assert!(
        text.contains("id = \"c-2:read\"\nname = \"Read C++\"\n"),
        "{text}"
    );
    // The one that had `c` goes.
    let gone = merged(
        &text,
        &draft(&[("C++", "p1"), ("C++", "p2"), ("C++", "p3")]),
    );
    assert_eq!(scopes(&gone), ["C++/c-2:read: /p1 /p2 /p3"]);
    assert!(gone.text.contains("id = \"c:read\""), "{}", gone.text);
    // And comes again, with other operations.
    let back = merged(
        &gone.text,
        &draft(&[("C#", "s7"), ("C++", "p1"), ("C++", "p2")]),
    );
    assert_eq!(scopes(&back), ["C#/c:read: /s7", "C++/c-2:read: /p1 /p2"]);
    // All operations of both are others.
    let other = merged(&text, &draft(&[("C++", "p8"), ("C#", "s8")]));
    assert_eq!(scopes(&other), ["C#/c:read: /s8", "C++/c-2:read: /p8"]);
    // Of one alone too.
    let other = merged(&text, &draft(&[("C++", "p8")]));
    assert_eq!(scopes(&other), ["C++/c-2:read: /p8"]);
}

#[test]
fn a_name_that_comes_does_not_take_the_id_of_another() {
    let text = draft(&[("C++", "p1")]).render();
    assert!(text.contains("id = \"c:read\""), "{text}");
    let both = merged(&text, &draft(&BOTH));
    assert_eq!(
        scopes(&both),
        ["C++/c:read: /p1 /p2", "C#/c-2:read: /s1 /s2"]
    );
    assert_eq!(
        both.notes,
        [
            "what would be the scope `c-2:read` is `c:read` here",
            "`c:read` is another scope here, and this one is `c-2:read`",
        ]
    );
    assert_eq!(merged(&both.text, &draft(&BOTH)).text, both.text);
    // It comes in place of the other.
    let instead = merged(&text, &draft(&[("C#", "s1")]));
    assert_eq!(scopes(&instead), ["C#/c-2:read: /s1"]);
    // A scope for writing stands beside the one for reading.
    let mut both = draft(&BOTH);
    for category in &mut both.categories {
        let mut write = category.scopes[0].clone();
        write.id = write.id.replace("read", "write");
        for rule in &mut write.rules {
            rule.method = http::Method::PUT;
        }
        category.scopes.push(write);
    }
    let merge = merged(&text, &both);
    let ids: Vec<String> = merge
        .after
        .categories
        .iter()
        .flat_map(|c| c.scopes.iter().map(|s| format!("{}/{}", c.name, s.id)))
        .collect();
    assert_eq!(
        ids,
        ["C++/c:read", "C++/c:write", "C#/c-2:read", "C#/c-2:write"]
    );
}

#[test]
fn a_tag_that_is_called_otherwise_keeps_its_scope() {
    let text = draft(&[("Ads", "a1"), ("Ads", "a2"), ("Jobs", "j1")]).render();
    let merge = merged(
        &text,
        &draft(&[
            ("Adverts", "a1"),
            ("Adverts", "a2"),
            ("Adverts", "a3"),
            ("Jobs", "j1"),
        ]),
    );
    assert_eq!(
        scopes(&merge),
        ["Ads/ads:read: /a1 /a2 /a3", "Jobs/jobs:read: /j1"]
    );
    // Two that change their names with each other are known by their operations.
    let merge = merged(
        &text,
        &draft(&[("Jobs", "a1"), ("Jobs", "a2"), ("Ads", "j1")]),
    );
    assert_eq!(
        scopes(&merge),
        ["Ads/ads:read: /a1 /a2", "Jobs/jobs:read: /j1"]
    );
}

#[test]
fn a_tag_that_is_split_leaves_its_scope_to_who_has_its_name() {
    let all = [
        ("Ads", "a1"),
        ("Ads", "a2"),
        ("Ads", "a3"),
        ("Ads", "a4"),
        ("Ads", "a5"),
    ];
    let text = draft(&all).render();
    let split = [
        ("Ads", "a1"),
        ("Banners", "a2"),
        ("Banners", "a3"),
        ("Banners", "a4"),
        ("Banners", "a5"),
    ];
    let merge = merged(&text, &draft(&split));
    assert_eq!(
        scopes(&merge),
        ["Ads/ads:read: /a1", "Banners/banners:read: /a2 /a3 /a4 /a5"]
    );
    // Where nobody has its name, to the larger half; the other is nobody's yet.
    let split = [
        ("New", "a1"),
        ("Banners", "a2"),
        ("Banners", "a3"),
        ("Banners", "a4"),
        ("Banners", "a5"),
    ];
    let merge = merged(&text, &draft(&split));
    assert_eq!(
        scopes(&merge),
        ["Ads/ads:read: /a2 /a3 /a4 /a5", "New/new:read: /a1"]
    );
    // Two that become one under a new name: neither's holders gain what was the other's.
    let text = draft(&[("A", "a1"), ("B", "b1")]).render();
    let merge = merged(&text, &draft(&[("Both", "a1"), ("Both", "b1")]));
    assert_eq!(scopes(&merge), ["Both/both:read: /a1 /b1"]);
}

#[test]
fn a_category_that_was_edited_by_hand_stays_as_it_is() {
    let text = draft(&BOTH)
        .render()
        .replace("name = \"C#\"", "name = \"Sharp\"");
    let merge = merged(
        &text,
        &draft(&[("C++", "p1"), ("C#", "s1"), ("C#", "s2"), ("C#", "s3")]),
    );
    assert_eq!(
        scopes(&merge),
        ["Sharp/c:read: /s1 /s2 /s3", "C++/c-2:read: /p1"]
    );
    // Only the id is left to know it by.
    let merge = merged(&text, &draft(&[("C++", "p1"), ("C#", "s9")]));
    assert_eq!(scopes(&merge), ["Sharp/c:read: /s9", "C++/c-2:read: /p1"]);
    // Both in one category, the one with another id.
    let text = draft(&BOTH).render();
    let text = text
        .replace("\n[[category]]\nname = \"C++\"\n", "")
        .replace("name = \"C#\"", "name = \"Languages\"")
        .replace("id = \"c-2:read\"", "id = \"plus\"");
    let merge = merged(
        &text,
        &draft(&[("C++", "p1"), ("C++", "p2"), ("C++", "p3")]),
    );
    assert_eq!(scopes(&merge), ["Languages/plus: /p1 /p2 /p3"]);
    // A scope of a hand, which no import has marked, is known by its id.
    let hand = "[[category]]\nname = \"Mine\"\n[[category.scope]]\nid = \"ads:read\"\nallow = [\n    \"GET /x\",\n]\n";
    let merge = merged(hand, &draft(&[("Ads", "a1")]));
    assert_eq!(scopes(&merge), ["Mine/ads:read: /x /a1"]);
}

#[test]
fn operations_that_are_called_otherwise_keep_their_scopes() {
    let one = drafted(&[("T", "a"), ("T", "b")], Granularity::Operation);
    let text = one.render();
    let mut other = one.clone();
    let scopes_of = &mut other.categories[0].scopes;
    (scopes_of[0].id, scopes_of[1].id) = ("b".to_owned(), "a".to_owned());
    let merge = merged(&text, &other);
    assert_eq!(scopes(&merge), ["T/a: /a", "T/b: /b"]);
    // One goes, and another operation has its id.
    let mut third = one.clone();
    third.categories[0].scopes[1].id = "c".to_owned();
    let new = drafted(&[("T", "b"), ("T", "x")], Granularity::Operation);
    third.categories[0].scopes[0] = new.categories[0].scopes[1].clone();
    third.categories[0].scopes[0].id = "b".to_owned();
    let merge = merged(&text, &third);
    assert_eq!(scopes(&merge), ["T/b: /b", "T/b-2: /x"]);
}

#[test]
fn another_granularity_makes_other_scopes() {
    let operations = [("T", "a"), ("T", "b"), ("T", "c")];
    for count in 2..=3 {
        let one = drafted(&operations[..count], Granularity::Operation);
        let all = drafted(&operations[..count], Granularity::Access);
        let each: Vec<String> = operations[..count]
            .iter()
            .map(|(_, path)| format!("T/{path}: /{path}"))
            .collect();
        let paths = ["/a /b", "/a /b /c"][count - 2];
        // Who held the category holds no operation of it, and the other way round.
        let mut merge = merged(&all.render(), &one);
        assert_eq!(scopes(&merge), each);
        merge = merged(&merge.text, &all);
        assert_eq!(scopes(&merge), [format!("T/t:read: {paths}")]);
        merge = merged(&merge.text, &one);
        assert_eq!(scopes(&merge), each);
        let merge = merged(&one.render(), &all);
        assert_eq!(scopes(&merge), [format!("T/t:read: {paths}")]);
    }
    // One operation that is all of its category is the same right.
    let operations = &operations[..1];
    let one = drafted(operations, Granularity::Operation).render();
    let merge = merged(&one, &drafted(operations, Granularity::Access));
    assert_eq!(scopes(&merge), ["T/a: /a"]);
}

const TAGS: [&str; 4] = ["C++", "C#", "c", "C!"];

/// Two operations of each tag that is among these bits.
fn subset(bits: u8) -> Draft {
    let names = ["p", "s", "c", "x"];
    let mut operations = Vec::new();
    let mut paths: Vec<String> = Vec::new();
    for at in 0..8 {
        if bits & (1 << at) != 0 {
            paths.push(format!("{}{}", names[at / 2], at % 2));
        }
    }
    for path in &paths {
        let tag = names.iter().position(|name| path.starts_with(name));
        operations.push((TAGS[tag.expect("a name")], path.as_str()));
    }
    draft(&operations)
}

/// Each of 8 operations under one of the tags, or gone.
fn mixed(tags: &[Option<usize>]) -> Draft {
    let paths: Vec<String> = (0..tags.len()).map(|at| format!("o{at}")).collect();
    let tagged = tags.iter().zip(&paths);
    let tagged = tagged.filter_map(|(tag, path)| Some((*TAGS.get((*tag)?)?, path.as_str())));
    let mut operations: Vec<_> = tagged.collect();
    if operations.is_empty() {
        operations.push(("Z", "z"));
    }
    draft(&operations)
}

proptest! {
    // Each case is several imports.
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever was there, the same documents again change nothing.
    #[test]
    fn a_second_import_of_the_same_changes_nothing(
        imports in prop::collection::vec(prop::collection::vec(prop::option::of(0_usize..4), 8), 2..5),
    ) {
        let mut text = "# Nothing yet.\n".to_owned();
        for tags in imports {
            let draft = mixed(&tags);
            text = merged(&text, &draft).text;
            let again = merged(&text, &draft);
            prop_assert_eq!(&again.text, &text);
            prop_assert!(again.changes.is_empty());
        }
    }

    /// However documents come and go, a scope has only ever operations of one tag.
    #[test]
    fn a_scope_is_of_one_tag_for_ever(imports in prop::collection::vec(1_u8..=255, 2..6)) {
        let mut of: BTreeMap<String, char> = BTreeMap::new();
        let mut text = "# Nothing yet.\n".to_owned();
        for bits in imports {
            let merge = merged(&text, &subset(bits));
            for scope in merge.after.categories.iter().flat_map(|c| &c.scopes) {
                for rule in &scope.rules {
                    let tag = rule.chars().nth(5).expect("a path");
                    let first = of.entry(scope.id.to_string()).or_insert(tag);
                    prop_assert_eq!(*first, tag, "{}", merge.text);
                }
            }
            text = merge.text;
        }
    }
}
