//! `sidgate token reset`.

use std::io::Write;

use clap::Args;
use http::Method;

use super::confirm::Confirm;
use super::view::hand_over;
use super::{Form, Subject};
use crate::cli::Error;
use crate::cli::client::{AdminOptions, Call};

/// Give a token a new auth token and print it, once; the old one stops working at once
#[derive(Debug, Args)]
pub(super) struct Reset {
    #[command(flatten)]
    subject: Subject,
    #[command(flatten)]
    confirm: Confirm,
    #[command(flatten)]
    form: Form,
}

impl Reset {
    pub(super) fn run(self, admin: AdminOptions, out: &mut impl Write) -> Result<(), Error> {
        self.confirm.prepare()?;
        let client = admin.open()?;
        let effect = "Its auth token stops working at once.";
        let etag = self.confirm.ask(&client, &self.subject, "Reset", effect)?;
        let call = Call::new(Method::POST, self.subject.target("/reset"));
        let answer = client.call(&call.if_match(etag).once())?;
        hand_over(&answer, "Reset the token", self.form, out)
    }
}
