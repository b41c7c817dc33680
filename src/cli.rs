//! The command line: what can be asked of `sidgate`. One file per command.

mod check;
mod demo;
mod digest;
mod secret;
mod serve;

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
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage."
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
}

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
    /// [`Error`]; the exit code is then 1.
    pub fn run(self, out: &mut impl Write) -> Result<(), Error> {
        match self.command {
            Command::Serve(command) => command.run(),
            Command::Check(command) => command.run(out),
            Command::Demo(command) => command.run(out),
            Command::Digest(command) => command.run(&mut stdin().map_err(Error::Input)?, out),
        }
    }
}
