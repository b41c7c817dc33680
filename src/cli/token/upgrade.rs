//! `sidgate token upgrade`: shows what the token gains and loses, then upgrades it.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use clap::Args;
use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::confirm::Confirm;
use super::view::{tell, write_json};
use super::{Form, Subject};
use crate::cli::Error;
use crate::cli::client::{AdminOptions, Call, Client};
use crate::cli::text::{printable, write_table};

/// Bring a token to a newer API version
///
/// What it gains and loses by that is shown on standard error first, and at a terminal
/// there is a question where that is anything.
#[derive(Debug, Args)]
pub(super) struct Upgrade {
    #[command(flatten)]
    subject: Subject,
    /// The version [default: the latest]
    #[arg(long, value_name = "VERSION", visible_alias = "version")]
    api_version: Option<String>,
    /// Only show what the token would gain and lose
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    #[command(flatten)]
    confirm: Confirm,
    #[command(flatten)]
    form: Form,
}

/// What an upgrade would change, as the admin API tells it.
#[derive(Debug, Deserialize)]
struct Preview {
    sid: String,
    name: String,
    from: Option<String>,
    to: Option<String>,
    gains: Vec<Changed>,
    loses: Vec<Changed>,
}

#[derive(Debug, Deserialize)]
struct Changed {
    methods: Vec<String>,
    path: String,
    scope: String,
    code: String,
    #[serde(default)]
    upgrade: bool,
    required_scopes: Vec<String>,
}

impl Upgrade {
    pub(super) fn run(self, admin: AdminOptions, out: &mut impl Write) -> Result<(), Error> {
        let client = admin.open()?;
        if self.dry_run {
            let answer = client.call(&self.call(true))?;
            if self.form.json {
                return write_json(&answer, out);
            }
            let preview: Preview = answer.read()?;
            return preview.write(out).map_err(Error::Output);
        }
        let etag = if self.confirm.is_yes() {
            None
        } else {
            self.show(&client)?
        };
        let answer = client.call(&self.call(false).if_match(etag))?;
        tell(&answer, self.form, out)
    }

    /// Shows what would change, and asks where somebody is there. What is upgraded is then
    /// the token as it was shown.
    fn show(&self, client: &Client) -> Result<Option<http::HeaderValue>, Error> {
        let answer = client.call(&self.call(true))?;
        let preview: Preview = answer.read()?;
        let mut text = Vec::new();
        preview.write(&mut text).map_err(Error::Output)?;
        // Where standard error is closed nobody wants to know.
        let _ = io::stderr().write_all(&text);
        if io::stdin().is_terminal() && !preview.is_empty() {
            self.confirm.question("Upgrade it?")?;
        }
        Ok(answer.etag)
    }

    fn call(&self, dry_run: bool) -> Call {
        let call = Call::new(Method::POST, self.subject.target("/upgrade"));
        let mut fields = Map::new();
        if let Some(version) = &self.api_version {
            fields.insert("version".to_owned(), version.as_str().into());
        }
        if dry_run {
            fields.insert("dry_run".to_owned(), true.into());
        }
        if fields.is_empty() {
            call
        } else {
            call.with_json(Value::Object(fields).to_string())
        }
    }
}

impl Preview {
    fn is_empty(&self) -> bool {
        self.gains.is_empty() && self.loses.is_empty()
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let shown = |version: &Option<String>| version.clone().unwrap_or_else(|| "-".to_owned());
        writeln!(
            out,
            "\"{}\" ({}) from version {} to {}",
            printable(&self.name),
            printable(&self.sid),
            printable(&shown(&self.from)),
            printable(&shown(&self.to)),
        )?;
        if self.is_empty() {
            return writeln!(out, "gains and loses nothing");
        }
        let gains = self.gains.iter().map(|call| {
            let scope = format!("by {}", call.scope);
            ("gains", call, scope)
        });
        let loses = self.loses.iter().map(|call| {
            let mut why = if call.upgrade {
                "served without the upgrade".to_owned()
            } else {
                call.code.clone()
            };
            if !call.required_scopes.is_empty() {
                why.push_str(&format!(": {}", call.required_scopes.join(" or ")));
            }
            ("loses", call, why)
        });
        let row = |(sign, call, why): (&'static str, &Changed, String)| {
            let upgrade = if call.upgrade { " (upgrade)" } else { "" };
            let call = format!("{} {}{upgrade}", call.methods.join(","), call.path);
            let texts = [call, why].map(|text| Cow::Owned(printable(&text).into_owned()));
            let [call, why] = texts;
            [Cow::Borrowed(sign), call, why]
        };
        let rows: Vec<[Cow<'_, str>; 3]> = gains.chain(loses).map(row).collect();
        write_table(out, &rows)
    }
}
