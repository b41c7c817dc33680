use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;
use crate::catalog::ApiVersion;

const EXAMPLE: &str = include_str!("../../../config/catalog.toml");

fn parse(text: &str) -> Result<Catalog, Faults> {
    Catalog::parse(Path::new("catalog.toml"), text, None)
}

/// Each fault as `line:column message`.
fn faults(text: &str) -> Vec<String> {
    let Faults(faults) = parse(text).expect_err(text);
    assert!(faults.iter().all(|f| f.file == Path::new("catalog.toml")));
    let told = faults.into_iter().map(|fault| match fault.place {
        Some((line, column)) => format!("{line}:{column} {}", fault.message),
        None => fault.message,
    });
    told.collect()
}

fn scope(allow: &str) -> String {
    format!("[[category]]\nname = \"C\"\n[[category.scope]]\nid = \"s\"\nallow = [\n{allow}\n]\n")
}

#[test]
fn the_example_is_a_catalogue() {
    let catalog = parse(EXAMPLE).expect("the example has no fault");
    let ids: Vec<&str> = catalog.versions.iter().map(|v| &*v.id).collect();
    assert_eq!(ids, ["2", "1"]);
    assert_eq!(catalog.latest, catalog.version_number("2"));
    assert_eq!(catalog.version(None).map(|v| &*v.id), Some("2"));
    for id in ["items:read", "items:write", "events:read"] {
        let number = catalog.scope_number(id).expect(id);
        assert_eq!(catalog.scope(number).map(|s| &*s.id), Some(id));
    }
    assert_eq!(catalog.scope_number("items"), None);
    assert_eq!(catalog.public.len(), 1);

    // What it shows in comments must be true as well.
    let shown = EXAMPLE
        .replace("# header", "header")
        .replace("# query", "query")
        .replace("# notes", "notes")
        .replace("# upstream", "upstream")
        .replace("default = []   # ", "default = ")
        .replace("# per", "per")
        .replace("# limits_per", "limits_per")
        .replace("limits = []   # ", "limits = ")
        .replace("aliases = {}   # ", "aliases = ");
    assert_eq!(
        shown.matches("\n# ").count() + 6,
        EXAMPLE.matches("\n# ").count()
    );
    let catalog = parse(&shown).expect("nor has what it shows in comments");
    assert_eq!(
        catalog.version_header.as_ref().map(HeaderName::as_str),
        Some("api-version")
    );
    assert_eq!(catalog.version_query, ["api_version"]);
    let alias = catalog.without_alias("/w1/items");
    assert_eq!(alias.as_deref(), Some("/v1/items"));
    let upstreams: Vec<_> = catalog.upstream_names().collect();
    let line = shown
        .lines()
        .position(|l| l.starts_with("upstream"))
        .expect("there")
        + 1;
    assert_eq!(upstreams, [("default", (line, 12))]);
    let limits = &catalog.categories.first().expect("one").rate.limits;
    assert_eq!(
        limits.iter().map(|l| &*l.text).collect::<Vec<_>>(),
        ["1000/hour", "10000/day"]
    );
}

#[test]
fn a_file_of_comments_is_an_empty_catalogue_and_an_empty_file_is_none() {
    let catalog = parse("# nothing yet\n").expect("comments are no fault");
    assert!(catalog.versions.is_empty() && catalog.categories.is_empty());
    assert_eq!((catalog.latest, catalog.version_number("1")), (None, None));
    assert_eq!(
        faults(""),
        ["the file is empty; a comment makes it an empty catalogue"]
    );
}

#[test]
fn all_faults_are_told_with_their_places_in_order() {
    let text = r#"[versions]
latest = "3"
header = "a b"
query = ["q", "q", "a=b", 1]
nope = 1
[[versions.version]]
id = "2"
released = "2026-01-01"
deprecated = 2026-06-01
sunset = 2026-05-01
notes = "ftp://x"
[[versions.version]]
id = "2"
[[versions.version]]
id = "a b"
[[versions.version]]
released = 2026-02-03T04:05:06
[paths]
ignored_suffixes = ["json", ".a/b", ".", ".j", ".j", ".é"]
public = ["GET /{sid}", "GET"]
[[category]]
name = ""
limits = ["1/hour", "2/hour", "0/day", "many"]
[[category.scope]]
id = "a"
allow = ["GET /a/{x}.json", { rule = "GET /b", versions = ["9", "2", "2"], x = 1 }]
[[category.scope]]
id = "a"
allow = "GET /"
[[category]]
[[category.scope]]
name = " x"
allow = ["GET /x.j", { upgrade = "yes" }, { rule = "GET /", versions = [] }, 7]
[[category]]
name = "D"
limit = []
[[category]]
name = "D"
[category.scope]
id = "e"
"#;
    assert_eq!(
        faults(text),
        [
            "2:10 `3` is not among [[versions.version]]",
            "3:10 `header` is the name of a header field",
            "4:15 the parameter `q` is there already, in line 4",
            "4:20 a query parameter's name is of A-Z a-z 0-9 . _ ~ -",
            "4:27 expected a string, found an integer",
            "5:1 unknown key `nope` in [versions]; it has latest, header, query, version",
            "8:12 `released` is a date: 2026-06-01",
            "10:10 `sunset` is before `deprecated`",
            "11:9 `notes` is an http or https URL",
            "13:6 the version `2` is there already, in line 7",
            "15:6 an id is 1 to 128 printable ASCII characters without spaces, \" and \\",
            "16:1 [[versions.version]] needs the key `id`",
            "17:12 `released` is a date: 2026-06-01",
            "19:21 a suffix is `.` and more, in canonical form and without `/`",
            "19:29 a suffix is `.` and more, in canonical form and without `/`",
            "19:37 a suffix is `.` and more, in canonical form and without `/`",
            "19:48 the suffix `.j` is there already, in line 19",
            "19:54 a suffix is `.` and more, in canonical form and without `/`",
            "20:11 a public rule has no {sid}: nobody is authenticated",
            "20:25 a rule is METHOD[,METHOD] and a template: GET,POST /items/{id}",
            "22:8 a name is 1 to 128 characters, without control characters or spaces around it",
            "23:21 a second limit for each hour",
            "23:31 a limit is a count from 1 to 4294967295 for a minute, hour or day: 1000/hour",
            "23:40 a limit is a count from 1 to 4294967295 for a minute, hour or day: 1000/hour",
            "26:10 a parameter is a whole segment; `{x}.json` is only partly one",
            "26:60 the catalogue has no version `9`",
            "26:70 the version `2` is named twice",
            "26:76 unknown key `x` in a rule; it has rule, upgrade, versions, limit",
            "28:6 the scope `a` is there already, in line 25",
            "29:9 expected an array, found a string",
            "30:1 [[category]] needs the key `name`",
            "31:1 [[category.scope]] needs the key `id`",
            "32:8 a name is 1 to 128 characters, without control characters or spaces around it",
            "33:22 a rule needs the key `rule`",
            "33:34 expected true or false, found a string",
            "33:43 a rule that names no version would never apply",
            "33:78 expected a string, found an integer",
            "36:1 unknown key `limit` in [[category]]; it has name, limits, limits_per, scope",
            "38:8 the category `D` is there already, in line 35",
            "39:1 expected an array, found a table",
        ]
    );
}

#[test]
fn a_header_that_means_something_else_names_no_version() {
    for name in [
        "Authorization",
        "host",
        "Connection",
        "Content-Length",
        "X-Auth-Sid",
        "X-Forwarded-For",
        "X-Request-Id",
        "Proxy-Authorization",
        "transfer-encoding",
    ] {
        let text = format!(
            "[versions]\nlatest = \"1\"\nheader = \"{name}\"\n[[versions.version]]\nid = \"1\"\n"
        );
        let name = name.to_ascii_lowercase();
        let told = format!("3:10 the header field `{name}` means something else");
        assert_eq!(faults(&text), [told]);
    }
}

#[test]
fn notes_fit_between_the_brackets_of_a_link() {
    for notes in [
        "https://x/a>b",
        "https://x/é",
        "https://x/\\\"",
        "https://",
        "/a",
        "x y",
    ] {
        let text = format!(
            "[versions]\nlatest = \"1\"\n[[versions.version]]\nid = \"1\"\nnotes = \"{notes}\"\n"
        );
        let told = ["5:9 `notes` is an http or https URL"];
        assert_eq!(faults(&text), told, "{notes}");
    }
}

#[test]
fn aliases_lead_to_names_of_rules_and_nowhere_else() {
    let paths = |aliases: &str| {
        format!(
            "[paths]\nignored_suffixes = [\".json\"]\naliases = {aliases}\n{}",
            scope("\"GET /Ads/{x}\", \"GET /Deals.x\", \"GET /{y}\"")
        )
    };
    let catalog = parse(&paths("{ Ad = \"Ads\", Deal = \"Deals.x\" }")).expect("no fault");
    assert_eq!(catalog.without_alias("/Ad/1").as_deref(), Some("/Ads/1"));
    assert_eq!(
        catalog.without_alias("/Deal.json").as_deref(),
        Some("/Deals.x.json")
    );
    assert_eq!(catalog.without_alias("/Ads/1"), None);

    let segment = "an alias, and what it is for, is one segment of a path, not empty and in \
                   canonical form";
    let at = |column: usize, what: &str| format!("3:{column} {what}");
    for (aliases, told) in [
        (
            "{ Ad = \"Ad\" }",
            vec![at(13, "`Ad` is an alias for itself")],
        ),
        (
            "{ A = \"B\", B = \"A\" }",
            vec![
                at(13, "the alias `A` leads back to itself"),
                at(22, "the alias `B` leads back to itself"),
            ],
        ),
        (
            "{ A = \"B\", B = \"Ads\" }",
            vec![at(
                17,
                "`B` is an alias too; an alias is for a name of rules",
            )],
        ),
        (
            "{ A = \"B\", B = \"C\", C = \"B\" }",
            vec![
                at(17, "`B` is an alias too; an alias is for a name of rules"),
                at(22, "the alias `B` leads back to itself"),
                at(31, "the alias `C` leads back to itself"),
            ],
        ),
        (
            "{ Ads = \"Deals.x\" }",
            vec![at(
                13,
                "`GET /Ads/{x}` in line 9 begins with `Ads`, which no request can meet where it \
                 is an alias",
            )],
        ),
        (
            "{ A = \"Nothing\" }",
            vec![at(17, "no rule begins with `Nothing`")],
        ),
        ("{ \"A/B\" = \"Ads\" }", vec![at(13, segment)]),
        ("{ \"\" = \"Ads\" }", vec![at(13, segment)]),
        ("{ \"..\" = \"Ads\" }", vec![at(13, segment)]),
        ("{ \"%41\" = \"Ads\" }", vec![at(13, segment)]),
        ("{ A = \"{x}\" }", vec![at(17, segment)]),
        ("{ A = \"é\" }", vec![at(17, segment)]),
        (
            "{ A = 1 }",
            vec![at(17, "expected a string, found an integer")],
        ),
        ("[\"A\"]", vec![at(11, "expected a table, found an array")]),
    ] {
        assert_eq!(faults(&paths(aliases)), told, "{aliases}");
    }
}

#[test]
fn versions_know_which_of_them_are_older() {
    let text = r#"
[versions]
latest = "2"
header = "IR-Version"
[[versions.version]]
id = "3"
notes = "https://x/3"
[[versions.version]]
id = "2"
notes = "https://x/2"
[[versions.version]]
id = "1"
notes = "https://x/1"
"#;
    let catalog = parse(text).expect("no fault");
    let links = catalog.versions.iter().map(|v| v.notice.link.clone());
    let links: Vec<Option<HeaderValue>> = links.collect();
    let link = HeaderValue::from_static("<https://x/1>; rel=\"deprecation\"");
    assert_eq!(links, [None, None, Some(link)]);
    let header = |v: &Arc<ApiVersion>| v.header.as_ref().is_some_and(|h| h == "ir-version");
    assert!(catalog.versions.iter().all(header));
}

#[test]
fn syntax_faults_are_told_alone() {
    let told = faults("latest = \nb = ]\nnope = 1\n");
    assert!(told.iter().any(|f| f.starts_with("1:")), "{told:?}");
    assert!(told.iter().any(|f| f.starts_with("2:")), "{told:?}");
    assert!(!told.concat().contains("unknown"), "{told:?}");
    let told = faults("[paths]\npublic = []\npublic = []\n");
    assert_eq!(told, ["3:1 duplicate key"]);
}

#[test]
fn a_flood_of_faults_is_cut() {
    let told = faults(&"= ]\n".repeat(2000));
    assert_eq!(told.len(), 1001);
    assert!(
        told.last()
            .is_some_and(|f| f.starts_with("and ") && f.ends_with(" more faults"))
    );
}

#[test]
fn deep_nesting_is_a_fault() {
    for (open, close) in [("[", ""), ("[", "]"), ("{a=", ""), ("{a=", "}")] {
        let (open, close) = (open.repeat(10_000), close.repeat(10_000));
        assert!(!faults(&format!("a = {open}{close}")).is_empty());
    }
}

#[test]
fn columns_count_characters() {
    let told = faults("[[category]]\nname = \"é\"\nlimits = [\"é\", \"x\"]\n");
    assert_eq!(
        told.iter().map(|f| f.split(' ').next()).collect::<Vec<_>>(),
        [Some("3:11"), Some("3:16")]
    );
}

#[test]
fn rules_are_checked_against_each_other_and_the_suffixes() {
    let text = scope("'GET /A/{sid}',\n'GET /A/{x}',\n{ rule = 'GET /A/{sid}', upgrade = true }");
    assert_eq!(
        faults(&text),
        [
            "7:1 `GET /A/{x}` and `GET /A/{sid}` in line 6 cannot both hold: where one has {sid}, \
             the other has a plain parameter",
            "8:10 `GET /A/{sid}` and `GET /A/{x}` in line 7 cannot both hold: where one has {sid}, \
             the other has a plain parameter",
            "8:10 `GET /A/{sid}` and `GET /A/{sid}` in line 6 cannot both hold: one allows an \
             upgrade, the other does not",
        ]
    );
    let suffixes = "[paths]\nignored_suffixes = ['.json']\n";
    let text = suffixes.to_owned() + &scope("'GET /a.json/',\n'GET /.json',\n'GET /a.json'");
    assert_eq!(
        faults(&text),
        [
            "9:1 `.json` is an ignored suffix, so no rule can name it",
            "10:1 `.json` is an ignored suffix, so no rule can name it",
        ]
    );
}

#[test]
fn numbers_stay_as_they_are_over_reloads() {
    let load = |scopes: &[&str], previous: Option<&Catalog>| {
        let scopes = scopes
            .iter()
            .map(|id| format!("[[category.scope]]\nid = '{id}'\n"));
        let versions = "[versions]\nlatest = '1'\n[[versions.version]]\nid = '1'\n";
        let text = format!(
            "{versions}[[category]]\nname = 'C'\n{}",
            scopes.collect::<String>()
        );
        Catalog::parse(Path::new("c"), &text, previous).expect("no fault")
    };
    let first = load(&["a", "b"], None);
    let (a, b) = (first.scope_number("a"), first.scope_number("b"));
    let second = load(&["c", "b"], Some(&first));
    assert_eq!(
        (second.scope_number("a"), second.scope_number("b")),
        (None, b)
    );
    assert_ne!(second.scope_number("c"), a);
    let third = load(&["a"], Some(&second));
    assert_eq!(
        (third.scope_number("a"), third.version_number("1")),
        (a, first.version_number("1"))
    );

    let in_use = [a, b].into_iter().flatten().collect();
    assert_eq!(second.dropped(&in_use), ["a".into()]);
    assert_eq!(third.dropped(&in_use), ["b".into()]);
    assert!(first.dropped(&in_use).is_empty());
    let none = Catalog::parse(Path::new("c"), "#", Some(&third)).expect("no fault");
    assert_eq!(none.dropped_versions(third.latest), ["1".into()]);
    assert!(first.dropped_versions(third.latest).is_empty());
}

proptest! {
    /// Whatever the text, there is an answer, and a fault has a place within the text.
    #[test]
    fn any_text_is_answered(
        cut in 0..EXAMPLE.len(),
        taken in 0..200_usize,
        put in "[\\[\\]{}='\"a-c.,0-9 \n/*é]{0,8}",
    ) {
        let head = EXAMPLE.get(..cut).unwrap_or_default();
        let tail = EXAMPLE.get(cut + taken..).unwrap_or_default();
        let text = format!("{head}{put}{tail}");
        if let Err(Faults(faults)) = parse(&text) {
            prop_assert!(!faults.is_empty());
            for fault in faults {
                let (line, column) = fault.place.unwrap_or((1, 1));
                let length = text.split('\n').nth(line - 1).map(|l| l.chars().count());
                prop_assert!(length.is_some_and(|l| column <= l + 1), "{fault}");
            }
        }
    }
}
