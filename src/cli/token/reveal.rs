//! `sidgate token reveal`.

use std::io::Write;

use clap::Args;
use http::Method;

use super::view::hand_over;
use super::{Form, Subject};
use crate::cli::Error;
use crate::cli::client::{AdminOptions, Call};

/// Print the auth token of a token, where auth tokens are sealed; needs an administrator
#[derive(Debug, Args)]
pub(super) struct Reveal {
    #[command(flatten)]
    subject: Subject,
    #[command(flatten)]
    form: Form,
}

impl Reveal {
    pub(super) fn run(self, admin: AdminOptions, out: &mut impl Write) -> Result<(), Error> {
        let call = Call::new(Method::POST, self.subject.target("/reveal"));
        let answer = admin.open()?.call(&call)?;
        hand_over(&answer, "The auth token of", self.form, out)
    }
}
