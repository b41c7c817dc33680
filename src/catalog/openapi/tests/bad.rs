//! Documents that are refused, each with its place.

use super::*;

fn faults(text: &str) -> String {
    let faults = run(&[("a.yaml", text)], &options()).expect_err(text);
    faults.to_string()
}

#[test]
fn what_is_no_openapi_is_refused_by_name() {
    for (text, told) in [
        ("", "a.yaml:1:1: the document is empty"),
        (
            "just a text",
            "a.yaml:1:1: is no OpenAPI document, but a plain value",
        ),
        ("[1, 2]", "a.yaml:1:1: is no OpenAPI document, but a list"),
        (
            "# c\na: 1\n",
            "a.yaml:2:1: is no OpenAPI document: it has no key `openapi`",
        ),
        (
            "{\"swagger\": \"2.0\", \"paths\": {}}",
            "a.yaml:1:13: is Swagger 2.0, and OpenAPI 3.0 and 3.1 are read: convert it first",
        ),
        (
            "openapi: 2.0.0\n",
            "a.yaml:1:10: is OpenAPI `2.0.0`, and 3.0 and 3.1 are read",
        ),
        (
            "openapi: 4\n",
            "a.yaml:1:10: is OpenAPI `4`, and 3.0 and 3.1 are read",
        ),
        (
            "openapi: {}\n",
            "a.yaml:1:10: is OpenAPI ``, and 3.0 and 3.1 are read",
        ),
        (
            "openapi: 3.0.0\npaths: [a]\n",
            "a.yaml:2:8: `paths` is a mapping, and not a list",
        ),
        (
            "openapi: 3.0.0\npaths:\n  /a: x\n",
            "a.yaml:3:7: a path item is a mapping, and not a plain value",
        ),
        (
            "openapi: 3.0.0\npaths:\n  /a:\n    get: []\n",
            "a.yaml:4:10: an operation is a mapping, and not a list",
        ),
        (
            "openapi: 3.0.0\npaths:\n  /a: {get: {}}\n  /a: {put: {}}\n",
            "a.yaml:4:3: `/a` is there already, in line 3",
        ),
        (
            "openapi: 3.0.0\npaths:\n  /a:\n    get: {}\n    get: {}\n",
            "a.yaml:5:5: `get` is there already, in line 4",
        ),
        (
            "openapi: 3.0.0\npaths:\n  /a: {servers: [{}], get: {}}\n",
            "a.yaml:3:18: a server needs a `url`",
        ),
        (
            "openapi: 3.0.0\npaths: {}\n",
            "a.yaml:1:1: there is no operation that can be imported\n\
             a.yaml:2:8: `paths` is empty, so nothing is imported",
        ),
        (
            "openapi: 3.0.0\npaths:\n  /#a:\n    get: {}\n",
            "a.yaml:1:1: there is no operation that can be imported\n\
             a.yaml:4:5: `GET /#a` is not imported: a rule names a path alone, without a query \
             or a fragment",
        ),
    ] {
        assert_eq!(faults(text), told, "{text}");
    }
    let told = faults("openapi: 3.0.0\npaths: {\n");
    assert!(
        told.starts_with("a.yaml:2:8: is neither YAML nor JSON: "),
        "{told}"
    );
}

#[test]
fn a_path_outside_of_the_grammar_is_a_fault() {
    for path in ["a", "/a/{b", "/a/b}", "/{}", "/{a{b}}"] {
        let told = faults(&document(&format!("  '{path}':\n    get: {{}}\n")));
        let start = format!("a.yaml:4:3: `{path}` is no path: ");
        assert!(told.starts_with(&start), "{told}");
    }
}

#[test]
fn references_that_lead_round_or_nowhere_are_faults() {
    for (text, told) in [
        (
            "openapi: 3.0.0\npaths:\n  /a: {$ref: '#/paths/~1b'}\n  /b: {$ref: '#/paths/~1a'}\n",
            "a.yaml:3:14: the reference `#/paths/~1b` leads back to itself",
        ),
        (
            "openapi: 3.0.0\npaths: {}\ncomponents: {schemas: {A: {$ref: '#/components/schemas/A'}}}\n",
            "a.yaml:3:34: the reference `#/components/schemas/A` leads back to itself",
        ),
        (
            "openapi: 3.0.0\npaths:\n  /a: {$ref: '#/paths/~1x'}\n",
            "a.yaml:3:14: the reference `#/paths/~1x` leads nowhere",
        ),
        (
            "openapi: 3.0.0\npaths:\n  /a: {get: {parameters: [{$ref: '#/p'}]}}\n",
            "a.yaml:3:34: the reference `#/p` leads nowhere",
        ),
        (
            "openapi: 3.0.0\npaths: &p\n  /a: *p\n",
            "a.yaml:3:7: this alias leads to a value that it is part of",
        ),
        (
            "openapi: 3.0.0\npaths:\n  /a: {get: {}, $ref: '#/x'}\nx: {get: {}}\n",
            "a.yaml:4:5: `get` of `/a` is here and behind its `$ref`",
        ),
    ] {
        assert_eq!(faults(text), told, "{text}");
    }
}

#[test]
fn operations_that_clash_are_faults_with_both_places() {
    let options = Options {
        sid_parameters: vec!["sid".to_owned()],
        ..options()
    };
    let a = document("  /x/{a}:\n    get: {tags: [A]}\n  /y/{sid}:\n    get: {tags: [A]}\n");
    let b = document("  /x/{b}:\n    get: {tags: [B]}\n  /y/{b}:\n    get: {tags: [A]}\n");
    let faults = run(&[("b.yaml", &b), ("a.yaml", &a)], &options).expect_err("clashes");
    assert_eq!(
        faults.to_string(),
        "b.yaml:5:5: `GET /x/{b}` clashes with `GET /x/{a}` in a.yaml:5:5: one is in `A`, the \
         other in `B`\n\
         a.yaml:7:5: `GET /y/{sid}` clashes with `GET /y/{b}` in b.yaml:7:5: one names the \
         caller's SID, and the other does not"
            .lines()
            .rev()
            .collect::<Vec<_>>()
            .join("\n")
    );
}

#[test]
fn an_option_that_no_document_answers_to_is_a_fault() {
    let options = Options {
        sid_parameters: vec!["AccountSid".to_owned()],
        ..options()
    };
    let text = document("  /{AccountSID}/a:\n    get: {}\n");
    let faults = run(&[("a.yaml", &text)], &options).expect_err("a slip");
    assert_eq!(
        faults.to_string(),
        "a.yaml:1:1: no operation has the path parameter `AccountSid` (--sid-parameter)"
    );
}

#[test]
fn every_fault_of_every_document_is_told() {
    let good = document("  /a:\n    get: {}\n");
    let bad = document("  a:\n    get: {}\n  b:\n    get: {}\n");
    let documents = [("c.yaml", "x"), ("b.yaml", &*bad), ("a.yaml", &*good)];
    let faults = run(&documents, &options()).expect_err("faults");
    let places: Vec<_> = faults.0.iter().map(|f| (f.file.clone(), f.place)).collect();
    assert_eq!(
        places,
        [
            (PathBuf::from("b.yaml"), Some((4, 3))),
            (PathBuf::from("b.yaml"), Some((6, 3))),
            (PathBuf::from("c.yaml"), Some((1, 1))),
        ]
    );
}

#[test]
fn where_nothing_is_imported_the_reasons_are_told() {
    let text = document("  /a: {$ref: 'a.yaml'}\n  /b: {<<: {get: {}}}\n");
    assert_eq!(
        faults(&text),
        "a.yaml:1:1: there is no operation that can be imported\n\
         a.yaml:4:7: `/a` is not imported: `a.yaml` lies outside of the document; bundle it \
         into one file first\n\
         a.yaml:5:8: `<<` of `/b` is not imported: YAML 1.2 has no merge keys; write out what \
         it stands for"
    );
}

#[test]
fn what_many_operations_share_is_told_once() {
    const MANY: usize = 50;
    let mut text = "openapi: 3.0.0\ncomponents:\n  parameters:\n".to_owned();
    text.push_str("    twice: {name: a, name: b, in: query}\n  x-list: &list\n");
    for _ in 0..MANY {
        text.push_str("    - {name: a, name: b, in: query}\n");
        text.push_str("    - {$ref: '#/components/parameters/twice'}\n");
    }
    text.push_str("  x-get: &get {tags: [a], tags: [b]}\npaths:\n");
    for at in 0..MANY {
        text.push_str(&format!("  /a{at}: {{parameters: *list, get: *get}}\n"));
    }
    let document = Document {
        file: Path::new("a.yaml"),
        text: &text,
    };
    // Before those of one place are made one: that they are kept is what costs.
    let mut found = Findings::default();
    document::read(&document, &options(), &mut found);
    // Each parameter of the list, the one that all refer to, and the operation.
    assert_eq!(found.faults.len(), MANY + 2);
}
