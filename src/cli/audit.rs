//! `sidgate audit`: what can be said of an audit file without the gate.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Error as CommandError;
use crate::telemetry::audit;

/// Look into the audit of what operators did
#[derive(Debug, Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Verify(Verify),
}

/// Verify that no record was changed, taken out or put in
///
/// Prints the numbers of the first and last record and the hash of the last line. That the
/// last lines were cut off shows only in that hash: keep it elsewhere, and see that the
/// number still grows. Exit code 1 where the chain does not hold, with the place.
#[derive(Debug, Args)]
struct Verify {
    /// The files, the oldest first
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// What is wrong with an audit.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The chain does not hold.
    #[error(transparent)]
    Broken(#[from] audit::Broken),
    /// Nothing is proven by nothing.
    #[error("there is no record")]
    Empty,
}

impl Audit {
    pub(super) fn run(self, out: &mut impl Write) -> Result<(), CommandError> {
        let Command::Verify(verify) = self.command;
        let verified = audit::verify(&verify.files).map_err(Error::Broken)?;
        if verified.records == 0 {
            return Err(Error::Empty.into());
        }
        writeln!(
            out,
            "whole: {} records, {} to {}, last hash {}",
            verified.records, verified.first, verified.last, verified.head
        )
        .map_err(CommandError::Output)
    }
}
