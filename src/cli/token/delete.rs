//! `sidgate token delete`.

use clap::Args;
use http::Method;

use super::Subject;
use super::confirm::Confirm;
use super::view::note;
use crate::cli::Error;
use crate::cli::client::{AdminOptions, Call};

/// Delete a token for good
#[derive(Debug, Args)]
pub(super) struct Delete {
    #[command(flatten)]
    subject: Subject,
    #[command(flatten)]
    confirm: Confirm,
}

impl Delete {
    pub(super) fn run(self, admin: AdminOptions) -> Result<(), Error> {
        self.confirm.prepare()?;
        let client = admin.open()?;
        let effect = "It is refused at once, and gone for good.";
        let etag = self.confirm.ask(&client, &self.subject, "Delete", effect)?;
        let call = Call::new(Method::DELETE, self.subject.target(""));
        client.call(&call.if_match(etag))?;
        note(&format!("Deleted the token {}", self.subject.sid));
        Ok(())
    }
}
