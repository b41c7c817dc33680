//! From a path of a document to a template of the catalogue.

use std::fmt::Write as _;

use super::super::path::canonical;
use super::super::template::{Segment, Template};

/// What is said about path parameters from outside of the path.
pub(super) struct Terms<'a> {
    /// Parameters that become `{sid}`.
    pub(super) sid: &'a [String],
    /// Ends of the last segment that no rule names.
    pub(super) suffixes: &'a [String],
    /// Whether a parameter may hold slashes.
    pub(super) greedy: &'a dyn Fn(&str) -> bool,
}

/// A template made of a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Converted {
    pub(super) template: Template,
    /// The first segment of the path that is a literal, as the document writes it.
    pub(super) literal: Option<String>,
    /// Parameters that became `{sid}`.
    pub(super) bound: Vec<String>,
    /// What a reader of the document might not expect.
    pub(super) notes: Vec<String>,
}

/// Why there is no template.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The path is none by OpenAPI's own rules.
    Malformed(String),
    /// No template says the same.
    Inexpressible(String),
}

/// Makes a template of a base path and a path below it.
pub(super) fn convert(base: &str, path: &str, terms: &Terms<'_>) -> Result<Converted, Refused> {
    if !path.starts_with('/') {
        return Err(Refused::Malformed("a path begins with `/`".to_owned()));
    }
    let mut converter = Converter {
        terms,
        names: Vec::new(),
        bound: Vec::new(),
        notes: Vec::new(),
        text: String::new(),
    };
    let base = split(base)?;
    let own = split(path)?;
    let last = own.len().saturating_sub(1);
    for segment in &base {
        converter.segment(segment, false)?;
    }
    for (at, segment) in own.iter().enumerate() {
        converter.segment(segment, at == last)?;
    }
    let template: Template =
        converter
            .text
            .parse()
            .map_err(|fault: super::super::template::BadRule| {
                Refused::Inexpressible(fault.to_string())
            })?;
    let literal = own.iter().find(|s| !s.is_empty() && !s.contains('{'));
    Ok(Converted {
        template,
        literal: literal.map(|s| (*s).to_owned()),
        bound: converter.bound,
        notes: converter.notes,
    })
}

/// Cuts a path at the slashes that are not inside of braces.
fn split(path: &str) -> Result<Vec<&str>, Refused> {
    let mut segments = Vec::new();
    let mut start = None;
    let mut open = false;
    for (at, byte) in path.bytes().enumerate() {
        match byte {
            b'{' if open => return Err(unbalanced()),
            b'{' => open = true,
            b'}' if !open => return Err(unbalanced()),
            b'}' => open = false,
            b'/' if !open => {
                if let Some(start) = start {
                    segments.push(path.get(start..at).unwrap_or_default());
                }
                start = Some(at + 1);
            }
            _ => {}
        }
    }
    if open {
        return Err(unbalanced());
    }
    if let Some(start) = start {
        segments.push(path.get(start..).unwrap_or_default());
    }
    Ok(segments)
}

fn unbalanced() -> Refused {
    Refused::Malformed("a brace is not closed, not opened, or inside of others".to_owned())
}

struct Converter<'a> {
    terms: &'a Terms<'a>,
    names: Vec<String>,
    bound: Vec<String>,
    notes: Vec<String>,
    text: String,
}

impl Converter<'_> {
    fn segment(&mut self, segment: &str, last: bool) -> Result<(), Refused> {
        let segment = if last {
            self.without_suffix(segment)
        } else {
            segment
        };
        self.text.push('/');
        let inner = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}'));
        match inner.filter(|inner| !inner.contains(['{', '}'])) {
            Some(inner) => self.parameter(inner, last),
            None if segment.contains('{') => Err(Refused::Inexpressible(format!(
                "a parameter is a whole segment; `{}` is only partly one",
                segment.escape_debug()
            ))),
            None => self.literal(segment),
        }
    }

    fn without_suffix<'s>(&self, segment: &'s str) -> &'s str {
        let cut = |s: &String| {
            let named = segment.strip_suffix(s.as_str())?;
            (!named.is_empty()).then_some(named)
        };
        // The longest, as the gate does.
        let named = self.terms.suffixes.iter().filter_map(cut);
        named.min_by_key(|named| named.len()).unwrap_or(segment)
    }

    fn parameter(&mut self, inner: &str, last: bool) -> Result<(), Refused> {
        if inner.is_empty() {
            return Err(Refused::Malformed("a parameter needs a name".to_owned()));
        }
        if inner.contains(['=', '/', '?', '&', '#']) {
            return Err(Refused::Inexpressible(format!(
                "the parameter `{{{}}}` has a pattern",
                inner.escape_debug()
            )));
        }
        // RFC 6570 and API gateways mark a parameter that takes several segments.
        let marked = inner
            .trim_start_matches(['+', '*'])
            .trim_end_matches(['+', '*']);
        let greedy = marked.len() < inner.len() || (self.terms.greedy)(marked);
        if self.terms.sid.iter().any(|name| name == marked) {
            self.bound.push(marked.to_owned());
            self.text.push_str("{sid}");
            return Ok(());
        }
        if greedy && !last {
            return Err(Refused::Inexpressible(format!(
                "`{{{}}}` takes several segments and is not the last one",
                inner.escape_debug()
            )));
        }
        let name = self.unique(marked);
        if greedy {
            self.notes.push(format!(
                "`{{{}}}` is taken for one or more segments",
                inner.escape_debug()
            ));
        }
        let star = if greedy { "*" } else { "" };
        write!(self.text, "{{{star}{name}}}").map_err(|_| unbalanced())
    }

    /// A name that the catalogue takes, that no parameter has yet, and that binds nothing.
    fn unique(&mut self, written: &str) -> String {
        let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let mut name: String = written
            .chars()
            .map(|c| if fit(c) { c } else { '_' })
            .collect();
        if name.is_empty() {
            name.push('_');
        }
        if name == "sid" {
            self.notes.push(
                "`{sid}` is written `{sid_}`: in a rule, `{sid}` is the caller's own; \
                 `--sid-parameter sid` binds it"
                    .to_owned(),
            );
            name.push('_');
        }
        let base = name.clone();
        let mut count = 1_u32;
        while self.names.contains(&name) {
            count += 1;
            name = format!("{base}_{count}");
        }
        self.names.push(name.clone());
        name
    }

    fn literal(&mut self, segment: &str) -> Result<(), Refused> {
        if segment.contains('*') {
            self.notes.push("`*` is taken literally".to_owned());
        }
        let mut escaped = String::from("/");
        for byte in segment.bytes() {
            match byte {
                b' ' | 0x80.. => {
                    write!(escaped, "%{byte:02X}").map_err(|_| unbalanced())?;
                }
                byte => escaped.push(char::from(byte)),
            }
        }
        let form =
            canonical(&escaped).map_err(|fault| Refused::Inexpressible(fault.to_string()))?;
        self.text
            .push_str(form.strip_prefix('/').unwrap_or_default());
        Ok(())
    }
}

/// A template without the names of its parameters: what two that meet the same requests
/// have in common. `{sid}` counts as a parameter.
pub(super) fn shape(template: &Template) -> String {
    let mut shape = String::new();
    for segment in template.segments() {
        shape.push('/');
        match segment {
            Segment::Literal(text) => shape.push_str(text),
            Segment::Sid | Segment::Parameter(_) => shape.push_str("{}"),
            Segment::Rest(_) => shape.push_str("{*}"),
        }
    }
    shape
}

#[cfg(test)]
mod tests {
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
            ("/a?b=c", "a ? or #"),
            ("/a#b", "a ? or #"),
            ("/a;v=1", "a semicolon"),
            ("/a//b", "an empty segment"),
            ("/a/../b", "a . or .. segment"),
            ("/a%2Fb", "an encoded / % ? or #"),
            ("/{path+}/b", "is not the last one"),
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
}
