//! `sidgate token list`.

use std::fmt::Write as _;
use std::io::Write;

use clap::{Args, ValueEnum};
use http::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Form;
use super::view::{View, note};
use crate::cli::Error;
use crate::cli::client::{AdminOptions, Call, Client, Error as ClientError, encoded};
use crate::cli::text::write_table;

/// Tokens on a page: well within what an answer may hold, whatever their texts.
const PAGE: usize = 500;

/// List tokens, newest first
#[derive(Debug, Args)]
pub(super) struct List {
    /// Those with this in their name, in upper or lower case
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Those created in the last 7 or 30 days, or before
    #[arg(long, value_enum)]
    created: Option<Created>,
    /// Those in this state
    #[arg(long, value_enum)]
    state: Option<State>,
    /// At most so many [default: all]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    #[command(flatten)]
    form: Form,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Created {
    #[value(name = "last-7-days")]
    LastWeek,
    #[value(name = "last-30-days")]
    LastMonth,
    #[value(name = "over-30-days")]
    Older,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    Enabled,
    Disabled,
}

/// A page, its tokens as they came; and all pages as if they were one.
#[derive(Deserialize, Serialize)]
struct Page {
    tokens: Vec<Box<RawValue>>,
    total: usize,
    next_cursor: Option<String>,
}

impl List {
    pub(super) fn run(self, admin: AdminOptions, out: &mut impl Write) -> Result<(), Error> {
        let found = self.collect(&admin.open()?)?;
        if self.form.json {
            let text = serde_json::to_string(&found).expect("what was JSON is JSON again");
            return writeln!(out, "{text}").map_err(Error::Output);
        }
        let views = found.tokens.iter();
        let views: Vec<View> = views
            .map(|token| serde_json::from_str(token.get()))
            .collect::<Result<_, _>>()
            .map_err(|_| ClientError::Foreign("a token has not the shape of one".to_owned()))?;
        let now = Timestamp::now();
        let head = ["SID", "NAME", "STATE", "VERSION", "SCOPES", "AGE"].map(Into::into);
        let rows: Vec<_> = [head]
            .into_iter()
            .chain(views.iter().map(|view| view.row(now)))
            .collect();
        write_table(out, &rows).map_err(Error::Output)?;
        if found.next_cursor.is_some() {
            note(&format!("{} of {} tokens", views.len(), found.total));
        }
        Ok(())
    }

    /// Follows the cursors to the end, or until there are as many as were asked for.
    fn collect(&self, client: &Client) -> Result<Page, Error> {
        let limit = self
            .limit
            .map_or(usize::MAX, |l| usize::try_from(l).unwrap_or(usize::MAX));
        let mut found = Page {
            tokens: Vec::new(),
            total: 0,
            next_cursor: None,
        };
        loop {
            let wanted = PAGE.min(limit - found.tokens.len());
            let target = self.target(wanted, found.next_cursor.as_deref());
            let page: Page = client.call(&Call::new(Method::GET, target))?.read()?;
            // A server that gives a cursor and no token would be asked for ever, and one
            // that gives more than it was asked for knows no bound.
            let is_last = page.tokens.is_empty();
            if page.tokens.len() > wanted {
                return Err(ClientError::Foreign("it lists too many tokens".to_owned()).into());
            }
            found.tokens.extend(page.tokens);
            found.total = page.total;
            found.next_cursor = page.next_cursor;
            if is_last || found.tokens.len() >= limit || found.next_cursor.is_none() {
                return Ok(found);
            }
        }
    }

    fn target(&self, limit: usize, cursor: Option<&str>) -> String {
        let mut target = format!("/v1/tokens?limit={limit}");
        let name_of = |value: &dyn Fn() -> Option<clap::builder::PossibleValue>| {
            value().map(|value| value.get_name().to_owned())
        };
        let parameters = [
            ("name", self.name.clone()),
            ("created", name_of(&|| self.created?.to_possible_value())),
            ("state", name_of(&|| self.state?.to_possible_value())),
            ("cursor", cursor.map(str::to_owned)),
        ];
        for (name, value) in parameters {
            if let Some(value) = value {
                let value = encoded(&value);
                write!(target, "&{name}={value}").expect("a string takes any text");
            }
        }
        target
    }
}
