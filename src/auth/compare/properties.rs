//! Whatever two catalogues are, no call changes without being told.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::auth::authorize;
use crate::catalog::template::Segment;
use crate::token::Sid;

/// The token's SID, which rules name too.
const OWN: &str = "me";
/// Its account, which they name as well.
const ACCOUNT: &str = "we";
/// A SID that is another's.
const ANOTHER: &str = "you";

/// A rule, and in which of the two catalogues it is.
#[derive(Clone, Debug)]
struct Written {
    scope: usize,
    rule: String,
    is_in: [bool; 2],
}

fn template(segments: &[usize], last: usize) -> String {
    let mut text = String::new();
    for (at, kind) in segments.iter().enumerate() {
        text.push_str(&match kind {
            0 => "/a".to_owned(),
            1 => format!("/{OWN}"),
            2 => format!("/{ACCOUNT}"),
            3 if !text.contains("{sid}") => "/{sid}".to_owned(),
            _ => format!("/{{x{at}}}"),
        });
    }
    text.push_str(["", "", "", "/", "/{*rest}", "/{*rest}"][last]);
    text
}

fn written() -> impl Strategy<Value = Written> {
    let methods = prop::sample::select(vec!["GET", "*", "GET,SEARCH"]);
    let segments = prop::collection::vec(0_usize..6, 1..=3);
    let is_in = prop::sample::select(vec![[true, false], [false, true], [true, true]]);
    (0_usize..2, methods, segments, 0_usize..6, is_in).prop_map(
        |(scope, methods, segments, last, is_in)| Written {
            scope,
            rule: format!("{methods} {}", template(&segments, last)),
            is_in,
        },
    )
}

fn text(rules: &[Written], side: usize, public: Option<&str>) -> String {
    let mut text = String::new();
    if let Some(public) = public {
        text.push_str(&format!("[paths]\npublic = [\"{public}\"]\n"));
    }
    text.push_str("[[category]]\nname = \"All\"\n");
    for scope in 0..2 {
        text.push_str(&format!(
            "[[category.scope]]\nid = \"s{scope}\"\nallow = [\n"
        ));
        for rule in rules.iter().filter(|r| r.scope == scope && r.is_in[side]) {
            text.push_str(&format!("    \"{}\",\n", rule.rule));
        }
        text.push_str("]\n");
    }
    text
}

fn parse(text: &str, before: Option<&Catalog>) -> Option<Catalog> {
    Catalog::parse(Path::new("catalog.toml"), text, before).ok()
}

/// Every path of 1 to 5 segments of these, without and with a trailing slash.
fn paths() -> Vec<String> {
    let mut longest = vec![String::new()];
    let mut all = Vec::new();
    for _ in 0..5 {
        let segments = ["a", OWN, ACCOUNT, ANOTHER];
        longest = longest
            .iter()
            .flat_map(|path| segments.map(|segment| format!("{path}/{segment}")))
            .collect();
        all.extend(longest.iter().flat_map(|p| [p.clone(), format!("{p}/")]));
    }
    all
}

/// Whether what is told of says so of this path.
fn meets(told: &str, path: &str, own: &[&str]) -> bool {
    let mut rest = path.split('/').skip(1);
    for segment in told.split('/').skip(1) {
        let segment: Segment = segment.parse().expect("a segment");
        let fits = match (&segment, rest.next()) {
            (_, None) => false,
            (Segment::Literal(text), Some(next)) => **text == *next,
            (Segment::Sid, Some(next)) => own.contains(&next),
            (Segment::Parameter(name), Some(next)) if **name == *"other" => {
                !next.is_empty() && !own.contains(&next)
            }
            (Segment::Parameter(_), Some(next)) => !next.is_empty(),
            (Segment::Rest(_), Some(next)) => return !next.is_empty(),
        };
        if !fits {
            return false;
        }
    }
    rest.next().is_none()
}

proptest! {
    // Each case asks about some thousand calls.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_changes_is_told(
        all in prop::collection::vec(written(), 1..8),
        public in prop::option::of(prop::sample::select(vec![
            "GET /a/{x}", "GET /me", "* /{x}/we", "GET /a/{x}/{y}/{z}",
        ])),
        held in 1_usize..4,
        account in any::<bool>(),
    ) {
        // Rules that cannot stand beside the others are left out.
        let mut rules: Vec<Written> = Vec::new();
        for rule in all {
            rules.push(rule);
            let fits = |side| parse(&text(&rules, side, public), None).is_some();
            if !(fits(0) && fits(1)) {
                rules.pop();
            }
        }
        let texts = [0, 1].map(|side| text(&rules, side, public));
        let before = parse(&texts[0], None).expect("no fault");
        let after = parse(&texts[1], Some(&before)).expect("no fault");
        let rule = |written: &Written| written.rule.parse::<Rule>().expect("a rule");
        let changing: Vec<Rule> =
            rules.iter().filter(|r| r.is_in != [true, true]).map(rule).collect();
        let others: Vec<Rule> = rules.iter().map(rule).collect();
        let scopes = (0..2).filter(|scope| held & (1 << scope) != 0);
        let scopes = scopes.map(|scope| before.scope_number(&format!("s{scope}")).expect("known"));
        let sid = |text: &str| Sid::parse(text.as_bytes()).expect("a SID");
        let token = Arc::new(Token {
            account: account.then(|| Box::new(sid(ACCOUNT))),
            ..Token::supposed(sid(OWN), scopes.collect())
        });
        let own: &[&str] = if account { &[OWN, ACCOUNT] } else { &[OWN] };
        let sides = [&before, &after].map(|catalog| Side { catalog, version: None, named: false });
        let [changing, others] =
            [&changing, &others].map(|rules| rules.iter().collect::<Vec<&Rule>>());
        let told = Comparison::between(sides, &changing, &others).of(&token);
        let methods = ["GET", "SEARCH", "REPORT"]
            .map(|name| Method::from_bytes(name.as_bytes()).expect("a token"));
        for path in paths() {
            for method in &methods {
                if sides[0].is_public(method, &path) {
                    continue;
                }
                let [was, is] = sides.map(|side| {
                    authorize(side.catalog, Arc::clone(&token), method, &path, false).is_ok()
                });
                let calls = match (was, is) {
                    (false, true) => &told.gains,
                    (true, false) => &told.loses,
                    _ => continue,
                };
                let is_named = *method == Method::GET
                    || rules.iter().any(|rule| rule.rule.contains(method.as_str()));
                let names = ["*", if is_named { method.as_str() } else { Call::OTHERS }];
                let is_told = calls.iter().any(|call| {
                    call.methods.iter().any(|m| names.contains(&m.as_str()))
                        && meets(&call.path, &path, own)
                });
                prop_assert!(is_told, "{method} {path}: {was} {is}\n{}\n{}\n{told:?}", texts[0], texts[1]);
            }
        }
    }
}
