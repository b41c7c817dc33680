//! `sidgate token`: the lifecycle of tokens, through the admin API.

mod confirm;
mod create;
mod delete;
mod duplicate;
mod edit;
mod fields;
mod list;
mod reset;
mod reveal;
mod show;
mod state;
mod upgrade;
mod view;

use std::io::Write;

use clap::{Args, Subcommand};

use super::Error;
use super::client::AdminOptions;
use crate::token::Sid;

pub(super) use confirm::Error as ConfirmError;
pub(super) use fields::Error as FieldsError;

/// Create, find, change and delete tokens through the admin API
///
/// Tables are for people; --json prints what the admin API answers, as it is. An auth
/// token is printed alone on standard output, all else about it on standard error. The
/// operator's secret is never an argument, which other users of the machine could list.
#[derive(Debug, Args)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct Token {
    #[command(flatten)]
    admin: AdminOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Create(create::Create),
    List(list::List),
    Show(show::Show),
    Edit(edit::Edit),
    Duplicate(duplicate::Duplicate),
    Reset(reset::Reset),
    Upgrade(upgrade::Upgrade),
    Enable(state::Enable),
    Disable(state::Disable),
    Delete(delete::Delete),
    Reveal(reveal::Reveal),
}

impl Token {
    pub(super) fn run(self, out: &mut impl Write) -> Result<(), Error> {
        match self.command {
            Command::Create(command) => command.run(self.admin, out),
            Command::List(command) => command.run(self.admin, out),
            Command::Show(command) => command.run(self.admin, out),
            Command::Edit(command) => command.run(self.admin, out),
            Command::Duplicate(command) => command.run(self.admin, out),
            Command::Reset(command) => command.run(self.admin, out),
            Command::Upgrade(command) => command.run(self.admin, out),
            Command::Enable(command) => command.run(self.admin, out),
            Command::Disable(command) => command.run(self.admin, out),
            Command::Delete(command) => command.run(self.admin),
            Command::Reveal(command) => command.run(self.admin, out),
        }
    }
}

/// What every command about one token takes.
#[derive(Debug, Args)]
struct Subject {
    /// The token's Account SID
    #[arg(value_parser = parse_sid)]
    sid: Sid,
}

/// How a command prints.
#[derive(Clone, Copy, Debug, Args)]
struct Form {
    /// Print the admin API's JSON as it is
    #[arg(long)]
    json: bool,
}

impl Subject {
    /// Where the admin API has it, or what it can do with it. A SID has no character
    /// that would need encoding.
    fn target(&self, action: &str) -> String {
        format!("/v1/tokens/{}{action}", self.sid)
    }
}

fn parse_sid(text: &str) -> Result<Sid, crate::token::BadSid> {
    Sid::parse(text.as_bytes())
}
