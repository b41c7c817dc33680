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
    if let Some((before, _)) = path.split_once(['?', '#'])
        && before.matches('{').count() == before.matches('}').count()
    {
        let why = "a rule names a path alone, without a query or a fragment";
        return Err(Refused::Inexpressible(why.to_owned()));
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
        // `{id:[0-9]+}`: what stands at the end is of the pattern, and marks nothing.
        let is_regex = inner.ends_with(['+', '*']) && inner.contains([':', '[', '(', '\\', '|']);
        if is_regex || inner.contains(['=', '/', '?', '&', '#']) {
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
        let name = self.unique(marked);
        let written = inner.escape_debug();
        match (greedy, last) {
            (false, _) => {}
            (true, true) => {
                let note = format!("`{{{written}}}` is taken for one or more segments");
                self.notes.push(note);
            }
            (true, false) => self.notes.push(format!(
                "`{{{written}}}` may hold slashes, and is taken for one segment, since it is \
                 not the last"
            )),
        }
        let star = if greedy && last { "*" } else { "" };
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
pub(in crate::catalog) fn shape(template: &Template) -> String {
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
mod tests;
