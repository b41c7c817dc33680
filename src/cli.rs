//! The command line: what can be asked of `sidgate`. One file per command.

mod audit;
mod catalog;
mod check;
mod client;
mod completions;
mod demo;
mod digest;
mod explain;
mod secret;
mod serve;
mod text;
mod token;

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use clap::{Parser, Subcommand};

use crate::app;
use crate::fault::Faults;
use crate::telemetry::log;

/// Gates an HTTP API: checks Account SID and auth token, and forwards the calls that the
/// token's scopes allow.
#[derive(Debug, Parser)]
#[command(
    name = "sidgate",
    version,
    subcommand_required = true,
    arg_required_else_help = false,
    after_help = EXIT_CODES
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Check(check::Check),
    Demo(demo::Demo),
    Digest(digest::Digest),
    Token(token::Token),
    Explain(explain::Explain),
    Audit(audit::Audit),
    Catalog(catalog::Catalog),
    Completions(completions::Completions),
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage.";

/// The main file where no other is named.
const MAIN_FILE: &str = "config/sidgate.toml";

/// Standard input without a buffer, which would keep what was read of a secret.
fn stdin() -> io::Result<File> {
    let input = io::stdin().as_fd().try_clone_to_owned()?;
    Ok(File::from(input))
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file is not sound.
    #[error(transparent)]
    Faults(#[from] Faults),
    /// Standard input is closed.
    #[error("cannot open standard input")]
    Input(#[source] io::Error),
    /// What the command had to say could not be written.
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    /// The gate did not start, or did not end well.
    #[error(transparent)]
    App(app::Error),
    /// The log did not start.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// `demo` could not be set up.
    #[error(transparent)]
    Demo(#[from] demo::Error),
    /// `digest` had nothing to digest.
    #[error(transparent)]
    Digest(#[from] secret::Error),
    /// The admin API did not do what it was asked.
    #[error(transparent)]
    Client(#[from] client::Error),
    /// `token` had nothing to send.
    #[error(transparent)]
    Fields(#[from] token::FieldsError),
    /// `token` was not told to go on.
    #[error(transparent)]
    Confirm(#[from] token::ConfirmError),
    /// `explain` says no, or cannot say.
    #[error(transparent)]
    Explain(#[from] explain::Error),
    /// `audit` found what should not be.
    #[error(transparent)]
    Audit(#[from] audit::Error),
    /// `catalog import` could not write the catalogue.
    #[error(transparent)]
    Catalog(#[from] catalog::OutputError),
    /// Arguments that do not go together.
    #[error("{0}")]
    Usage(&'static str),
}

impl Error {
    /// 1, and 2 for wrong usage.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if matches!(self, Self::Usage(_)) { 2 } else { 1 }
    }
}

impl From<app::Error> for Error {
    fn from(error: app::Error) -> Self {
        match error {
            app::Error::Faults(faults) => Self::Faults(faults),
            error => Self::App(error),
        }
    }
}

impl Cli {
    /// Runs the command; what it has to say goes to `out`.
    ///
    /// # Errors
    /// [`Error`], which has the exit code.
    pub fn run(self, out: &mut impl Write) -> Result<(), Error> {
        match self.command {
            Command::Serve(command) => command.run(),
            Command::Check(command) => command.run(out),
            Command::Demo(command) => command.run(out),
            Command::Digest(command) => command.run(&mut stdin().map_err(Error::Input)?, out),
            Command::Token(command) => command.run(out),
            Command::Explain(command) => command.run(out),
            Command::Audit(command) => command.run(out),
            Command::Catalog(command) => command.run(out),
            Command::Completions(command) => command.run(out),
        }
    }
}
