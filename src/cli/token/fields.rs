//! The fields of a token from flags, or from a JSON file as it is.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::cli::client::AdminOptions;
use crate::cli::{Error as CommandError, stdin};

/// Bytes of a body that the admin API takes.
const MAX_BODY: u64 = 64 * 1024;

/// What a token can be given.
#[derive(Debug, Args, Serialize)]
pub(super) struct Fields {
    /// Name, 1 to 128 characters
    #[arg(long, value_name = "TEXT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,

    /// Description, up to 1,024 characters
    #[arg(long, value_name = "TEXT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,

    /// API version; a token that has one can only be given a newer one
    #[arg(long, value_name = "VERSION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<String>,

    /// E-mail address of the primary contact
    #[arg(long, value_name = "EMAIL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    primary_contact: Option<String>,

    /// E-mail address of a developer; may be given several times, for all of them
    #[arg(long = "developer-email", value_name = "EMAIL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    developer_emails: Option<Vec<String>>,

    /// Scope that is granted; may be given several times, for all of them
    #[arg(long = "scope", value_name = "SCOPE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<String>>,

    /// File with these fields as a JSON object, - for standard input
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["name", "description", "api_version", "primary_contact",
            "developer_emails", "scopes"]
    )]
    #[serde(skip)]
    from: Option<PathBuf>,
}

/// Why there are no fields.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read {0}")]
    Read(String, #[source] io::Error),
    /// It is some other file.
    #[error("{0} is longer than {MAX_BODY} bytes")]
    TooLong(String),
}

impl Fields {
    /// Grants nothing.
    pub(super) fn clear_scopes(&mut self) {
        self.scopes = Some(Vec::new());
    }

    /// Names no developer.
    pub(super) fn clear_developer_emails(&mut self) {
        self.developer_emails = Some(Vec::new());
    }

    /// The JSON to send.
    ///
    /// # Errors
    /// [`Error`]; wrong usage where the operator's secret comes from standard input too.
    pub(super) fn body(&self, admin: &AdminOptions) -> Result<Vec<u8>, CommandError> {
        let Some(path) = &self.from else {
            return Ok(serde_json::to_vec(self).expect("texts and lists of them are JSON"));
        };
        if path != Path::new("-") {
            let name = path.display().to_string();
            return match File::open(path) {
                Ok(file) => Ok(read(file, name)?),
                Err(error) => Err(Error::Read(name, error).into()),
            };
        }
        if admin.reads_standard_input() {
            return Err(CommandError::Usage(
                "standard input cannot be both --from and --operator-secret-file",
            ));
        }
        let input = stdin().map_err(CommandError::Input)?;
        Ok(read(input, "standard input".to_owned())?)
    }
}

fn read(input: impl Read, name: String) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    match input.take(MAX_BODY + 1).read_to_end(&mut body) {
        Err(error) => Err(Error::Read(name, error)),
        Ok(_) if u64::try_from(body.len()).is_ok_and(|length| length <= MAX_BODY) => Ok(body),
        Ok(_) => Err(Error::TooLong(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_its_bound() {
        let body = |length| read(io::repeat(b' ').take(length), "x".to_owned());
        assert_eq!(body(MAX_BODY).expect("it fits").len(), 65_536);
        assert!(matches!(body(MAX_BODY + 1), Err(Error::TooLong(_))));
    }
}
