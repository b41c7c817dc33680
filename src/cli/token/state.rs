//! `sidgate token enable` and `sidgate token disable`.

use std::io::Write;

use clap::Args;
use http::Method;

use super::confirm::Confirm;
use super::view::tell;
use super::{Form, Subject};
use crate::cli::Error;
use crate::cli::client::{AdminOptions, Call};

/// Let a token in again
#[derive(Debug, Args)]
pub(super) struct Enable {
    #[command(flatten)]
    subject: Subject,
    #[command(flatten)]
    form: Form,
}

/// Refuse a token, at once and until it is enabled
#[derive(Debug, Args)]
pub(super) struct Disable {
    #[command(flatten)]
    subject: Subject,
    #[command(flatten)]
    confirm: Confirm,
    #[command(flatten)]
    form: Form,
}

impl Enable {
    pub(super) fn run(self, admin: AdminOptions, out: &mut impl Write) -> Result<(), Error> {
        let call = Call::new(Method::POST, self.subject.target("/enable"));
        let answer = admin.open()?.call(&call)?;
        tell(&answer, self.form, out)
    }
}

impl Disable {
    pub(super) fn run(self, admin: AdminOptions, out: &mut impl Write) -> Result<(), Error> {
        self.confirm.prepare()?;
        let client = admin.open()?;
        let effect = "It is refused at once, until it is enabled.";
        let etag = self
            .confirm
            .ask(&client, &self.subject, "Disable", effect)?;
        let call = Call::new(Method::POST, self.subject.target("/disable"));
        let answer = client.call(&call.if_match(etag))?;
        tell(&answer, self.form, out)
    }
}
