//! A draft as the text of a catalogue.

use super::draft::{Draft, Rule, Scope};
use super::path::shape;
use crate::fault::is_unsafe;

impl Draft {
    /// The whole catalogue, as a file of its own.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::from(
            "# What can be granted, drafted by `sidgate catalog import` from OpenAPI documents.\n\
             # Change it as you like: an import onto this file keeps what was written by hand.\n",
        );
        if let Some(version) = &self.version {
            let id = quoted(version);
            text.push_str(&format!("\n[versions]\nlatest = {id}\n"));
            text.push_str(&format!("\n[[versions.version]]\nid = {id}\n"));
        }
        if !self.ignored_suffixes.is_empty() {
            let suffixes: Vec<String> = self.ignored_suffixes.iter().map(|s| quoted(s)).collect();
            let suffixes = suffixes.join(", ");
            text.push_str(&format!("\n[paths]\nignored_suffixes = [{suffixes}]\n"));
        }
        for category in &self.categories {
            let name = quoted(&category.name);
            text.push_str(&format!("\n[[category]]\nname = {name}\n"));
            for scope in &category.scopes {
                text.push('\n');
                text.push_str(&scope.render(self.version.as_deref()));
            }
        }
        text
    }
}

impl Scope {
    /// The scope as a `[[category.scope]]`.
    pub(in crate::catalog) fn render(&self, version: Option<&str>) -> String {
        let mut text = format!(
            "[[category.scope]]\nid = {}\nname = {}\nallow = [\n",
            quoted(&self.id),
            quoted(&self.name)
        );
        for rule in &self.rules {
            text.push_str(&format!("    {},\n", quoted(&rule.to_string())));
        }
        let marks = self.rules.iter().map(|rule| rule.mark(version));
        text.push_str(&format!("]\nimported = {}\n", marks_text(marks)));
        text
    }
}

impl Rule {
    /// By what an import knows that this rule was made by an earlier one, under a version:
    /// 8 hex digits for its method and its template without the names of parameters.
    pub(in crate::catalog) fn mark(&self, version: Option<&str>) -> String {
        let sid = self
            .template
            .sid()
            .map_or(String::new(), |at| at.to_string());
        let (method, shape) = (&self.method, shape(&self.template));
        let version = version.unwrap_or_default();
        let number = super::fingerprint(&format!("{version} {method} {shape} {sid}"));
        format!("{number:08x}")
    }
}

/// The value of the key `imported`: marks, eight in a line where they are more.
pub(in crate::catalog) fn marks_text(marks: impl IntoIterator<Item = String>) -> String {
    const IN_A_LINE: usize = 8;
    let mut marks: Vec<String> = marks.into_iter().collect();
    marks.sort_unstable();
    marks.dedup();
    if marks.is_empty() {
        return "[]".to_owned();
    }
    if marks.len() <= IN_A_LINE {
        return format!("[\"{}\"]", marks.join(" "));
    }
    let mut text = String::from("[\n");
    for line in marks.chunks(IN_A_LINE) {
        text.push_str(&format!("    \"{}\",\n", line.join(" ")));
    }
    text.push(']');
    text
}

/// A text as a TOML string, in which nothing turns the direction of what an editor shows.
pub(in crate::catalog) fn quoted(text: &str) -> String {
    if !text.contains(is_unsafe) {
        return toml::Value::from(text).to_string();
    }
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            character if is_unsafe(character) => {
                quoted.push_str(&format!("\\u{:04X}", u32::from(character)));
            }
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_character_that_hides_others_is_written_as_an_escape() {
        assert_eq!(quoted("Ünï 1"), "\"Ünï 1\"");
        assert_eq!(
            quoted("a\u{202e}\"b\\\u{7f}\n"),
            "\"a\\u202E\\\"b\\\\\\u007F\\u000A\""
        );
    }

    proptest! {
        #[test]
        fn a_quoted_text_is_itself_again(text in any::<String>(), control in "[\u{80}-\u{9f}\u{200e}\u{2066}\t\n\\\\\"']{0,3}") {
            let text = format!("{text}{control}");
            let written = quoted(&text);
            prop_assert!(!written.contains(is_unsafe));
            let table: toml::Table = format!("a = {written}").parse().expect("TOML");
            prop_assert_eq!(table["a"].as_str(), Some(text.as_str()));
        }
    }
}
