//! `sidgate token show`.

use std::io::Write;

use clap::Args;
use http::Method;

use super::view::tell;
use super::{Form, Subject};
use crate::cli::Error;
use crate::cli::client::{AdminOptions, Call};

/// Show a token
#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    subject: Subject,
    #[command(flatten)]
    form: Form,
}

impl Show {
    pub(super) fn run(self, admin: AdminOptions, out: &mut impl Write) -> Result<(), Error> {
        let call = Call::new(Method::GET, self.subject.target(""));
        let answer = admin.open()?.call(&call)?;
        tell(&answer, self.form, out)
    }
}
