//! `sidgate token upgrade`.

use std::io::Write;

use clap::Args;
use http::Method;
use serde_json::json;

use super::view::tell;
use super::{Form, Subject};
use crate::cli::Error;
use crate::cli::client::{AdminOptions, Call};

/// Bring a token to a newer API version
#[derive(Debug, Args)]
pub(super) struct Upgrade {
    #[command(flatten)]
    subject: Subject,
    /// The version [default: the latest]
    #[arg(long, value_name = "VERSION", visible_alias = "version")]
    api_version: Option<String>,
    #[command(flatten)]
    form: Form,
}

impl Upgrade {
    pub(super) fn run(self, admin: AdminOptions, out: &mut impl Write) -> Result<(), Error> {
        let mut call = Call::new(Method::POST, self.subject.target("/upgrade"));
        if let Some(version) = self.api_version {
            call = call.with_json(json!({ "version": version }).to_string());
        }
        let answer = admin.open()?.call(&call)?;
        tell(&answer, self.form, out)
    }
}
