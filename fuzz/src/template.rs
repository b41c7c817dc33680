//! Rules and requests -> [`sidgate::catalog`]: what a template says, and what it matches.
//!
//! The reference is a search: it holds every rule against the request, one after the other,
//! and of those that fit takes the narrowest, segment by segment.

use std::path::Path;

use http::Method;
use sidgate::auth::target::canonical;
use sidgate::catalog::Catalog;
use sidgate::catalog::template::{Methods, Rule, Segment, Template};

/// Pieces of rules and requests, so that most inputs mean something.
const PIECES: [&str; 32] = [
    "/",
    "/a",
    "/b",
    "/a/b",
    "a",
    "b",
    "/{x}",
    "/{y}",
    "/{*rest}",
    "/{sid}",
    ".json",
    ".",
    "..",
    "%2E",
    "%61",
    "%20",
    "%C3%A9",
    "{",
    "}",
    "/a.json",
    "/x",
    "/alice",
    "~",
    "\n",
    "\n",
    "\n",
    "\nGET ",
    "\nGET,HEAD ",
    "\n* ",
    "\n? GET ",
    "\n? POST ",
    "\n? HEAD ",
];

/// A rule of the catalogue, as the reference knows it.
struct Known {
    text: String,
    rule: Rule,
    public: bool,
}

/// The first byte says whether the rest is text or numbers of pieces. Each line is a rule, a
/// public rule after `!`, an ignored suffix after `+`, or, after `?`, a request.
///
/// # Panics
/// Where a rule is not read as it was written, or a request meets another rule than in the
/// reference.
pub fn check(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else {
        return;
    };
    let text = if mode & 1 == 0 {
        String::from_utf8_lossy(rest).into_owned()
    } else {
        let pieces = rest
            .iter()
            .map(|&at| PIECES[usize::from(at) % PIECES.len()]);
        pieces.collect()
    };
    let (mut rules, mut suffixes, mut requests) = (Vec::new(), Vec::new(), Vec::new());
    for line in text.lines() {
        if let Some(request) = line.strip_prefix("? ") {
            requests.push(request);
        } else if let Some(suffix) = line.strip_prefix('+') {
            suffixes.push(suffix.to_owned());
        } else {
            let public = line.starts_with('!');
            let text = line.strip_prefix('!').unwrap_or(line).to_owned();
            if let Some(rule) = read(&text) {
                rules.push(Known { text, rule, public });
            }
        }
    }
    let Ok(catalog) = Catalog::parse(Path::new("c"), &written(&rules, &suffixes), None) else {
        return;
    };
    for request in requests {
        let Some((method, path)) = request.split_once(' ') else {
            continue;
        };
        let (Ok(method), Ok(path)) = (Method::from_bytes(method.as_bytes()), canonical(path))
        else {
            continue;
        };
        compare(&catalog, &rules, &suffixes, &method, &path);
    }
}

/// Reads a rule, and holds it against what it was read from.
fn read(text: &str) -> Option<Rule> {
    let rule: Rule = text.parse().ok()?;
    let shown = rule.to_string();
    assert_eq!(
        shown.parse().as_ref(),
        Ok(&rule),
        "{text:?} is shown as {shown:?}"
    );
    // Spaces between methods and template are all that may be spelt in two ways.
    let one_space = |text: &str| {
        let (methods, template) = text.split_once(' ').expect("a rule has a space");
        format!("{methods} {}", template.trim_start_matches(' '))
    };
    assert_eq!(shown, one_space(text));
    let segments = rule.template.segments();
    assert!((1..=Template::MAX_SEGMENTS).contains(&segments.len()));
    let sids = segments.iter().filter(|s| **s == Segment::Sid).count();
    assert!(sids <= 1);
    for (at, segment) in segments.iter().enumerate() {
        let last = at + 1 == segments.len();
        match segment {
            Segment::Literal(literal) => {
                assert!(!literal.is_empty() || last);
                let path = format!("/{literal}");
                assert_eq!(
                    canonical(&path).as_deref(),
                    Ok(path.as_str()),
                    "no request meets it"
                );
            }
            Segment::Rest(_) => assert!(last),
            Segment::Sid | Segment::Parameter(_) => {}
        }
    }
    if let Methods::Listed(methods) = &rule.methods {
        let served = |m: &Method| *m != Method::CONNECT && *m != Method::TRACE;
        assert!(!methods.is_empty() && methods.iter().all(served));
    }
    Some(rule)
}

/// The rules as a catalogue, each under a scope of its own.
fn written(rules: &[Known], suffixes: &[String]) -> String {
    let strings = |texts: &[&str]| {
        let quoted: Vec<String> = texts
            .iter()
            .map(|&t| toml::Value::from(t).to_string())
            .collect();
        format!("[{}]", quoted.join(", "))
    };
    let public: Vec<&str> = rules
        .iter()
        .filter(|r| r.public)
        .map(|r| &*r.text)
        .collect();
    let suffixes: Vec<&str> = suffixes.iter().map(String::as_str).collect();
    let mut text = format!(
        "[paths]\nignored_suffixes = {}\npublic = {}\n[[category]]\nname = \"All\"\n",
        strings(&suffixes),
        strings(&public),
    );
    for (at, rule) in rules.iter().enumerate().filter(|(_, rule)| !rule.public) {
        let allow = strings(&[&rule.text]);
        text.push_str(&format!(
            "[[category.scope]]\nid = \"s{at}\"\nallow = {allow}\n"
        ));
    }
    text
}

fn compare(catalog: &Catalog, rules: &[Known], suffixes: &[String], method: &Method, path: &str) {
    for public in [false, true] {
        let found = if public {
            catalog.routes.find_public(method, path, None)
        } else {
            catalog.routes.find(method, path, None)
        };
        let expected = search(rules, suffixes, public, method, path);
        let Some((route, sid)) = found.map(|found| (found.route, found.sid)) else {
            assert!(expected.is_empty(), "{method} {path} meets nothing");
            continue;
        };
        let Some((first, first_sid)) = expected.first() else {
            panic!("{method} {path} meets {}", route.rule);
        };
        assert_eq!(*route.rule, *first.text, "{method} {path}");
        assert_eq!(sid, first_sid.as_deref(), "{method} {path}");
        let granting: Vec<&str> = route.grants.iter().map(|grant| &*grant.rule).collect();
        let expected = expected.iter().filter(|_| !public);
        let expected: Vec<&str> = expected.map(|(rule, _)| &*rule.text).collect();
        assert_eq!(granting, expected, "{method} {path}");
    }
}

/// The narrowest rules that fit, in the order of the file, each with what stands for `{sid}`.
fn search<'r>(
    rules: &'r [Known],
    suffixes: &[String],
    public: bool,
    method: &Method,
    path: &str,
) -> Vec<(&'r Known, Option<String>)> {
    let Some(segments) = segments(path, suffixes) else {
        return Vec::new();
    };
    let mut best: Vec<(&Known, Option<String>)> = Vec::new();
    let mut narrowest: Option<Vec<u8>> = None;
    for rule in rules.iter().filter(|rule| rule.public == public) {
        let named = match &rule.rule.methods {
            Methods::Any => *method != Method::CONNECT && *method != Method::TRACE,
            Methods::Listed(methods) => methods.contains(method),
        };
        let Some((kinds, sid)) = fit(rule.rule.template.segments(), &segments) else {
            continue;
        };
        if !named || narrowest.as_ref().is_some_and(|best| kinds > *best) {
            continue;
        }
        if narrowest.as_ref() != Some(&kinds) {
            best.clear();
        }
        narrowest = Some(kinds);
        best.push((rule, sid));
    }
    best
}

/// The segments that rules name: without the longest suffix, which must leave something.
fn segments(path: &str, suffixes: &[String]) -> Option<Vec<String>> {
    let mut segments: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
    let last = segments.last_mut()?;
    let fits = |suffix: &&String| last.ends_with(suffix.as_str());
    if let Some(longest) = suffixes.iter().filter(fits).map(String::len).max() {
        last.truncate(last.len() - longest);
        if matches!(&**last, "" | "." | "..") {
            return None;
        }
    }
    Some(segments)
}

/// How narrowly each segment is named (0 literally, 1 by `{name}`, 2 by `{*name}`), and what
/// stands for `{sid}`.
fn fit(template: &[Segment], path: &[String]) -> Option<(Vec<u8>, Option<String>)> {
    let (mut kinds, mut sid) = (Vec::new(), None);
    for (at, segment) in template.iter().enumerate() {
        let text = path.get(at)?;
        match segment {
            Segment::Literal(literal) if **literal == **text => kinds.push(0),
            Segment::Literal(_) => return None,
            _ if text.is_empty() => return None,
            Segment::Rest(_) => {
                kinds.push(2);
                return Some((kinds, sid));
            }
            Segment::Parameter(_) => kinds.push(1),
            Segment::Sid => {
                kinds.push(1);
                sid = Some(text.clone());
            }
        }
    }
    (template.len() == path.len()).then_some((kinds, sid))
}
