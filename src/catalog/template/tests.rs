use proptest::prelude::*;

use super::*;

#[test]
fn rules_are_read_as_written() {
    for text in [
        "GET /",
        "* /",
        "GET,POST,PROPFIND /v1/items/{id}",
        "HEAD /Mediapartners/{sid}/Ads/",
        "GET /files/{*path}",
        "GET /{a}/{b.c}/{d-e}/{_f}",
        "get /caf%C3%A9/a+b",
    ] {
        let rule: Rule = text.parse().expect(text);
        assert_eq!(rule.to_string(), text);
    }
    let spaced: Rule = "GET   /a".parse().expect("spaces may align rules");
    assert_eq!(spaced.to_string(), "GET /a");
}

#[test]
fn each_fault_has_its_name() {
    for (text, message) in [
        (
            "",
            "a rule is METHOD[,METHOD] and a template: GET,POST /items/{id}",
        ),
        (
            "/a",
            "a rule is METHOD[,METHOD] and a template: GET,POST /items/{id}",
        ),
        (
            "GET, POST /a",
            "`` is not a method; several are joined by commas without spaces",
        ),
        (
            " GET /a",
            "`` is not a method; several are joined by commas without spaces",
        ),
        (
            "G@T /a",
            "`G@T` is not a method; several are joined by commas without spaces",
        ),
        (
            "CONNECT /a",
            "CONNECT is never forwarded, so no rule can name it",
        ),
        (
            "GET,TRACE /a",
            "TRACE is never forwarded, so no rule can name it",
        ),
        ("GET,GET /a", "GET is named twice"),
        ("GET,* /a", "`*` is every method and stands alone"),
        ("GET a", "in the template, the path does not begin with /"),
        ("GET //a", "in the template, the path has an empty segment"),
        (
            "GET /a//b",
            "in the template, the path has an empty segment",
        ),
        (
            "GET /a/../b",
            "in the template, the path has a . or .. segment",
        ),
        ("GET /a?b=c", "in the template, the path holds a ? or #"),
        (
            "GET /a /b",
            "in the template, the path holds a space that is not encoded",
        ),
        (
            "GET /a%2Fb",
            "in the template, the path holds an encoded / % ? or #",
        ),
        (
            "GET /%7euser",
            "`%7euser` in the template is not in canonical form; write `~user`",
        ),
        (
            "GET /a[1]",
            "`a[1]` in the template is not in canonical form; write `a%5B1%5D`",
        ),
        (
            "GET /é",
            "in the template, the path holds a byte outside ASCII that is not encoded",
        ),
        (
            "GET /{id}.json",
            "a parameter is a whole segment; `{id}.json` is only partly one",
        ),
        (
            "GET /v{n}",
            "a parameter is a whole segment; `v{n}` is only partly one",
        ),
        (
            "GET /{a}{b}",
            "a parameter is a whole segment; `{a}{b}` is only partly one",
        ),
        (
            "GET /{a",
            "a parameter is a whole segment; `{a` is only partly one",
        ),
        (
            "GET /{}",
            "`{}` needs a name of letters, digits, `_`, `-` and `.`",
        ),
        (
            "GET /{*}",
            "`{*}` needs a name of letters, digits, `_`, `-` and `.`",
        ),
        (
            "GET /{a:b}",
            "`{a:b}` needs a name of letters, digits, `_`, `-` and `.`",
        ),
        ("GET /{a}/{a}", "the template names {a} twice"),
        ("GET /{sid}/{sid}", "the template names {sid} twice"),
        ("GET /{a}/{*a}", "the template names {a} twice"),
        ("GET /{*a}/b", "`{*a}` must be the last segment"),
        ("GET /{*a}/", "`{*a}` must be the last segment"),
        (
            "GET /{*sid}",
            "{sid} is exactly one segment, so it cannot be {*sid}",
        ),
    ] {
        let fault = text.parse::<Rule>().expect_err(text);
        assert_eq!(fault.to_string(), message, "{text:?}");
    }
    let long = format!("GET {}", "/a".repeat(Template::MAX_SEGMENTS + 1));
    assert_eq!(long.parse::<Rule>(), Err(BadRule::TooLong));
}

#[test]
fn templates_overlap_where_a_path_fits_both() {
    for (these, those, both) in [
        ("/a/{x}", "/{y}/b", Some("/a/b")),
        ("/a/{*x}", "/{y}/b/c", Some("/a/b/c")),
        ("/{*x}", "/a/{*y}", Some("/a/{*y}")),
        ("/{*x}", "/{*y}", Some("/{*y}")),
        ("/{sid}", "/{y}", Some("/{sid}")),
        ("/{y}", "/{sid}", Some("/{sid}")),
        ("/a/", "/{y}/", Some("/a/")),
        ("/a/b", "/a/c", None),
        ("/a", "/a/", None),
        ("/a/", "/a/{x}", None),
        ("/a/", "/a/{*x}", None),
        ("/a", "/a/{*x}", None),
        ("/a/b", "/a", None),
    ] {
        let parse = |text: &str| text.parse::<Template>().expect("a template");
        for (these, those) in [(these, those), (those, these)] {
            let found = parse(these).overlap(&parse(those));
            let found = found.map(|both| both.to_string());
            // Which of two `{*name}` is kept does not matter.
            let plain = |text: &str| text.replace("{*x}", "{*y}");
            assert_eq!(
                found.as_deref().map(plain),
                both.map(plain),
                "{these} {those}"
            );
        }
    }
}

#[test]
fn a_rest_stands_for_each_number_of_segments() {
    let lengths = |text: &str, most| -> Vec<String> {
        let template: Template = text.parse().expect("a template");
        template
            .lengths(most)
            .iter()
            .map(Template::to_string)
            .collect()
    };
    assert_eq!(lengths("/a/{x}", 4), ["/a/{x}"]);
    assert_eq!(
        lengths("/a/{*x}", 4),
        [
            "/a/{x}",
            "/a/{x}/",
            "/a/{x}/{x}",
            "/a/{x}/{x}/",
            "/a/{x}/{x}/{x}"
        ]
    );
    assert_eq!(lengths("/a/{*x}", 1), ["/a/{x}"]);
}

proptest! {
    #[test]
    fn any_text_is_a_rule_or_a_fault(text in "[A-Z,*]{0,6} ?[a-b{}*/.%0-9é]{0,12}") {
        if let Ok(rule) = text.parse::<Rule>() {
            prop_assert_eq!(rule.to_string().parse(), Ok(rule));
        }
    }
}
