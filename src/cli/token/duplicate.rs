//! `sidgate token duplicate`.

use std::io::Write;

use clap::Args;
use http::Method;

use super::view::hand_over;
use super::{Form, Subject};
use crate::cli::Error;
use crate::cli::client::{AdminOptions, Call};

/// Create a token with the rights and settings of another and print its auth token, once
#[derive(Debug, Args)]
pub(super) struct Duplicate {
    #[command(flatten)]
    subject: Subject,
    #[command(flatten)]
    form: Form,
}

impl Duplicate {
    pub(super) fn run(self, admin: AdminOptions, out: &mut impl Write) -> Result<(), Error> {
        let call = Call::new(Method::POST, self.subject.target("/duplicate")).once();
        let answer = admin.open()?.call(&call)?;
        hand_over(&answer, "Created the token", self.form, out)
    }
}
