use proptest::prelude::*;

use super::*;

fn with(base: &str, path: &str, suffixes: &[&str]) -> Result<Converted, Refused> {
    let (sid, suffixes) = (
        ["AccountSID".to_owned()],
        suffixes.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>(),
    );
    let terms = Terms {
        sid: &sid,
        suffixes: &suffixes,
        greedy: &|name| name == "tail",
    };
    convert(base, path, &terms)
}

fn template(base: &str, path: &str) -> String {
    let converted = with(base, path, &[]).expect(path);
    converted.template.to_string()
}

#[test]
fn a_path_becomes_a_template() {
    for (base, path, made) in [
        ("", "/", "/"),
        ("/v1", "/", "/v1/"),
        ("/v1", "/a/{id}/", "/v1/a/{id}/"),
        ("", "/M/{AccountSID}/Ads/{Id}", "/M/{sid}/Ads/{Id}"),
        (
            "",
            "/{user id}/{Größe}/{id:int}",
            "/{user_id}/{Gr__e}/{id_int}",
        ),
        ("", "/{id}/x/{id}", "/{id}/x/{id_2}"),
        ("", "/{sid}", "/{sid_}"),
        ("", "/a b/é/[1]", "/a%20b/%C3%A9/%5B1%5D"),
        ("", "/a/%7eb", "/a/~b"),
        ("", "/files/*", "/files/*"),
        ("", "/x/{proxy+}", "/x/{*proxy}"),
        ("", "/x/{+path}", "/x/{*path}"),
        ("", "/x/{tail}", "/x/{*tail}"),
        ("/{v}", "/a", "/{v}/a"),
        ("", "/a:b", "/a:b"),
    ] {
        assert_eq!(template(base, path), made, "{base} {path}");
    }
    let converted = with("/v1", "/{x}/Ads/b", &[]).expect("a template");
    assert_eq!(converted.literal.as_deref(), Some("Ads"));
    assert_eq!(with("/v1", "/{x}", &[]).expect("a template").literal, None);
}

#[test]
fn what_reads_otherwise_than_it_means_is_noted() {
    for (path, part) in [
        ("/{sid}", "--sid-parameter sid"),
        ("/files/*", "literally"),
        ("/x/{proxy+}", "one or more segments"),
        ("/x/{tail}", "one or more segments"),
        ("/x/{tail}/y", "taken for one segment"),
    ] {
        let notes = with("", path, &[]).expect(path).notes;
        assert!(notes.iter().any(|n| n.contains(part)), "{path}: {notes:?}");
    }
    let bound = with("", "/M/{AccountSID}", &[]).expect("a template").bound;
    assert_eq!(bound, ["AccountSID"]);
}

#[test]
fn ignored_suffixes_are_no_part_of_the_template() {
    for (path, made) in [
        ("/Ads.json", "/Ads"),
        ("/Ads/{Id}.json", "/Ads/{Id}"),
        ("/Ads/{Id}.x.json", "/Ads/{Id}"),
        ("/Ads.json/{Id}", "/Ads.json/{Id}"),
        ("/.json", "/.json"),
    ] {
        let converted = with("", path, &[".json", ".x.json"]).expect(path);
        assert_eq!(converted.template.to_string(), made, "{path}");
    }
}

#[test]
fn what_no_template_says_is_refused_by_name() {
    for (path, part) in [
        ("/a/{x}.json", "`{x}.json` is only partly one"),
        ("/a/{x}:verb", "`{x}:verb` is only partly one"),
        ("/{a}-{b}", "`{a}-{b}` is only partly one"),
        ("/{a}{b}", "`{a}{b}` is only partly one"),
        ("/v1/{name=projects/*}", "has a pattern"),
        ("/a{?x,y}", "only partly one"),
        ("/{?x}", "has a pattern"),
        ("/a?b=c", "without a query"),
        ("/a/{b}#c", "without a query"),
        ("/a;v=1", "a semicolon"),
        ("/a//b", "an empty segment"),
        ("/a/../b", "a . or .. segment"),
        ("/a%2Fb", "an encoded / % ? or #"),
        ("/{AccountSID}/{AccountSID}", "names {sid} twice"),
        ("/a\u{7}b", "a control character"),
    ] {
        match with("", path, &[]) {
            Err(Refused::Inexpressible(why)) => assert!(why.contains(part), "{path}: {why}"),
            other => panic!("{path}: {other:?}"),
        }
    }
    for path in ["a/b", "", "/a/{b", "/a/b}", "/a/{b{c}}", "/{}", "/a/{b/c"] {
        let made = with("", path, &[]);
        assert!(
            matches!(made, Err(Refused::Malformed(_))),
            "{path}: {made:?}"
        );
    }
}

proptest! {
    #[test]
    fn any_path_is_a_template_or_refused(path in "/?([a-c{}*+:=?#;%. é/]|\\{id\\}|AccountSID){0,12}") {
        if let Ok(converted) = with("/b", &path, &[".a"]) {
            let text = converted.template.to_string();
            prop_assert_eq!(text.parse::<Template>(), Ok(converted.template));
        }
    }
}
