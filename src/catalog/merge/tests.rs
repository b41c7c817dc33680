//! Imports onto catalogues that are there: what changes, what stays.

use proptest::prelude::*;

use super::testing::{draft, merged};
use super::*;

fn refused(text: &str, draft: &Draft) -> String {
    let faults = merge(Path::new("catalog.toml"), Some(text), draft).expect_err(text);
    faults.to_string()
}

fn changes(merge: &Merge) -> Vec<String> {
    merge.changes.iter().map(ToString::to_string).collect()
}

const ADS: &str = "  /ads:\n    get: {tags: [Ads]}\n    post: {tags: [Ads]}\n  /ads/{id}:\n    get: {tags: [Ads]}\n";

#[test]
fn the_same_again_changes_nothing() {
    for version in [None, Some("2")] {
        let draft = draft(ADS, version);
        let text = draft.render();
        let merge = merged(&text, &draft);
        assert_eq!(changes(&merge), [""; 0]);
        assert_eq!(merge.text, text);
        assert!(merge.notes.is_empty(), "{:?}", merge.notes);
    }
}

#[test]
fn lines_end_as_those_of_the_file_do() {
    let text = draft(ADS, None).render().replace('\n', "\r\n");
    let more = format!("{ADS}    put: {{tags: [Ads]}}\n  /new:\n    get: {{tags: [New]}}\n");
    let merge = merged(&text, &draft(&more, None));
    assert_eq!(changes(&merge).len(), 3);
    assert_eq!(merge.text.replace("\r\n", "").find(['\r', '\n']), None);
}

#[test]
fn a_layout_with_inline_tables_is_refused_by_name() {
    for text in [
        "category = [{name = 'Ads', scope = []}]\n",
        "[[category]]\nname = 'Ads'\nscope = [{id = 'ads:read', name = 'R', allow = ['GET /ads']}]\n",
    ] {
        let told = refused(text, &draft(ADS, None));
        assert!(told.contains("its layout cannot be edited"), "{told}");
    }
}

#[test]
fn where_there_is_nothing_the_draft_is_all() {
    let draft = draft(ADS, Some("2"));
    let file = Path::new("catalog.toml");
    let fresh = merge(file, None, &draft).expect("a catalogue");
    assert_eq!(fresh.text, draft.render());
    assert_eq!(
        changes(&fresh),
        [
            "+ version 2",
            "+ scope ads:read in Ads",
            "+ rule ads:read: GET /ads",
            "+ rule ads:read: GET /ads/{id}",
            "+ scope ads:write in Ads",
            "+ rule ads:write: POST /ads",
        ]
    );
    let blank = merged("# mine", &draft);
    assert_eq!(blank.text, format!("# mine\n{}", draft.render()));
}

#[test]
fn rules_and_scopes_come_and_go_and_are_told() {
    let text = draft(ADS, None).render();
    let next = draft(
        "  /ads:\n    get: {tags: [Ads]}\n  /ads/{name}:\n    get: {tags: [Ads]}\n    head: {tags: [Ads]}\n\
         \x20 /jobs:\n    get: {tags: [Jobs]}\n",
        None,
    );
    let merge = merged(&text, &next);
    assert_eq!(
        changes(&merge),
        [
            "+ scope jobs:read in Jobs",
            "+ rule jobs:read: GET /jobs",
            "+ rule ads:read: HEAD /ads/{name}",
            "- rule ads:write: POST /ads",
            "- scope ads:write: it stays, without rules",
        ]
    );
    // What is written is at peace with the documents, and back again with the earlier ones.
    assert_eq!(changes(&merged(&merge.text, &next)), [""; 0]);
    let back = merged(&merge.text, &draft(ADS, None));
    assert_eq!(
        changes(&back),
        [
            "- rule ads:read: HEAD /ads/{name}",
            "+ rule ads:write: POST /ads",
            "- rule jobs:read: GET /jobs",
            "- scope jobs:read: it stays, without rules",
        ]
    );
}

/// A catalogue that was imported and then written in by many hands.
fn by_hand() -> String {
    let text = draft(ADS, Some("2")).render();
    text.replace("# Change it", "# Ours. Change it")
        .replace(
            "name = \"Ads\"\n",
            "name = \"Adverts\" # as people say\nlimits = [\"10/hour\"]\n",
        )
        .replace(
            "    \"GET /ads\",\n",
            "    # first of all\n    \"GET /own\", # ours\n    { rule = \"GET /ads\", versions = [\"2\"] },  # kept\n",
        )
        .replace("Read Ads", "Look at adverts")
        .replace("id = \"ads:write\"", "id = \"adverts:change\"")
        + "\n[[category]]\nname = \"Mine\"\n[[category.scope]]\nid = \"mine\"\nallow = [\"GET /ads/x\"]\n"
}

#[test]
fn what_was_written_by_hand_stays() {
    let text = by_hand();
    let same = merged(&text, &draft(ADS, Some("2")));
    assert_eq!(changes(&same), [""; 0]);
    assert_eq!(same.text, text);
    assert_eq!(
        same.notes,
        ["what would be the scope `ads:write` is `adverts:change` here"]
    );

    let more =
        format!("{ADS}    put: {{tags: [Ads]}}\n  /ads/{{id}}/code:\n    get: {{tags: [Ads]}}\n");
    let merge = merged(&text, &draft(&more, Some("2")));
    assert_eq!(
        changes(&merge),
        [
            "+ rule ads:read: GET /ads/{id}/code",
            "+ rule adverts:change: PUT /ads/{id}",
        ]
    );
    let kept: Vec<&str> = merge
        .text
        .lines()
        .filter(|l| !l.starts_with("imported"))
        .collect();
    let mut lines = text.lines().filter(|l| !l.starts_with("imported"));
    assert!(lines.all(|line| kept.contains(&line)), "{}", merge.text);
    assert_eq!(merge.text.lines().count(), text.lines().count() + 2);
}

#[test]
fn a_rule_that_somebody_took_out_stays_out() {
    let text = draft(ADS, None)
        .render()
        .replace("    \"POST /ads\",\n", "");
    let merge = merged(&text, &draft(ADS, None));
    assert_eq!(changes(&merge), [""; 0]);
    assert_eq!(
        merge.notes,
        ["`POST /ads` was taken out of `ads:write` by hand, and stays out"]
    );
    assert_eq!(merge.text, text);
}

#[test]
fn a_rule_that_an_import_did_not_make_is_never_taken_out() {
    let text = draft(ADS, None)
        .render()
        .replace("\"GET /ads\"", "\"GET,HEAD /ads\"")
        .replace("imported = [\"", "# imported = [\"");
    let merge = merged(&text, &draft("  /x:\n    get: {tags: [Ads]}\n", None));
    assert_eq!(changes(&merge), ["+ rule ads:read: GET /x"]);
    // With its marks, a rule that was changed by hand stays as well.
    let text = text.replace("# imported", "imported");
    let merge = merged(&text, &draft("  /x:\n    get: {tags: [Ads]}\n", None));
    assert_eq!(
        changes(&merge),
        [
            "+ rule ads:read: GET /x",
            "- rule ads:read: GET /ads/{id}",
            "- rule ads:write: POST /ads",
            "- scope ads:write: it stays, without rules",
        ]
    );
}

#[test]
fn a_version_comes_and_rules_are_limited_to_those_that_have_them() {
    let text = draft(ADS, Some("16")).render();
    let older = draft(
        "  /ads:\n    get: {tags: [Ads]}\n  /old:\n    get: {tags: [Ads]}\n  /jobs:\n    get: {tags: [Jobs]}\n",
        Some("9"),
    );
    let merge = merged(&text, &older);
    assert_eq!(
        changes(&merge),
        [
            "+ version 9",
            "+ scope jobs:read in Jobs",
            "+ rule jobs:read: GET /jobs",
            "+ rule ads:read: GET /old",
            "~ rule ads:read: GET /ads/{id}: every version -> 16",
            "~ rule ads:write: POST /ads: every version -> 16",
        ]
    );
    let ids: Vec<_> = merge
        .after
        .versions
        .iter()
        .map(|v| v.id.to_string())
        .collect();
    assert_eq!(ids, ["16", "9"]);
    assert_eq!(
        merge.after.version(None).map(|v| &*v.id),
        Some("16"),
        "the latest stays"
    );
    for line in [
        "    \"GET /ads\",\n",
        "    { rule = \"GET /ads/{id}\", versions = [\"16\"] },\n",
        "    { rule = \"GET /old\", versions = [\"9\"] },\n",
        "    { rule = \"GET /jobs\", versions = [\"9\"] },\n",
    ] {
        assert!(merge.text.contains(line), "{line} in {}", merge.text);
    }
    // Neither version's documents find anything to change.
    for again in [&older, &draft(ADS, Some("16"))] {
        assert_eq!(changes(&merged(&merge.text, again)), [""; 0]);
    }
    // A rule that both have from now on is one for every version.
    let both = merged(
        &merge.text,
        &draft(
            &format!("{ADS}  /old:\n    get: {{tags: [Ads]}}\n"),
            Some("16"),
        ),
    );
    assert_eq!(
        changes(&both),
        ["~ rule ads:read: GET /old: 9 -> every version"]
    );
    // A newer one stands before them, and is not the latest until somebody says so.
    let newest = merged(&merge.text, &draft(ADS, Some("17")));
    let ids: Vec<_> = newest
        .after
        .versions
        .iter()
        .map(|v| v.id.to_string())
        .collect();
    assert_eq!(ids, ["17", "16", "9"]);
    assert_eq!(newest.after.version(None).map(|v| &*v.id), Some("16"));
    let middle = merged(&merge.text, &draft(ADS, Some("10")));
    let ids: Vec<_> = middle
        .after
        .versions
        .iter()
        .map(|v| v.id.to_string())
        .collect();
    assert_eq!(ids, ["16", "10", "9"]);
}

#[test]
fn what_was_imported_before_there_were_versions_says_nothing_of_one_that_comes() {
    let versions = "[versions]\nlatest = \"16\"\n[[versions.version]]\nid = \"16\"\n\n";
    let text = versions.to_owned() + &draft(ADS, None).render();
    let older = draft(
        "  /ads:\n    get: {tags: [Ads]}\n    post: {tags: [Ads]}\n",
        Some("15"),
    );
    let merge = merged(&text, &older);
    assert_eq!(merge.notes, [""; 0]);
    assert_eq!(
        changes(&merge),
        [
            "+ version 15",
            "~ rule ads:read: GET /ads/{id}: every version -> 16",
        ]
    );
    assert_eq!(changes(&merged(&merge.text, &older)), [""; 0]);
    // What 15 has from now on was never taken out of it.
    let more = merged(&merge.text, &draft(ADS, Some("15")));
    assert_eq!(more.notes, [""; 0]);
    assert_eq!(
        changes(&more),
        ["~ rule ads:read: GET /ads/{id}: 16 -> every version"]
    );
    // A rule that was taken out by hand stays out of the version that it was taken out of.
    let text = text.replace("    \"POST /ads\",\n", "");
    let merge = merged(&text, &draft(ADS, Some("16")));
    assert_eq!(
        merge.notes,
        ["`POST /ads` was taken out of `ads:write` by hand, and stays out"]
    );
}

#[test]
fn layouts_of_many_kinds_are_edited_or_refused_and_never_harmed() {
    let more = draft(&format!("{ADS}  /new:\n    get: {{tags: [Ads]}}\n"), None);
    let scope = |allow: &str| {
        format!(
            "[[category]]\nname = \"Ads\"\n[[category.scope]]\nid = \"ads:read\"\n{allow}\n# end\n"
        )
    };
    for (allow, then) in [
        (
            "allow = [\"GET /ads\", \"GET /ads/{id}\"]",
            "[\n    \"GET /ads\",\n    \"GET /ads/{id}\",\n    \"GET /new\",\n]",
        ),
        (
            "allow = []",
            "[\n    \"GET /ads\",\n    \"GET /ads/{id}\",\n    \"GET /new\",\n]",
        ),
        (
            "allow = [\n  \"GET /ads\",\n  \"GET /ads/{id}\" # last\n]",
            "[\n  \"GET /ads\",\n  \"GET /ads/{id}\", # last\n  \"GET /new\",\n]",
        ),
        (
            "",
            "[\n    \"GET /ads\",\n    \"GET /ads/{id}\",\n    \"GET /new\",\n]",
        ),
    ] {
        let merge = merged(&scope(allow), &more);
        assert!(
            merge.text.contains(&format!("allow = {then}")),
            "{}",
            merge.text
        );
        assert!(merge.text.contains("\n# end\n"), "{}", merge.text);
        assert_eq!(changes(&merged(&merge.text, &more)), [""; 0]);
    }
    let told = refused(&scope("allow = [ # why\n\"GET /ads\", \"GET /x\"]"), &more);
    assert_eq!(
        told,
        "catalog.toml:5:9: these rules cannot be edited: write one in a line"
    );
    let inline =
        "category = [{ name = \"Ads\", scope = [{ id = \"ads:read\", allow = [\"GET /x\"] }] }]\n";
    let told = refused(inline, &more);
    assert!(told.starts_with("catalog.toml:1:1: "), "{told}");
}

#[test]
fn what_does_not_fit_the_catalogue_is_refused() {
    let text = draft(ADS, None).render();
    let told = refused(&text, &draft(ADS, Some("2")));
    assert!(
        told.contains("it has no versions, so nothing can be said of version `2`"),
        "{told}"
    );
    let told = refused("x = 1\n", &draft(ADS, None));
    assert!(
        told.starts_with("catalog.toml:1:1: unknown key `x`"),
        "{told}"
    );
    // A rule of a hand where another has {sid}: both cannot hold.
    let hand = "[[category]]\nname = \"X\"\n[[category.scope]]\nid = \"x\"\nallow = [\"GET /ads/{sid}\"]\n";
    let told = refused(hand, &draft(ADS, None));
    assert!(
        told.contains("with what the documents say it would be refused: "),
        "{told}"
    );
}

#[test]
fn the_flags_of_a_rule_outlive_a_change_of_its_versions() {
    let text = draft(ADS, Some("2")).render().replace(
        "    \"GET /ads/{id}\",\n",
        "    { limit = \"slow\", upgrade = true, rule = \"GET /ads/{id}\" },\n",
    ) + "\n[[limits.group]]\nname = \"slow\"\nlimits = [\"1/hour\"]\n";
    let merge = merged(
        &text,
        &draft("  /ads:\n    get: {tags: [Ads]}\n", Some("1")),
    );
    let line =
        "    { rule = \"GET /ads/{id}\", upgrade = true, limit = \"slow\", versions = [\"2\"] },\n";
    assert!(merge.text.contains(line), "{}", merge.text);
}

/// Paths below one of three tags, as subsets of which documents are made.
fn paths(which: u16) -> String {
    let mut text = String::new();
    for at in 0..9 {
        if which & (1 << at) != 0 {
            let (path, method) = (
                ["/a", "/a/{x}", "/b/{x}/c"][at % 3],
                ["get", "put", "delete"][at / 3],
            );
            text.push_str(&format!(
                "  {path}/{at}:\n    {method}: {{tags: [T{}]}}\n",
                at % 2
            ));
        }
    }
    if text.is_empty() {
        text.push_str("  /z:\n    get: {}\n");
    }
    text
}

proptest! {
    /// From any documents to any other, by way of the file: what is written is what the
    /// documents say, imported again it changes nothing, and what is gained was told.
    #[test]
    fn an_import_ends_where_the_documents_are(first in 0_u16..512, second in 0_u16..512) {
        let (one, two) = (draft(&paths(first), None), draft(&paths(second), None));
        let merge = merged(&one.render(), &two);
        let again = merged(&merge.text, &two);
        prop_assert_eq!(&again.text, &merge.text);
        prop_assert!(again.changes.is_empty());
        let wanted: std::collections::BTreeSet<String> =
            two.scopes().flat_map(|(_, s)| s.rules.iter().map(|r| format!("{}: {r}", s.id))).collect();
        let found: std::collections::BTreeSet<String> = merge
            .after
            .categories
            .iter()
            .flat_map(|c| &c.scopes)
            .flat_map(|s| s.rules.iter().map(|r| format!("{}: {r}", s.id)))
            .collect();
        prop_assert_eq!(found, wanted);
    }
}
