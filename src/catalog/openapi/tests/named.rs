//! What of a document plays no part, or is not what it has to be: none of it is passed over
//! in silence.

use super::*;

/// What is told of a document, whether it is imported or not.
fn told(text: &str) -> String {
    match run(&[("a.yaml", text)], &options()) {
        Ok(import) => warnings(&import).join("\n"),
        Err(faults) => format!("FAULT {faults}"),
    }
}

#[test]
fn what_is_of_another_kind_is_told() {
    for (operation, expected) in [
        (
            "tags: Foo",
            "a.yaml:5:17: `tags` is a list, and not a plain value: it plays no part",
        ),
        (
            "tags: {Foo: 1}",
            "a.yaml:5:17: `tags` is a list, and not a mapping: it plays no part",
        ),
        (
            "tags: [{name: Foo}]",
            "a.yaml:5:18: a tag is a text, and not a mapping: it plays no part",
        ),
        (
            "tags: [null]",
            "a.yaml:5:18: a tag is a text, and not nothing: it plays no part",
        ),
        (
            "operationId: [a]",
            "a.yaml:5:24: `operationId` is a text, and not a list: it plays no part",
        ),
        (
            "parameters: {a: 1}",
            "a.yaml:5:23: `parameters` is a list, and not a mapping: it plays no part",
        ),
        (
            "parameters: [a]",
            "a.yaml:5:24: a parameter is a mapping, and not a plain value: it plays no part",
        ),
        (
            "parameters: [{<<: {x-multi-segment: true}, name: a, in: path}]",
            "a.yaml:5:29: `<<` plays no part: YAML 1.2 has no merge keys; write out what it \
             stands for",
        ),
        (
            "parameters: [{$ref: 'p.yaml#/a'}]",
            "a.yaml:5:24: `p.yaml#/a` lies outside of the document: whether a parameter may \
             hold slashes is not known",
        ),
        (
            "parameters: {$ref: 'p.yaml'}",
            "a.yaml:5:23: `p.yaml` lies outside of the document: whether a parameter may hold \
             slashes is not known",
        ),
        (
            "servers: {url: /x}",
            "FAULT a.yaml:5:20: `servers` is a list, and not a mapping",
        ),
        (
            "servers: [{url: /x, url: /y}]",
            "FAULT a.yaml:5:31: `url` is there already, in line 5",
        ),
        (
            "servers: [{url: '/{v}', variables: {v: {default: a, default: b}}}]",
            "FAULT a.yaml:5:63: `default` is there already, in line 5",
        ),
        (
            "parameters: [{name: a, name: b}]",
            "FAULT a.yaml:5:34: `name` is there already, in line 5",
        ),
        (
            "$ref: {}",
            "FAULT a.yaml:5:17: a `$ref` is a text, and not a mapping",
        ),
        (
            "$ref: '#/x-o', tags: [A], description: d",
            "a.yaml:5:26: beside a `$ref`, `tags` plays no part",
        ),
        // What is empty says nothing, so nothing is lost.
        ("tags:", ""),
        ("tags: []", ""),
        ("parameters:", ""),
        ("servers:", ""),
        ("operationId:", ""),
    ] {
        let text = format!(
            "openapi: 3.0.0\npaths:\n  /b: {{get: {{}}}}\n  /a/{{a}}:\n    get: {{{operation}}}\n\
             x-o: {{}}\n"
        );
        assert_eq!(told(&text), expected, "{operation}");
    }
}

#[test]
fn what_of_a_path_item_is_not_read_is_told() {
    for (item, expected) in [
        (
            "additionalOperations: [LINK]",
            "FAULT a.yaml:4:30: `additionalOperations` is a mapping, and not a list",
        ),
        (
            "additionalOperations: {LINK: {}, LINK: {}}",
            "FAULT a.yaml:4:41: `LINK` is there already, in line 4",
        ),
        (
            "additionalOperations: {'*': {}, LINK: {}}",
            "a.yaml:4:31: `* /a` is not imported: in a rule, `*` is any method",
        ),
        (
            "GET: {}",
            "a.yaml:4:8: `GET` of `/a` is no method, and not imported",
        ),
        (
            "? [a]\n  : 1",
            "a.yaml:4:10: `` of `/a` is no method, and not imported",
        ),
        (
            "trace: {}",
            "a.yaml:4:8: `TRACE /a` is not imported: TRACE is never forwarded",
        ),
        (
            "$ref: []",
            "FAULT a.yaml:4:14: a `$ref` is a text, and not a list",
        ),
        (
            "$ref: '#/x-i', parameters: []",
            "a.yaml:4:35: `parameters` of `/a` is here and behind its `$ref`: what is here \
             counts",
        ),
    ] {
        let text = format!(
            "openapi: 3.0.0\npaths:\n  /b: {{get: {{}}}}\n  /a: {{{item}}}\n\
             x-i: {{parameters: [], get: {{}}}}\n"
        );
        assert_eq!(told(&text), expected, "{item}");
    }
}

#[test]
fn what_of_a_document_is_not_read_is_told() {
    for (more, expected) in [
        (
            "basePath: /v1",
            "a.yaml:3:1: `basePath` is no key of an OpenAPI 3 document, and plays no part",
        ),
        (
            "webhooks: [a]",
            "a.yaml:3:11: webhooks are not imported: they are calls to others, not to this API",
        ),
        ("webhooks: {}", ""),
        ("x-anything: 1\nsecurity: []\ntags: [{name: A}]", ""),
        (
            "<<: {servers: [{url: /x}]}",
            "a.yaml:3:1: `<<` plays no part: YAML 1.2 has no merge keys; write out what it \
             stands for",
        ),
        (
            "components: {parameters: {A: {}, A: {}}}",
            "FAULT a.yaml:3:34: `A` is there already, in line 3",
        ),
        (
            "servers: /v1",
            "FAULT a.yaml:3:10: `servers` is a list, and not a plain value",
        ),
    ] {
        let text = format!("openapi: 3.0.0\npaths: {{/a: {{get: {{}}}}}}\n{more}\n");
        assert_eq!(told(&text), expected, "{more}");
    }
}

#[test]
fn a_pattern_is_no_mark_of_several_segments() {
    let import = one(
        "  /a/{x:[0-9]+}:\n    get: {}\n  /b/{y:.*}:\n    get: {}\n  /c/{z+}:\n    get: {}\n\
         \x20 <<: {/d: {get: {}}}\n",
        &options(),
    );
    assert_eq!(rules(&import), ["c:read: GET /c/{*z}"]);
    warned(
        &import,
        &["`GET /a/{x:[0-9]+}` is not imported", "has a pattern"],
    );
    warned(
        &import,
        &["`GET /b/{y:.*}` is not imported", "has a pattern"],
    );
    warned(&import, &["`<<` of `paths` is not imported"]);
}

#[test]
fn every_path_item_of_a_chain_of_references_is_read() {
    let text = "openapi: 3.1.0\npaths:\n  /a: {$ref: '#/x-b'}\n\
                x-b: {$ref: '#/components/pathItems/C', get: {}}\n\
                components: {pathItems: {C: {put: {}}}}\n";
    let import = run(&[("a.yaml", text)], &options()).expect(text);
    assert_eq!(rules(&import), ["a:read: GET /a", "a:write: PUT /a"]);
    assert!(import.warnings.is_empty(), "{:?}", import.warnings);
}
