//! What becomes of documents as a whole: which rules, in which scopes, and what is told.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

mod bad;
mod named;
mod real;

fn options() -> Options {
    Options::default()
}

fn run(texts: &[(&str, &str)], options: &Options) -> Result<Import, Faults> {
    let documents: Vec<Document<'_>> = texts
        .iter()
        .map(|(file, text)| Document {
            file: Path::new(file),
            text,
        })
        .collect();
    import(&documents, options)
}

/// A document with these paths, as the YAML below `paths:`.
fn document(paths: &str) -> String {
    format!("openapi: 3.0.3\ninfo: {{title: Some API, version: '1'}}\npaths:\n{paths}")
}

fn one(paths: &str, options: &Options) -> Import {
    let text = document(paths);
    run(&[("a.yaml", &text)], options).unwrap_or_else(|faults| panic!("{faults}\n{text}"))
}

/// `scope: rule` for every rule of a draft.
fn rules(import: &Import) -> Vec<String> {
    let scopes = import.draft.scopes();
    scopes
        .flat_map(|(_, scope)| {
            scope
                .rules
                .iter()
                .map(move |r| format!("{}: {r}", scope.id))
        })
        .collect()
}

fn warnings(import: &Import) -> Vec<String> {
    import.warnings.iter().map(ToString::to_string).collect()
}

/// The one warning, which holds all of these parts.
fn warned(import: &Import, parts: &[&str]) {
    let told = warnings(import);
    let fits = |told: &&String| parts.iter().all(|part| told.contains(part));
    assert_eq!(
        told.iter().filter(fits).count(),
        1,
        "{parts:?} in {told:#?}"
    );
}

#[test]
fn operations_become_rules_of_a_reading_and_a_writing_scope() {
    let import = one(
        "  /ads:\n    get: {tags: [Ads]}\n    post: {tags: [Ads, More]}\n    head: {tags: [Ads]}\n\
         \x20 /ads/{id}:\n    parameters: [{name: id, in: path}]\n    delete: {tags: [Ads]}\n    options: {tags: [Ads]}\n",
        &options(),
    );
    assert_eq!(
        rules(&import),
        [
            "ads:read: GET /ads",
            "ads:read: HEAD /ads",
            "ads:read: OPTIONS /ads/{id}",
            "ads:write: POST /ads",
            "ads:write: DELETE /ads/{id}",
        ]
    );
    assert!(import.warnings.is_empty(), "{:?}", import.warnings);
    let names: Vec<_> = import
        .draft
        .scopes()
        .map(|(c, s)| (&*c.name, &*s.name))
        .collect();
    assert_eq!(names, [("Ads", "Read Ads"), ("Ads", "Change Ads")]);
}

#[test]
fn a_category_is_the_tag_or_the_first_literal_or_the_title() {
    let import = one(
        "  /a/b:\n    get: {tags: [Tagged]}\n  /{x}/PromoCodes:\n    get: {}\n\
         \x20 /{x}:\n    get: {tags: []}\n  /c:\n    get: {tags: ['']}\n",
        &options(),
    );
    assert_eq!(
        rules(&import),
        [
            "c:read: GET /c",
            "promo-codes:read: GET /{x}/PromoCodes",
            "some-api:read: GET /{x}",
            "tagged:read: GET /a/b",
        ]
    );
}

#[test]
fn the_literal_is_looked_for_after_the_base_path() {
    let text =
        "openapi: 3.1.0\nservers: [{url: 'https://h.example/v1/'}]\npaths: {/things: {get: {}}}";
    let import = run(&[("a", text)], &options()).expect("an import");
    assert_eq!(rules(&import), ["things:read: GET /v1/things"]);
}

#[test]
fn spellings_of_one_tag_are_one_category_and_others_are_told_apart() {
    let import = one(
        "  /a:\n    get: {tags: [Click Export]}\n    put: {tags: [ClickExport]}\n\
         \x20   post: {tags: [ClickExport]}\n  /b:\n    get: {tags: [C++]}\n  /c:\n    get: {tags: ['C#']}\n\
         \x20 /d:\n    get: {tags: [Größe]}\n",
        &options(),
    );
    assert_eq!(
        rules(&import),
        [
            "c:read: GET /c",
            "c-2:read: GET /b",
            "click-export:read: GET /a",
            "click-export:write: POST /a",
            "click-export:write: PUT /a",
            "gr-u00f6-u00df-e:read: GET /d",
        ]
    );
    warned(&import, &["the category `C++` has the id `c-2`"]);
}

#[test]
fn one_scope_for_each_operation_where_that_is_asked_for() {
    let options = Options {
        granularity: Granularity::Operation,
        ..options()
    };
    let import = one(
        "  /ads:\n    get: {operationId: listAds, summary: ' List  ads '}\n    post: {operationId: make ad}\n\
         \x20 /ads/{id}:\n    get: {}\n    put: {operationId: twice}\n    delete: {operationId: twice}\n",
        &options,
    );
    assert_eq!(
        rules(&import),
        [
            "listAds: GET /ads",
            "make-ad: POST /ads",
            "get:/ads/{id}: GET /ads/{id}",
            "put:/ads/{id}: PUT /ads/{id}",
            "delete:/ads/{id}: DELETE /ads/{id}",
        ]
    );
    warned(&import, &["`twice`", "`put:/ads/{id}`"]);
    warned(&import, &["`twice`", "`delete:/ads/{id}`"]);
    let names: Vec<_> = import.draft.scopes().map(|(_, s)| &*s.name).collect();
    assert_eq!(names.first(), Some(&"List ads"));
    assert_eq!(names.get(2), Some(&"GET /ads/{id}"));
}

#[test]
fn the_sid_parameter_binds_and_no_other_does() {
    let options = Options {
        sid_parameters: vec!["AccountSID".to_owned(), "agency".to_owned()],
        ..options()
    };
    let paths = "  /M/{AccountSID}/{sid}:\n    get: {}\n  /A/{agency}:\n    get: {}\n  /x/{accountsid}:\n    get: {}\n";
    let import = one(paths, &options);
    assert_eq!(
        rules(&import),
        [
            "a:read: GET /A/{sid}",
            "m:read: GET /M/{sid}/{sid_}",
            "x:read: GET /x/{accountsid}",
        ]
    );
    warned(&import, &["a.yaml:4:3: ", "`{sid}` is written `{sid_}`"]);
}

#[test]
fn servers_give_base_paths_and_the_nearest_counts() {
    let text = "openapi: 3.0.0\nservers:\n- url: https://a.example/v{v}\n  variables: {v: {default: '2'}}\n\
                - url: https://a.example/old\npaths:\n  /x:\n    get: {}\n    post: {servers: [{url: /own}]}\n\
                \x20 /y:\n    servers: [{url: 'https://b.example/b'}]\n    get: {}\n";
    let import = run(&[("a.yaml", text)], &options()).expect("an import");
    assert_eq!(
        rules(&import),
        [
            "x:read: GET /v2/x",
            "x:write: POST /own/x",
            "y:read: GET /b/y"
        ]
    );
    warned(&import, &["a.yaml:3:3: ", "`https://a.example/old`"]);

    let pick = |server: &str| {
        let options = Options {
            servers: vec![server.to_owned()],
            ..options()
        };
        run(&[("a.yaml", text)], &options)
    };
    let import = pick("b.example").expect("an import");
    assert_eq!(rules(&import), ["y:read: GET /b/y"]);
    warned(&import, &["1 operation on a.example not imported"]);
    let import = pick("https://a.example/old").expect("an import");
    assert_eq!(rules(&import), ["x:read: GET /old/x"]);
    let faults = pick("c.example").expect_err("no such server");
    assert!(
        faults.to_string().contains("`c.example` (--server)"),
        "{faults}"
    );
}

#[test]
fn references_to_path_items_operations_and_parameters_are_followed() {
    let text = "openapi: 3.1.0\npaths:\n  /a/{path}:\n    $ref: '#/components/pathItems/A'\n  /b:\n\
                \x20   get: {$ref: '#/components/x-op'}\ncomponents:\n  x-op: {tags: [Op]}\n  pathItems:\n    A:\n\
                \x20     parameters: [{$ref: '#/components/parameters/P'}]\n      get: {tags: [A]}\n\
                \x20 parameters:\n    P: {name: path, in: path, x-multi-segment: true}\n";
    let import = run(&[("a.yaml", text)], &options()).expect("an import");
    assert_eq!(
        rules(&import),
        ["a:read: GET /a/{*path}", "op:read: GET /b"]
    );
    warned(
        &import,
        &["a.yaml:3:3: ", "`{path}` is taken for one or more segments"],
    );
}

#[test]
fn what_no_rule_says_is_told_and_so_is_the_rule_that_lets_it_through() {
    let import = one(
        "  /a/{x}:\n    post: {}\n    trace: {}\n    gett: {}\n  /a/{x}:undo:\n    post: {}\n    get: {}\n\
         \x20 /b?x=1:\n    get: {}\n  /c:\n    $ref: other.yaml#/c\n  x-more: {}\n",
        &options(),
    );
    assert_eq!(rules(&import), ["a:write: POST /a/{x}"]);
    warned(&import, &["a.yaml:6:5: ", "TRACE is never forwarded"]);
    warned(
        &import,
        &["a.yaml:7:5: ", "`gett` of `/a/{x}` is no method"],
    );
    warned(
        &import,
        &[
            "a.yaml:9:5: `POST /a/{x}:undo` is not imported",
            "`{x}:undo` is only partly one",
            "a request for it meets the rule `POST /a/{x}`",
        ],
    );
    warned(&import, &["a.yaml:10:5: `GET /a/{x}:undo` is not imported"]);
    warned(
        &import,
        &[
            "a.yaml:12:5: `GET /b?x=1` is not imported",
            "without a query or a fragment",
        ],
    );
    warned(&import, &["`/c` is not imported", "bundle it"]);
    assert_eq!(import.warnings.len(), 6, "{:#?}", warnings(&import));
}

#[test]
fn documents_without_paths_are_told_beside_others() {
    let empty = "openapi: 3.1.0\nwebhooks: {new: {post: {}}}\n";
    let text = document("  /a:\n    get: {}\n");
    let import = run(&[("a.yaml", &text), ("b.yaml", empty)], &options()).expect("an import");
    assert_eq!(rules(&import), ["a:read: GET /a"]);
    warned(&import, &["b.yaml:2:11: webhooks are not imported"]);
    warned(&import, &["b.yaml:1:1: there are no `paths`"]);
}

#[test]
fn operations_that_say_the_same_are_one_and_told() {
    let (a, b) = (
        document("  /x/{id}:\n    get: {tags: [T]}\n"),
        document("  /x/{name}:\n    get: {tags: [t]}\n    put: {tags: [t]}\n"),
    );
    let import = run(&[("a.yaml", &a), ("b.yaml", &b)], &options()).expect("an import");
    assert_eq!(
        rules(&import),
        ["t:read: GET /x/{id}", "t:write: PUT /x/{name}"]
    );
    warned(
        &import,
        &["b.yaml:5:5: `GET /x/{name}` is the same as `GET /x/{id}` in a.yaml:5:5"],
    );
}

#[test]
fn a_suffix_that_is_ignored_is_no_part_of_a_rule() {
    let options = Options {
        ignored_suffixes: vec![".json".to_owned()],
        ..options()
    };
    let import = one(
        "  /Ads/{id}.json:\n    get: {}\n  /Ads.json:\n    get: {}\n",
        &options,
    );
    assert_eq!(
        rules(&import),
        ["ads:read: GET /Ads/{id}", "ads-json:read: GET /Ads"]
    );
    assert!(
        import
            .draft
            .render()
            .contains("ignored_suffixes = [\".json\"]")
    );
}

#[test]
fn the_text_is_a_catalogue_and_the_same_in_any_order() {
    let options = Options {
        api_version: Some("16".to_owned()),
        ..options()
    };
    let (a, b) = (
        document("  /a:\n    get: {tags: ['Say \"hi\"']}\n    put: {tags: [B]}\n"),
        document("  /b:\n    get: {tags: [b]}\n    x: {}\n"),
    );
    let there = run(&[("a.yaml", &a), ("b.yaml", &b)], &options).expect("an import");
    let back = run(&[("b.yaml", &b), ("a.yaml", &a)], &options).expect("an import");
    assert_eq!(there.draft.render(), back.draft.render());
    assert_eq!(warnings(&there), warnings(&back));
    let text = there.draft.render();
    let catalog = Catalog::parse(Path::new("c"), &text, None).expect("a catalogue");
    assert_eq!(
        catalog.version(None).map(|v| v.id.to_string()).as_deref(),
        Some("16")
    );
    let ids: Vec<_> = catalog
        .categories
        .iter()
        .flat_map(|c| &c.scopes)
        .map(|s| &*s.id)
        .collect();
    assert_eq!(ids, ["b:read", "b:write", "say-hi:read"]);
    assert!(text.starts_with(
        "# What can be granted, drafted by `sidgate catalog import` from OpenAPI documents.\n"
    ));
}

proptest! {
    /// Whatever the documents, the import ends in a catalogue or in faults with places.
    #[test]
    fn any_text_is_imported_or_refused(text in "(openapi: 3.0.0\n)?(paths:\n)?(  /[a{}.:]{0,5}:\n|    (get|post|servers|\\$ref|parameters): (\\{\\}|\\[\\]|'#/paths'|x)\n|- |tags: \\[[a-c]\\]\n){0,12}") {
        match run(&[("a.yaml", &text)], &options()) {
            Ok(import) => prop_assert!(import.draft.scopes().next().is_some()),
            Err(faults) => prop_assert!(!faults.0.is_empty()),
        }
    }

    /// What is drafted does not depend on the order of files or of their paths.
    #[test]
    fn order_makes_no_difference(
        operations in prop::collection::vec(("[ab]{1,2}", "get|put|post", "[A-C]"), 1..8),
        cut in 0_usize..8,
    ) {
        let text = |operations: &[(String, String, String)]| {
            let paths: String = operations
                .iter()
                .enumerate()
                .map(|(at, (path, method, tag))| {
                    format!("  /{path}/{at}:\n    {method}: {{tags: [{tag}]}}\n")
                })
                .collect();
            document(&paths)
        };
        let numbered = |operations: &[(String, String, String)], from: usize| {
            let mut paths = String::new();
            for (at, (path, method, tag)) in operations.iter().enumerate() {
                let at = at + from;
                paths.push_str(&format!("  /{path}/{at}:\n    {method}: {{tags: [{tag}]}}\n"));
            }
            document(&paths)
        };
        let cut = cut.min(operations.len());
        let whole = text(&operations);
        let (a, b) = operations.split_at(cut);
        let (a, b) = (numbered(a, 0), numbered(b, cut));
        let whole = run(&[("w", &whole)], &options()).expect("an import").draft;
        let parts = run(&[("b", &b), ("a", &a)], &options()).expect("an import").draft;
        prop_assert_eq!(whole.render(), parts.render());
    }
}
