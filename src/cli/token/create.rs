//! `sidgate token create`.

use std::io::Write;

use clap::{ArgGroup, Args};
use http::Method;

use super::Form;
use super::fields::Fields;
use super::view::hand_over;
use crate::cli::Error;
use crate::cli::client::{AdminOptions, Call};

/// Create a token and print its auth token, once
///
/// Without --api-version it has the latest version, without --scope no right.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("needed").required(true).args(["name", "from"])))]
pub(super) struct Create {
    #[command(flatten)]
    fields: Fields,
    #[command(flatten)]
    form: Form,
}

impl Create {
    pub(super) fn run(self, admin: AdminOptions, out: &mut impl Write) -> Result<(), Error> {
        let body = self.fields.body(&admin)?;
        let call = Call::new(Method::POST, "/v1/tokens").with_json(body).once();
        let answer = admin.open()?.call(&call)?;
        hand_over(&answer, "Created the token", self.form, out)
    }
}
