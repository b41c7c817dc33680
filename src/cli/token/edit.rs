//! `sidgate token edit`.

use std::io::Write;

use clap::{ArgGroup, Args};
use http::Method;

use super::fields::Fields;
use super::view::tell;
use super::{Form, Subject};
use crate::cli::Error;
use crate::cli::client::{AdminOptions, Call};

/// Change fields of a token; what is not named stays as it is
///
/// --description, --primary-contact take "" for none. --scope and --developer-email say
/// all that there shall be. A token that somebody else changes meanwhile is left alone.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("change").required(true).multiple(true).args([
    "name", "description", "api_version", "primary_contact", "developer_emails", "scopes",
    "clear_developer_emails", "clear_scopes", "from",
])))]
pub(super) struct Edit {
    #[command(flatten)]
    subject: Subject,
    #[command(flatten)]
    fields: Fields,
    /// Name no developer
    #[arg(long, conflicts_with_all = ["developer_emails", "from"])]
    clear_developer_emails: bool,
    /// Grant nothing
    #[arg(long, conflicts_with_all = ["scopes", "from"])]
    clear_scopes: bool,
    #[command(flatten)]
    form: Form,
}

impl Edit {
    pub(super) fn run(mut self, admin: AdminOptions, out: &mut impl Write) -> Result<(), Error> {
        if self.clear_scopes {
            self.fields.clear_scopes();
        }
        if self.clear_developer_emails {
            self.fields.clear_developer_emails();
        }
        let body = self.fields.body(&admin)?;
        let client = admin.open()?;
        let target = self.subject.target("");
        let before = client.call(&Call::new(Method::GET, &*target))?;
        let call = Call::new(Method::PATCH, target).with_merge_patch(body);
        let answer = client.call(&call.if_match(before.etag))?;
        tell(&answer, self.form, out)
    }
}
