//! A token as the admin API shows it, and as a person or a program is told of it.

use std::borrow::Cow;
use std::io::{self, Write};

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use super::Form;
use crate::cli::Error;
use crate::cli::client::Answer;
use crate::cli::text::{age, printable, write_table};

/// What the admin API shows of a token.
#[derive(Debug, Deserialize)]
pub(super) struct View {
    pub(super) sid: String,
    pub(super) name: String,
    description: String,
    api_version: Option<String>,
    latest_version: Option<String>,
    primary_contact: String,
    developer_emails: Vec<String>,
    scopes: Vec<String>,
    state: String,
    created_at: Option<String>,
    updated_at: Option<String>,
}

/// The part of an answer that no log, error or table may have.
#[derive(Deserialize)]
struct Issued {
    sid: String,
    name: Option<String>,
    auth_token: String,
}

impl View {
    /// Its row in a list.
    pub(super) fn row(&self, now: Timestamp) -> [Cow<'_, str>; 6] {
        let created = self.created_at.as_deref().and_then(|at| at.parse().ok());
        [
            printable(&self.sid),
            printable(&self.name),
            printable(&self.state),
            printable(self.api_version.as_deref().unwrap_or("-")),
            self.scopes.len().to_string().into(),
            created.map_or("-".into(), |at| age(at, now).into()),
        ]
    }

    /// The name and the SID, to tell it from any other.
    pub(super) fn told(&self) -> String {
        format!("\"{}\" ({})", printable(&self.name), printable(&self.sid))
    }

    /// Everything, a line for each field.
    fn write(&self, out: &mut impl Write, now: Timestamp) -> io::Result<()> {
        let version = match (&self.api_version, &self.latest_version) {
            (Some(version), Some(latest)) if version != latest => {
                format!("{version} (latest {latest})")
            }
            (version, _) => version.clone().unwrap_or_default(),
        };
        let time = |at: &Option<String>| match at {
            None => String::new(),
            Some(text) => match text.parse() {
                Ok(at) => format!("{text} ({} ago)", age(at, now)),
                Err(_) => text.clone(),
            },
        };
        let rows = [
            ("sid", self.sid.clone()),
            ("name", self.name.clone()),
            ("description", self.description.clone()),
            ("state", self.state.clone()),
            ("version", version),
            ("primary contact", self.primary_contact.clone()),
            ("developer e-mails", self.developer_emails.join(", ")),
            ("scopes", self.scopes.join(", ")),
            ("created", time(&self.created_at)),
            ("updated", time(&self.updated_at)),
        ];
        let rows = rows.each_ref().map(|(field, value)| {
            let value = if value.is_empty() { "-" } else { value };
            [Cow::Borrowed(*field), printable(value)]
        });
        write_table(out, &rows)
    }
}

/// Tells of a token: all of its fields, or the JSON.
pub(super) fn tell(answer: &Answer, form: Form, out: &mut impl Write) -> Result<(), Error> {
    if form.json {
        return write_json(answer, out);
    }
    let view: View = answer.read()?;
    view.write(out, Timestamp::now()).map_err(Error::Output)
}

/// Prints the auth token alone, so that it can be piped, and tells on standard error
/// whose it is; or the JSON, which has both.
pub(super) fn hand_over(
    answer: &Answer,
    what: &str,
    form: Form,
    out: &mut impl Write,
) -> Result<(), Error> {
    if form.json {
        return write_json(answer, out);
    }
    let issued: Issued = answer.read()?;
    let auth_token = Zeroizing::new(issued.auth_token);
    writeln!(out, "{}", *auth_token)
        .and_then(|()| out.flush())
        .map_err(Error::Output)?;
    let sid = printable(&issued.sid);
    match issued.name {
        Some(name) => note(&format!("{what} \"{}\" ({sid})", printable(&name))),
        None => note(&format!("{what} {sid}")),
    }
    Ok(())
}

/// Prints an answer as it came, with a line end.
pub(super) fn write_json(answer: &Answer, out: &mut impl Write) -> Result<(), Error> {
    let _: IgnoredAny = answer.read()?;
    let text = answer.body.trim_ascii_end();
    out.write_all(text)
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush())
        .map_err(Error::Output)
}

/// Says something on standard error. Where that is closed nobody wants to know.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
