use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::auth::BadVersion;
use crate::catalog::VersionId;
use crate::token::Sid;

const CATALOG: &str = r#"
[versions]
latest = "2"
[[versions.version]]
id = "2"
[[versions.version]]
id = "1"
[paths]
public = ["GET /status", { rule = "GET /live", upgrade = true }, { rule = "GET /old", versions = ["1"] }]
[[category]]
name = "All"
[[category.scope]]
id = "write"
allow = ["* /items", "* /items/{id}", "GET /status"]
[[category.scope]]
id = "read"
allow = ["GET /items", "GET /items/{id}", { rule = "GET /items/{id}/feed", upgrade = false }]
[[category.scope]]
id = "feed"
allow = [{ rule = "GET /items/{id}/feed", upgrade = true }]
[[category.scope]]
id = "own"
allow = ["GET /accounts/{sid}/items", { rule = "GET /new", versions = ["2"] }, "GET /{*rest}"]
"#;

fn catalog() -> Catalog {
    Catalog::parse(Path::new("catalog.toml"), CATALOG, None).expect("no fault")
}

fn token(catalog: &Catalog, scopes: &[&str]) -> Token {
    let numbers = scopes
        .iter()
        .map(|id| catalog.scope_number(id).expect("known"));
    let sid = Sid::parse(b"IRme").expect("a SID");
    Token::supposed(sid, numbers.collect())
}

/// What happens to a request: the scope that admits it, or the code of its refusal.
fn judged(catalog: &Catalog, token: &Token, method: &Method, path: &str) -> Result<String, String> {
    match authorize(catalog, Arc::new(token.clone()), method, path, false) {
        Ok(permit) => Ok(permit.scope().expect("a scope admits").to_string()),
        Err(denial) => Err(denial.code().as_str().to_owned()),
    }
}

#[test]
fn the_rows_come_in_their_order() {
    let catalog = catalog();
    let all = token(&catalog, &["write", "read", "feed", "own"]);
    let read = token(&catalog, &["read"]);
    let own = token(&catalog, &["own"]);
    let disabled = Token {
        state: State::Disabled,
        ..all.clone()
    };
    for (token, method, path, expected) in [
        (&disabled, Method::GET, "/items", Err("token_disabled")),
        (&disabled, Method::GET, "/nothing", Err("token_disabled")),
        (&read, Method::PUT, "/nothing", Err("no_route")),
        (
            &read,
            Method::GET,
            "/accounts/IRyou/items",
            Err("sid_mismatch"),
        ),
        (
            &read,
            Method::GET,
            "/accounts/IRme/items",
            Err("scope_not_granted"),
        ),
        (&own, Method::GET, "/accounts/IRme/items", Ok("own")),
        (
            &own,
            Method::GET,
            "/accounts/irme/items",
            Err("sid_mismatch"),
        ),
        (
            &own,
            Method::GET,
            "/accounts/IRme2/items",
            Err("sid_mismatch"),
        ),
        (&read, Method::GET, "/items", Ok("read")),
        (&read, Method::POST, "/items", Err("scope_not_granted")),
        // Both scopes admit; the first of the file is the one that is told.
        (&all, Method::GET, "/items/1", Ok("write")),
        // The narrower rule decides, also where a wider one would admit.
        (&own, Method::GET, "/items/1", Err("scope_not_granted")),
        (&own, Method::GET, "/elsewhere", Ok("own")),
        (&own, Method::HEAD, "/elsewhere", Err("no_route")),
    ] {
        let judged = judged(&catalog, token, &method, path);
        assert_eq!(
            judged.as_deref().map_err(String::as_str),
            expected,
            "{method} {path}"
        );
    }
}

#[test]
fn the_account_stands_for_the_sid() {
    let catalog = catalog();
    let mut token = token(&catalog, &["own"]);
    token.account = Some(Box::new(Sid::parse(b"ACC").expect("a SID")));
    for (path, admitted) in [
        ("/accounts/ACC/items", true),
        ("/accounts/IRme/items", true),
        ("/accounts/ACCIRme/items", false),
    ] {
        assert_eq!(
            judged(&catalog, &token, &Method::GET, path).is_ok(),
            admitted,
            "{path}"
        );
    }
}

#[test]
fn a_denial_tells_the_scopes_that_would_do() {
    let catalog = catalog();
    let token = token(&catalog, &["own"]);
    let sid = token.sid;
    let token = Arc::new(token);
    let denied = |method: &Method, path: &str| {
        let denial = authorize(&catalog, Arc::clone(&token), method, path, false);
        denial.expect_err("it holds another scope")
    };
    let denial = denied(&Method::GET, "/items");
    assert_eq!(denial.required_scopes().join(" "), "read write");
    assert_eq!(denial.sid(), Some(&sid));
    assert_eq!(denial.route().map(|r| &*r.rule), Some("* /items"));
    assert_eq!(
        denied(&Method::PUT, "/items").required_scopes().join(" "),
        "write"
    );
    assert!(
        denied(&Method::PUT, "/nothing")
            .required_scopes()
            .is_empty()
    );
}

#[test]
fn an_upgrade_is_admitted_by_a_scope_that_allows_it() {
    let catalog = catalog();
    let permit = |scopes: &[&str], wants| {
        let token = Arc::new(token(&catalog, scopes));
        let permit = authorize(&catalog, token, &Method::GET, "/items/1/feed", wants);
        let permit = permit.expect("admitted");
        (
            permit.scope().map(ToString::to_string),
            permit.allows_upgrade(),
        )
    };
    let of = |id: &str, upgrade| (Some(id.to_owned()), upgrade);
    assert_eq!(permit(&["read", "feed"], true), of("feed", true));
    assert_eq!(permit(&["read", "feed"], false), of("read", false));
    assert_eq!(permit(&["read"], true), of("read", false));
    assert_eq!(permit(&["feed"], true), of("feed", true));
    assert_eq!(permit(&["feed"], false), of("feed", false));
}

#[test]
fn the_version_decides_which_rules_there_are() {
    let catalog = catalog();
    let judge = |version: Option<VersionId>| {
        let token = Token {
            version,
            ..token(&catalog, &["own"])
        };
        let permit = authorize(&catalog, Arc::new(token), &Method::GET, "/new", false).ok()?;
        let version = permit.version().map(|v| v.id.to_string());
        Some((
            permit.rule().to_string(),
            permit.line(),
            version.unwrap_or_default(),
        ))
    };
    let two = Some(("GET /new".to_owned(), 23, "2".to_owned()));
    assert_eq!(judge(None), two);
    assert_eq!(judge(catalog.version_number("2")), two);
    let one = Some(("GET /{*rest}".to_owned(), 23, "1".to_owned()));
    assert_eq!(judge(catalog.version_number("1")), one);
    assert_eq!(judge(Some(VersionId(77))), None);
}

#[test]
fn a_request_may_name_another_version_than_its_tokens() {
    let catalog = catalog();
    let judge = |named, state| {
        let token = Token {
            state,
            version: catalog.version_number("1"),
            ..token(&catalog, &["own"])
        };
        let permit = authorize_under(
            &catalog,
            Arc::new(token),
            named,
            &Method::GET,
            "/new",
            false,
        );
        permit
            .map(|permit| permit.rule().to_string())
            .map_err(|denial| (denial.code().as_str(), denial.sid().is_some()))
    };
    let two = Ok(catalog.version_number("2"));
    assert_eq!(judge(two, State::Enabled), Ok("GET /new".to_owned()));
    assert_eq!(
        judge(Ok(None), State::Enabled),
        Ok("GET /{*rest}".to_owned())
    );
    // The token's state comes first.
    for (bad, code) in [
        (BadVersion::Unknown, "unknown_version"),
        (BadVersion::Conflict, "version_conflict"),
    ] {
        assert_eq!(judge(Err(bad), State::Enabled), Err((code, true)));
        assert_eq!(
            judge(Err(bad), State::Disabled),
            Err(("token_disabled", true))
        );
    }
}

#[test]
fn public_rules_need_nobody() {
    let catalog = catalog();
    let permit = public(&catalog, &Method::GET, "/status", true).expect("a public rule");
    assert!(permit.token().is_none() && permit.scope().is_none() && !permit.allows_upgrade());
    assert_eq!(permit.version().map(|v| &*v.id), Some("2"));
    let live = |wants| public(&catalog, &Method::GET, "/live", wants).expect("a public rule");
    assert!(live(true).allows_upgrade() && !live(false).allows_upgrade());
    for (method, path) in [
        (Method::POST, "/status"),
        (Method::HEAD, "/status"),
        (Method::GET, "/status/"),
        (Method::GET, "/items"),
        (Method::GET, "/old"),
    ] {
        assert!(
            public(&catalog, &method, path, false).is_none(),
            "{method} {path}"
        );
    }
    let under = |named, path| {
        let permit = public_under(&catalog, named, &Method::GET, path, false);
        permit.map(|permit| permit.is_some())
    };
    let one = catalog.version_number("1");
    assert!(matches!(under(Ok(one), "/old"), Ok(true)));
    assert!(matches!(
        under(Ok(Some(VersionId(77))), "/status"),
        Ok(false)
    ));
    // Public under any version, it is nobody's secret what is wrong.
    for path in ["/status", "/old"] {
        assert!(matches!(
            under(Err(BadVersion::Unknown), path),
            Err(Denial::BadVersion(BadVersion::Unknown, None))
        ));
    }
    assert!(matches!(
        under(Err(BadVersion::Conflict), "/items"),
        Ok(false)
    ));
}

proptest! {
    /// Taking a right away, or the token's state, never turns a refusal into an admission.
    #[test]
    fn less_is_never_more(
        held: [bool; 4],
        kept: [bool; 4],
        method in proptest::sample::select(vec![Method::GET, Method::PUT, Method::HEAD]),
        path in "(/(items|1|feed|accounts|IRme|IRyou|new|status)){1,3}/?",
        upgrade: bool,
    ) {
        let catalog = catalog();
        let pick = |keep: &dyn Fn(usize) -> bool| -> Token {
            let ids = ["write", "read", "feed", "own"].into_iter().enumerate();
            let ids: Vec<&str> = ids.filter(|(at, _)| keep(*at)).map(|(_, id)| id).collect();
            token(&catalog, &ids)
        };
        let holds = |at: usize| held.get(at) == Some(&true);
        let more = pick(&holds);
        let less = pick(&|at| holds(at) && kept.get(at) == Some(&true));
        let admits = |token: Token| {
            authorize(&catalog, Arc::new(token), &method, &path, upgrade).is_ok()
        };
        let disabled = Token { state: State::Disabled, ..more.clone() };
        let (more, less) = (admits(more), admits(less));
        prop_assert!(more || !less);
        prop_assert!(!admits(disabled));
        // What admits is a scope that the token holds.
        prop_assert!(!admits(pick(&|_| false)));
    }
}
