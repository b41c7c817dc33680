//! The decision alone, so often, for `scripts/steady` to count its instructions:
//!
//! steady admitted|refused TOKENS RULES DECISIONS
//!
//! An example in Cargo's eyes, as a benchmark would be built with the program beside it. The
//! same tokens, rules and requests each time, so that two runs count the same.
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::fmt::Write;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method};
use sidgate::auth::target::canonical;
use sidgate::auth::{Authentication, Denial, Keys, Permit, authenticate, authorize, public};
use sidgate::catalog::Catalog;
use sidgate::snapshot::TokenTable;
use sidgate::token::{Digest, ScopeSet, Secret, Sid, State, Texts, Token};

const SECRET: &str = "the secret of every token in this table";
/// As long, so that only what follows from it differs.
const WRONG: &str = "the secret of no token, in no table now";
/// Heads are made before anything is counted.
const HEADS: usize = 256;

fn main() {
    let mut words = std::env::args().skip(1);
    let admits = words.next().unwrap() == "admitted";
    let given: Vec<usize> = words.map(|word| word.parse().unwrap()).collect();
    let &[tokens, rules, decisions] = &given[..] else {
        panic!("steady admitted|refused TOKENS RULES DECISIONS");
    };
    let catalog = catalog(rules);
    let table = table(tokens, &catalog);
    let secret = if admits { SECRET } else { WRONG };
    let heads: Vec<_> = (0..HEADS)
        .map(|number| head(number * 7919 % tokens, secret, number * 7919 % rules))
        .collect();
    let admitted = decide_all(&catalog, &table, &heads, decisions);
    assert_eq!(admitted, if admits { decisions } else { 0 });
}

/// What is counted: named on the command line of the counter.
#[inline(never)]
fn decide_all(
    catalog: &Catalog,
    tokens: &TokenTable,
    heads: &[(HeaderMap, String)],
    decisions: usize,
) -> usize {
    let keys = Keys::default();
    let heads = heads.iter().cycle().take(decisions);
    heads
        .filter(|(headers, path)| {
            black_box(decide(catalog, tokens, &keys, black_box(headers), path)).is_ok()
        })
        .count()
}

fn decide(
    catalog: &Catalog,
    tokens: &TokenTable,
    keys: &Keys,
    headers: &HeaderMap,
    path: &str,
) -> Result<Permit, Denial> {
    let path = canonical(path).unwrap();
    if let Some(permit) = public(catalog, &Method::GET, &path, false) {
        return Ok(permit);
    }
    match authenticate(tokens, keys, headers)? {
        Authentication::Token(token) => authorize(catalog, token, &Method::GET, &path, false),
        Authentication::Slow(_) => panic!("no digest here is slow"),
    }
}

fn catalog(rules: usize) -> Catalog {
    let mut text = String::from(
        "[paths]\npublic = [\"GET /health\"]\n[[category]]\nname = \"All\"\n\
         [[category.scope]]\nid = \"all\"\nname = \"All\"\nallow = [\n",
    );
    for rule in 0..rules {
        writeln!(text, "  \"GET /v1/accounts/{{sid}}/things{rule}/{{id}}\",").unwrap();
    }
    text.push_str("]\n");
    Catalog::parse(Path::new("catalog.toml"), &text, None).unwrap()
}

fn sid(number: usize) -> String {
    format!("IR{number:032}")
}

fn table(tokens: usize, catalog: &Catalog) -> TokenTable {
    let digest = Digest::of(&Secret::new(SECRET.as_bytes().to_vec()));
    let scopes: ScopeSet = catalog.scope_number("all").into_iter().collect();
    let token = |number| {
        Arc::new(Token {
            sid: Sid::parse(sid(number).as_bytes()).unwrap(),
            digest: digest.clone(),
            state: State::Enabled,
            version: None,
            scopes: scopes.clone(),
            account: None,
            texts: Box::new(Texts::default()),
        })
    };
    TokenTable::new((0..tokens).map(token))
}

fn head(token: usize, secret: &str, rule: usize) -> (HeaderMap, String) {
    let sid = sid(token);
    let value = format!("Basic {}", STANDARD.encode(format!("{sid}:{secret}")));
    let mut headers = HeaderMap::new();
    for name in ["host", "user-agent", "accept"] {
        headers.insert(name, HeaderValue::from_static("bench"));
    }
    headers.insert(AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
    (headers, format!("/v1/accounts/{sid}/things{rule}/42"))
}
