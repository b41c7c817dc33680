//! Ids made of names: of what people call a thing to what a token lists.

use std::fmt::Write as _;

/// An id made of a name: words of `a-z 0-9` joined by `-`.
///
/// A word ends where case begins anew (`PromoCodes` is `promo-codes`, `APIKeys` is
/// `api-keys`) and at every other character. A letter outside of ASCII is its number, so
/// that two names do not become one id: `Gebühr` is `geb-u00fc-hr`.
pub(in crate::catalog) fn slug(name: &str) -> String {
    let mut slug = String::new();
    let mut before = [None; 2];
    let mut characters = name.chars().peekable();
    while let Some(c) = characters.next() {
        let next = characters.peek().copied();
        if c.is_ascii_alphanumeric() {
            if begins_word(before, c, next) {
                dash(&mut slug);
            }
            slug.push(c.to_ascii_lowercase());
        } else {
            dash(&mut slug);
            if !c.is_ascii() && c.is_alphanumeric() {
                // Writing to a text does not fail.
                let _ = write!(slug, "u{:04x}", u32::from(c));
                dash(&mut slug);
            }
        }
        before = [before[1], Some(c)];
    }
    let length = slug.trim_end_matches('-').len();
    slug.truncate(length);
    if slug.is_empty() {
        slug.push_str("other");
    }
    shortened(slug)
}

/// Whether an upper-case letter begins a word: after a word of lower-case letters, or
/// before one at the end of an abbreviation. One lower-case letter is no word: `iOS`.
fn begins_word(before: [Option<char>; 2], c: char, next: Option<char>) -> bool {
    if !c.is_ascii_uppercase() {
        return false;
    }
    let lower = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase());
    let upper = |c: Option<char>| c.is_some_and(|c| c.is_ascii_uppercase());
    let word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    (lower(before[1]) && word(before[0])) || (upper(before[1]) && lower(next) && word(before[0]))
}

fn dash(slug: &mut String) {
    if !slug.is_empty() && !slug.ends_with('-') {
        slug.push('-');
    }
}

/// The most bytes of an id, less what stands after a category's.
const MAX: usize = 110;

/// A text as it is or, where it is too long for an id, its beginning and a hash of it all.
pub(super) fn shortened(text: String) -> String {
    if text.len() <= MAX {
        return text;
    }
    let mut end = MAX - 9;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let hash = super::fingerprint(&text);
    format!("{}~{hash:08x}", text.get(..end).unwrap_or_default())
}

/// What names have in common that are taken for one: letters and digits without their case,
/// and signs; spaces, `-` and `_` are left out.
pub(in crate::catalog) fn folded(name: &str) -> String {
    let kept = name
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '_'));
    let folded: String = kept.flat_map(char::to_lowercase).collect();
    if folded.is_empty() {
        name.to_owned()
    } else {
        folded
    }
}

/// A name as the catalogue takes it: without control characters and spaces around it, at
/// most 128 characters. `None` where nothing is left.
pub(super) fn name_for_people(text: &str) -> Option<String> {
    let plain: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    let name: String = words.join(" ").chars().take(110).collect();
    let name = name.trim().to_owned();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_become_ids() {
        for (name, id) in [
            ("Ads", "ads"),
            ("Promo Code Exception Lists", "promo-code-exception-lists"),
            ("PromoCodes", "promo-codes"),
            ("ClickExport", "click-export"),
            ("APISubmissions", "api-submissions"),
            ("FTP Submissions", "ftp-submissions"),
            ("Reports (Legacy)", "reports-legacy"),
            ("iOS", "ios"),
            ("OAuth2", "oauth2"),
            ("v1.2 / Größe", "v1-2-gr-u00f6-u00df-e"),
            ("用户", "u7528-u6237"),
            ("C++", "c"),
            ("!!!", "other"),
            ("--a--b--", "a-b"),
        ] {
            assert_eq!(slug(name), id, "{name}");
        }
        let long = slug(&"word ".repeat(60));
        assert!(long.len() <= MAX && long.contains('~'), "{long}");
    }

    #[test]
    fn spellings_of_one_name_are_one() {
        for name in [
            "click export",
            "Click-Export",
            "CLICK_EXPORT",
            "ClickExport",
        ] {
            assert_eq!(folded(name), "clickexport");
        }
        assert_ne!(folded("C++"), folded("C#"));
    }

    #[test]
    fn a_name_is_fit_for_the_catalogue() {
        assert_eq!(name_for_people(" a\n b\t"), Some("a b".to_owned()));
        assert_eq!(name_for_people(" \n"), None);
        let long = name_for_people(&"é".repeat(300)).expect("a name");
        assert_eq!(long.chars().count(), 110);
    }

    proptest! {
        #[test]
        fn a_slug_is_an_identifier(name in any::<String>()) {
            let slug = slug(&name);
            prop_assert!(!slug.is_empty() && slug.len() <= MAX);
            prop_assert!(slug.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\'));
        }
    }
}
