use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::super::template::{Rule, Segment, Template};
use super::*;

fn draft(number: usize, text: &str, scope: Option<u32>, versions: Option<Vec<u16>>) -> Draft {
    Draft {
        rule: text.parse().expect(text),
        text: text.into(),
        offset: number,
        line: number + 1,
        upgrade: false,
        versions: versions.map(|v| v.into_iter().map(VersionId).collect()),
        rate: None,
        scope: scope.map(|s| (ScopeId(s), format!("s{s}").into())),
    }
}

const VERSIONS: [VersionId; 3] = [VersionId(0), VersionId(1), VersionId(2)];

fn table(drafts: &[Draft], suffixes: &[&str]) -> RouteTable {
    let suffixes: Vec<String> = suffixes.iter().map(|&s| s.to_owned()).collect();
    compile(drafts, &VERSIONS, &suffixes).expect("no conflict")
}

/// Each rule under a scope of its own number.
fn scoped(rules: &[&str]) -> Vec<Draft> {
    (0..)
        .zip(rules)
        .map(|(at, rule)| draft(at, rule, u32::try_from(at).ok(), None))
        .collect()
}

fn conflicts(drafts: &[Draft]) -> Vec<String> {
    let conflicts = compile(drafts, &VERSIONS, &[]).expect_err("a conflict");
    conflicts.into_iter().map(|(_, message)| message).collect()
}

fn method(name: &str) -> Method {
    Method::from_bytes(name.as_bytes()).expect("a token")
}

/// The rule that a request meets, and what stood for `{sid}`.
fn hit<'t, 'p>(
    table: &'t RouteTable,
    name: &str,
    path: &'p str,
) -> Option<(&'t str, Option<&'p str>)> {
    let found = table.find(&method(name), path, None)?;
    Some((&found.route.rule, found.sid))
}

#[test]
fn the_narrower_rule_wins_and_a_dead_end_is_left() {
    let rules = scoped(&[
        "GET /",
        "GET /a",
        "GET /a/",
        "GET /a/b/c",
        "GET /a/{x}",
        "GET /a/{x}/d",
        "POST /a/{x}/c",
        "GET /a/{*x}",
        "* /any/{x}",
        "GET /files/{*path}",
        "GET /{x}/b/{y}/z",
        "PURGE /{*x}",
    ]);
    let table = table(&rules, &[]);
    for (name, path, rule) in [
        ("GET", "/", Some("GET /")),
        ("GET", "/a", Some("GET /a")),
        ("GET", "/a/", Some("GET /a/")),
        ("GET", "/a/b", Some("GET /a/{x}")),
        ("GET", "/a/b/c", Some("GET /a/b/c")),
        // The literal `b` has no `d`; the parameter beside it has.
        ("GET", "/a/b/d", Some("GET /a/{x}/d")),
        // The narrower rule does not name the method.
        ("POST", "/a/b/c", Some("POST /a/{x}/c")),
        ("GET", "/a/b/e", Some("GET /a/{*x}")),
        ("GET", "/a/b/", Some("GET /a/{*x}")),
        ("GET", "/a/b/c/d/e/", Some("GET /a/{*x}")),
        ("GET", "/a/b/c/z", Some("GET /a/{*x}")),
        ("GET", "/q/b/c/z", Some("GET /{x}/b/{y}/z")),
        ("GET", "/any/1", Some("* /any/{x}")),
        ("REPORT", "/any/1", Some("* /any/{x}")),
        ("TRACE", "/any/1", None),
        ("CONNECT", "/any/1", None),
        ("GET", "/any/", None),
        ("GET", "/any/1/", None),
        ("HEAD", "/a", None),
        ("get", "/a", None),
        ("GET", "/A", None),
        ("GET", "/files", None),
        ("GET", "/files/", None),
        ("GET", "/files/x", Some("GET /files/{*path}")),
        ("GET", "/files/x/", Some("GET /files/{*path}")),
        ("PURGE", "/x", Some("PURGE /{*x}")),
        ("PURGE", "/", None),
        ("purge", "/x", None),
        ("GET", "", None),
        ("GET", "a", None),
    ] {
        assert_eq!(hit(&table, name, path).map(|h| h.0), rule, "{name} {path}");
    }
    assert!(
        RouteTable::default()
            .find(&Method::GET, "/", None)
            .is_none()
    );
}

#[test]
fn the_segment_of_the_sid_is_told() {
    let table = table(
        &scoped(&["GET /A/{sid}/B", "GET /A/{x}/C", "GET /{sid}"]),
        &[".json"],
    );
    assert_eq!(
        hit(&table, "GET", "/A/me/B"),
        Some(("GET /A/{sid}/B", Some("me")))
    );
    assert_eq!(hit(&table, "GET", "/A/me/C"), Some(("GET /A/{x}/C", None)));
    assert_eq!(
        hit(&table, "GET", "/me.json"),
        Some(("GET /{sid}", Some("me")))
    );
    // A SID that ends in a suffix has its own path behind another one.
    assert_eq!(
        hit(&table, "GET", "/me.json.json"),
        Some(("GET /{sid}", Some("me.json")))
    );
}

#[test]
fn an_ignored_suffix_is_no_part_of_the_last_segment() {
    let rules = scoped(&[
        "GET /Ads",
        "GET /Ads/{id}",
        "GET /Ads/{id}/",
        "GET /all/{*rest}",
    ]);
    let table = table(&rules, &[".json", ".xml", ".min.json"]);
    for (path, rule) in [
        ("/Ads.json", Some("GET /Ads")),
        ("/Ads.xml", Some("GET /Ads")),
        ("/Ads.min.json", Some("GET /Ads")),
        ("/Ads.JSON", None),
        ("/Ads.json.xml", None),
        ("/Ads.json/12", None),
        ("/Ads/12.json", Some("GET /Ads/{id}")),
        ("/Ads/12.csv", Some("GET /Ads/{id}")),
        ("/Ads/.json", None),
        ("/.json", None),
        ("/Ads/12.json/", Some("GET /Ads/{id}/")),
        ("/all/a/b.json", Some("GET /all/{*rest}")),
        ("/all/.json", None),
        ("/all/a/.min.json", None),
        // What an upstream would make of it is a dot segment, as above a trailing slash.
        ("/Ads/..json", None),
        ("/Ads/...xml", None),
        ("/Ads/....xml", Some("GET /Ads/{id}")),
    ] {
        assert_eq!(hit(&table, "GET", path).map(|h| h.0), rule, "{path}");
    }
}

#[test]
fn one_rule_under_several_scopes_is_one_route() {
    let drafts = [
        draft(0, "GET /a/{x}", Some(7), None),
        draft(1, "GET,POST /a/{y}", Some(3), None),
        draft(2, "* /a/{z}", Some(3), Some(vec![1])),
        draft(3, "GET /a/{z}", None, None),
    ];
    let table = table(&drafts, &[]);
    let ids = |name, version: u16| {
        let found = table.find(&method(name), "/a/1", Some(VersionId(version)));
        found.map(|f| f.route.required_scopes.join(" "))
    };
    assert_eq!(ids("GET", 0).as_deref(), Some("s3 s7"));
    assert_eq!(ids("POST", 0).as_deref(), Some("s3"));
    assert_eq!(ids("PUT", 0), None);
    assert_eq!(ids("PUT", 1).as_deref(), Some("s3"));
    let found = table
        .find(&Method::GET, "/a/1", Some(VersionId(1)))
        .expect("a route");
    let grants = found.route.grants.iter();
    let told: Vec<(&str, usize)> = grants.map(|g| (&*g.rule, g.line)).collect();
    assert_eq!(
        told,
        [("GET /a/{x}", 1), ("GET,POST /a/{y}", 2), ("* /a/{z}", 3)]
    );
    let public = table
        .find_public(&Method::GET, "/a/1", None)
        .expect("a route");
    assert!(public.route.grants.is_empty() && public.route.required_scopes.is_empty());
    assert!(table.find_public(&Method::POST, "/a/1", None).is_none());
}

#[test]
fn rules_limited_to_other_versions_do_not_exist() {
    let drafts = [
        draft(0, "GET /a/b", Some(0), Some(vec![2])),
        draft(1, "GET /a/{x}", Some(1), Some(vec![1, 2])),
        draft(2, "GET /{*x}", Some(2), None),
    ];
    let table = table(&drafts, &[]);
    let rule = |version: Option<u16>| {
        let found = table.find(&Method::GET, "/a/b", version.map(VersionId));
        found.map(|f| f.route.rule.to_string())
    };
    assert_eq!(rule(Some(2)).as_deref(), Some("GET /a/b"));
    assert_eq!(rule(Some(1)).as_deref(), Some("GET /a/{x}"));
    assert_eq!(rule(Some(0)).as_deref(), Some("GET /{*x}"));
    assert_eq!(rule(None).as_deref(), Some("GET /{*x}"));
}

#[test]
fn rules_that_cannot_both_hold_are_told() {
    assert_eq!(
        conflicts(&scoped(&["GET /A/{x}/B", "POST,GET /A/{sid}/B"])),
        [
            "`POST,GET /A/{sid}/B` and `GET /A/{x}/B` in line 1 cannot both hold: where one has \
             {sid}, the other has a plain parameter"
        ]
    );
    assert_eq!(
        conflicts(&scoped(&["* /{sid}/{y}", "GET /{x}/{sid}"])).len(),
        1
    );
    assert_eq!(
        conflicts(&scoped(&["GET /{sid}/{*y}", "GET /{x}/{*y}"])).len(),
        1
    );
    let flags = |versions: Option<Vec<u16>>| {
        let mut twice = draft(1, "GET /a/{y}", Some(0), versions);
        twice.upgrade = true;
        [draft(0, "* /a/{x}", Some(0), Some(vec![0])), twice]
    };
    assert_eq!(
        conflicts(&flags(None)),
        [
            "`GET /a/{y}` and `* /a/{x}` in line 1 cannot both hold: one allows an upgrade, \
             the other does not"
        ]
    );
    // For other methods, versions or scopes there is nothing to contradict.
    table(&flags(Some(vec![1, 2])), &[]);
    table(
        &scoped(&[
            "GET /A/{x}",
            "POST /A/{sid}",
            "GET /A/{y}/C",
            "GET /A/{sid}/B",
        ]),
        &[],
    );
    table(&scoped(&["GET /A", "GET /A"]), &[]);
}

#[test]
fn a_catalogue_in_which_a_request_could_get_lost_is_refused() {
    // Every choice between `a` and a parameter, so that a walk can come back everywhere.
    let rules = |depth: u32| -> Vec<Draft> {
        let texts = (0..1_u32 << depth).map(|mask| {
            let pick = |at| {
                if mask >> at & 1 == 0 {
                    "/a".into()
                } else {
                    format!("/{{p{at}}}")
                }
            };
            format!("GET {}/end", (0..depth).map(pick).collect::<String>())
        });
        let texts: Vec<String> = texts.collect();
        scoped(&texts.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let deep = table(&rules(10), &[]);
    assert_eq!(
        hit(&deep, "GET", &format!("{}/other", "/a".repeat(10))),
        None
    );
    assert!(hit(&deep, "GET", &format!("{}/b/end", "/a".repeat(9))).is_some());
    let message = conflicts(&rules(12)).concat();
    assert!(
        message.ends_with("could take 12287 steps to match; at most 4096 are allowed"),
        "{message}"
    );
}

/// How a template fits a path: 0 for a literal, 1 for a parameter, 2 for the rest, so that
/// of two that fit the smaller is the better.
fn fit(template: &Template, path: &str) -> Option<Vec<u8>> {
    let path: Vec<&str> = path.split('/').skip(1).collect();
    let mut fits = Vec::new();
    for (at, segment) in template.segments().iter().enumerate() {
        let there = path.get(at)?;
        match segment {
            Segment::Literal(text) if **text == **there => fits.push(0),
            Segment::Sid | Segment::Parameter(_) if !there.is_empty() => fits.push(1),
            Segment::Rest(_) if !there.is_empty() => {
                fits.push(2);
                return Some(fits);
            }
            _ => return None,
        }
    }
    (fits.len() == path.len()).then_some(fits)
}

fn rules() -> impl Strategy<Value = Vec<(String, Option<Vec<u16>>)>> {
    let segment = select(vec!["a", "b", "ab", "{P}", "{P}"]);
    let template = (
        proptest::collection::vec(segment, 0..4),
        select(vec!["", "", "/", "/{*r}"]),
    );
    let methods = select(vec!["GET", "POST", "GET,POST", "*", "LOCK"]);
    let versions = proptest::option::weighted(0.3, subsequence(vec![0, 1, 2], 1..3));
    let rule = (methods, template, versions).prop_map(|(methods, (segments, end), versions)| {
        let mut text = format!("{methods} ");
        for (at, segment) in segments.iter().enumerate() {
            text.push('/');
            text.push_str(&segment.replace('P', &format!("p{at}")));
        }
        text.push_str(if segments.is_empty() && end.is_empty() {
            "/"
        } else {
            end
        });
        (text, versions)
    });
    proptest::collection::vec(rule, 0..24)
}

proptest! {
    /// Against trying every rule one by one.
    #[test]
    fn the_trie_finds_what_a_search_finds(
        rules in rules(),
        path in "(/(a|b|ab|c)){0,5}/?",
        name in select(vec!["GET", "POST", "LOCK", "HEAD", "MOVE"]),
        version in proptest::option::of(0_u16..3),
    ) {
        let path = if path.is_empty() { "/" } else { &path };
        let drafts: Vec<Draft> = (0..)
            .zip(&rules)
            .map(|(at, (text, versions))| draft(at, text, u32::try_from(at).ok(), versions.clone()))
            .collect();
        let names = |rule: &Rule| match &rule.methods {
            super::super::template::Methods::Any => true,
            super::super::template::Methods::Listed(all) => all.contains(&method(name)),
        };
        let candidates = drafts.iter().filter(|d| names(&d.rule)).filter(|d| match &d.versions {
            None => true,
            Some(only) => version.is_some_and(|v| only.contains(&VersionId(v))),
        });
        let fits: Vec<(Vec<u8>, ScopeId)> = candidates
            .filter_map(|d| Some((fit(&d.rule.template, path)?, d.scope.as_ref()?.0)))
            .collect();
        let best = fits.iter().map(|(fit, _)| fit).min();
        let expected: Vec<ScopeId> = fits
            .iter()
            .filter(|(fit, _)| Some(fit) == best)
            .map(|(_, scope)| *scope)
            .collect();
        // No version is only asked where the catalogue has none, so no rule is limited.
        prop_assume!(version.is_some() || drafts.iter().all(|d| d.versions.is_none()));
        let table = table(&drafts, &[]);
        let found = table.find(&method(name), path, version.map(VersionId));
        let grants = found.map(|f| f.route.grants.iter().map(|g| g.scope).collect::<Vec<_>>());
        prop_assert_eq!(grants.unwrap_or_default(), expected);
    }
}
