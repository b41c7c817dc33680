//! What the texts of a token may hold: one set of rules for the token file and the
//! admin API, so that neither lets in what the other refuses.

/// The longest name in characters.
pub const NAME_MAX: usize = 128;
/// The longest description in characters.
pub const DESCRIPTION_MAX: usize = 1_024;
/// The longest e-mail address in bytes (RFC 5321, section 4.5.3.1.3, less the brackets).
pub const EMAIL_MAX: usize = 254;
/// The most developer e-mails of one token.
pub const EMAILS_MAX: usize = 100;

/// Why a text does not fit its field. It never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadText {
    /// A name is empty or too long.
    #[error("a name has 1 to {NAME_MAX} characters")]
    NameLength,
    /// A description is too long.
    #[error("a description has at most {DESCRIPTION_MAX} characters")]
    DescriptionLength,
    /// A control character would garble a terminal or a log.
    #[error("control characters are not allowed here")]
    Control,
    /// Not an e-mail address.
    #[error("this is not a valid e-mail address")]
    Email,
    /// Too many addresses.
    #[error("at most {EMAILS_MAX} e-mail addresses are allowed")]
    TooManyEmails,
}

/// A name: 1 to [`NAME_MAX`] characters, none of them a control character.
///
/// # Errors
/// [`BadText`].
pub fn name(text: &str) -> Result<(), BadText> {
    if text.is_empty() || longer_than(text, NAME_MAX) {
        return Err(BadText::NameLength);
    }
    if text.chars().any(char::is_control) {
        return Err(BadText::Control);
    }
    Ok(())
}

/// A description: up to [`DESCRIPTION_MAX`] characters; of the control characters only
/// tab, line feed and carriage return.
///
/// # Errors
/// [`BadText`].
pub fn description(text: &str) -> Result<(), BadText> {
    if longer_than(text, DESCRIPTION_MAX) {
        return Err(BadText::DescriptionLength);
    }
    let garbles = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    if text.chars().any(garbles) {
        return Err(BadText::Control);
    }
    Ok(())
}

/// An e-mail address as web browsers accept one in a form (WHATWG HTML, "valid e-mail
/// address"), of at most [`EMAIL_MAX`] bytes: one or more of the RFC 5322 `atext`
/// characters and dots, `@`, and dot-separated labels of 1 to 63 letters, digits and inner
/// hyphens. Quoted local parts, comments and address literals are not accepted.
///
/// # Errors
/// [`BadText::Email`].
pub fn email(text: &str) -> Result<(), BadText> {
    let local = |b: u8| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b);
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    match text.split_once('@') {
        Some((before, domain))
            if text.len() <= EMAIL_MAX
                && !before.is_empty()
                && before.bytes().all(local)
                && domain.split('.').all(label) =>
        {
            Ok(())
        }
        _ => Err(BadText::Email),
    }
}

/// As [`email`], or nothing at all.
///
/// # Errors
/// [`BadText::Email`].
pub fn email_or_empty(text: &str) -> Result<(), BadText> {
    if text.is_empty() { Ok(()) } else { email(text) }
}

/// Counts only as far as needed: the text comes from outside and may be megabytes.
fn longer_than(text: &str, most: usize) -> bool {
    text.len() > most && text.chars().nth(most).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted_in_characters() {
        assert_eq!(name(""), Err(BadText::NameLength));
        assert_eq!(name(&"é".repeat(128)), Ok(()));
        assert_eq!(name(&"é".repeat(129)), Err(BadText::NameLength));
        assert_eq!(name("a\u{1b}[2J"), Err(BadText::Control));
        assert_eq!(name("Berichte – täglich"), Ok(()));
    }

    #[test]
    fn a_description_may_have_lines() {
        assert_eq!(description(""), Ok(()));
        assert_eq!(description("one\n\ttwo\r\n"), Ok(()));
        assert_eq!(description("a\0b"), Err(BadText::Control));
        assert_eq!(description(&"x".repeat(1_024)), Ok(()));
        assert_eq!(
            description(&"x".repeat(1_025)),
            Err(BadText::DescriptionLength)
        );
    }

    #[test]
    fn an_email_has_a_local_part_and_a_domain() {
        for good in [
            "a@b",
            "dana@example.com",
            "x+y.z@sub.ex-ample.org",
            "o'b@e.io",
        ] {
            assert_eq!(email(good), Ok(()), "{good}");
        }
        let long = format!("{}@example.com", "a".repeat(250));
        for bad in [
            "",
            "@",
            "a@",
            "@b",
            "a@@b",
            "a@b@c",
            "a b@c",
            "a@-b",
            "a@b-",
            "a@b..c",
            "a@b.",
            "a@b_c",
            "é@b",
            "a@é",
            "a@b\n",
            "<a@b>",
            long.as_str(),
        ] {
            assert_eq!(email(bad), Err(BadText::Email), "{bad}");
        }
    }
}
