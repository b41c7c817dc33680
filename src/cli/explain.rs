//! `sidgate explain`: would this be admitted, and what decides?

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Error as CommandError;
use super::client::{AdminOptions, Call};
use super::text::{printable, write_table};
use crate::auth::{self, Holder};
use crate::{app, config};

/// Where the admin API explains.
pub(super) const TARGET: &str = "/v1/explain";

/// The SID that stands for any token, unless a token has it.
const ANY: &str = "any";

/// Tell whether a request would be admitted, and which scope, rule and line decides
///
/// The code that judges real requests judges this one, as if it came with valid
/// credentials; limits and load play no part. Exit code 0 where it is admitted, 1 where it
/// is not, or where that cannot be told: then standard output is empty.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The token's Account SID, or "any" for what the rules ask of whoever comes
    #[arg(long)]
    sid: String,
    /// The method, in the case in which it is sent
    #[arg(long)]
    method: Method,
    /// The path as it is sent; of a query, only what names a version counts
    #[arg(long)]
    path: String,
    /// The API version that the request's header names [default: the token's]
    #[arg(long)]
    version: Option<String>,
    /// Decide by this main file and those that it names, and not by a running gate
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminOptions,
}

/// Why nothing is explained, or what the explanation comes to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The decision is no.
    #[error("this request would be refused with {0}")]
    Refused(String),
    /// The files have no such token.
    #[error("no token has the SID {0}")]
    UnknownSid(String),
    /// The files have no such version.
    #[error("the catalogue has no version {0}")]
    UnknownVersion(String),
}

/// The decision, in the form of the admin API.
#[derive(Debug, Deserialize, Serialize)]
struct Explanation {
    admitted: bool,
    code: String,
    status: u16,
    sid: String,
    method: String,
    path: Option<String>,
    version: Option<String>,
    scope: Option<String>,
    rule: Option<String>,
    line: Option<usize>,
    required_scopes: Vec<String>,
    upgrade: bool,
    reason: String,
}

impl Explain {
    pub(super) fn run(self, out: &mut impl Write) -> Result<(), CommandError> {
        let explanation = match &self.config {
            Some(path) => self.by_files(path)?,
            None => {
                let call = Call::new(Method::POST, TARGET).with_json(self.question());
                self.admin.open()?.call(&call)?.read()?
            }
        };
        if self.json {
            let text = serde_json::to_string(&explanation).expect("texts and numbers are JSON");
            writeln!(out, "{text}")
        } else {
            explanation.write(out)
        }
        .map_err(CommandError::Output)?;
        if explanation.admitted {
            Ok(())
        } else {
            Err(Error::Refused(printable(&explanation.code).into_owned()).into())
        }
    }

    fn question(&self) -> String {
        let mut question = json!({
            "sid": self.sid, "method": self.method.as_str(), "path": self.path,
        });
        if let (Some(version), Some(fields)) = (&self.version, question.as_object_mut()) {
            fields.insert("version".to_owned(), version.as_str().into());
        }
        question.to_string()
    }

    fn by_files(&self, main_file: &Path) -> Result<Explanation, CommandError> {
        let snapshot = app::check(&config::load(main_file)?)?;
        let catalog = &snapshot.catalog;
        let number = |id: &String| {
            let unknown = || Error::UnknownVersion(printable(id).into_owned());
            catalog.version_number(id).ok_or_else(unknown)
        };
        let version = self.version.as_ref().map(number).transpose()?;
        let holder = match snapshot.tokens.find(self.sid.as_bytes()) {
            Some(token) => Holder::Token(token),
            None if self.sid == ANY => Holder::Any,
            None => return Err(Error::UnknownSid(printable(&self.sid).into_owned()).into()),
        };
        let decision = auth::explain(catalog, holder, &self.method, &self.path, version);
        let owned = |text: Option<std::sync::Arc<str>>| text.map(|text| text.to_string());
        Ok(Explanation {
            admitted: decision.admitted,
            code: decision.code.as_str().to_owned(),
            status: decision.code.status().as_u16(),
            sid: self.sid.clone(),
            method: self.method.to_string(),
            path: decision.path,
            version: owned(decision.version),
            scope: owned(decision.scope),
            rule: owned(decision.rule),
            line: decision.line,
            required_scopes: decision
                .required_scopes
                .iter()
                .map(ToString::to_string)
                .collect(),
            upgrade: decision.upgrade,
            reason: decision.reason,
        })
    }
}

impl Explanation {
    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let yes_or_no = |yes| if yes { "yes" } else { "no" }.to_owned();
        let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let required = if self.required_scopes.is_empty() {
            "-".to_owned()
        } else {
            self.required_scopes.join(" or ")
        };
        let rows = [
            ("admitted", yes_or_no(self.admitted)),
            ("reason", self.reason.clone()),
            ("code", format!("{} ({})", self.code, self.status)),
            ("sid", self.sid.clone()),
            ("method", self.method.clone()),
            ("path", shown(&self.path)),
            ("version", shown(&self.version)),
            ("scope", shown(&self.scope)),
            ("rule", shown(&self.rule)),
            ("line", shown(&self.line.map(|line| line.to_string()))),
            ("required scopes", required),
            ("upgrade", yes_or_no(self.upgrade)),
        ];
        let rows = rows
            .each_ref()
            .map(|(field, value)| [Cow::Borrowed(*field), printable(value)]);
        write_table(out, &rows)
    }
}
