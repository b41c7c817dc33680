//! `sidgate catalog`: from descriptions of an API to a catalogue.

mod import;
mod output;
mod reach;
mod read;

use std::io::Write;

use clap::{Args, Subcommand};

pub(super) use output::Error as OutputError;

use super::Error;

/// Make a catalogue of what others say about an API
#[derive(Debug, Args)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct Catalog {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Import(import::Import),
}

impl Catalog {
    pub(super) fn run(self, out: &mut impl Write) -> Result<(), Error> {
        let Command::Import(import) = self.command;
        import.run(out)
    }
}
