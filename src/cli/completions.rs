//! `sidgate completions`: what a shell needs to complete the command line.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Error};

/// Print the completions for a shell
///
/// For bash: sidgate completions bash > ~/.local/share/bash-completion/completions/sidgate
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, out: &mut impl Write) -> Result<(), Error> {
        // Into memory first: the generator panics where it cannot write.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "sidgate", &mut script);
        out.write_all(&script).map_err(Error::Output)
    }
}
