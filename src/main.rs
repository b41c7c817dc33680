//! The `sidgate` program: parses the command line, runs a command, gives its exit code.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use sidgate::cli::{self, Cli};
use sidgate::fault::printable;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    sidgate::app::keep_memory_private();
    // Nearly all wrong usage ends here, with exit code 2.
    let cli = Cli::parse();
    let Err(error) = cli.run(&mut io::stdout()) else {
        return ExitCode::SUCCESS;
    };
    // Where standard error cannot be written either, the exit code says it.
    let _ = explain(&error, &mut io::stderr().lock());
    ExitCode::from(error.exit_code())
}

/// Says what went wrong and why: faults of files as they are, one a line, all else in one.
fn explain(error: &cli::Error, out: &mut impl Write) -> io::Result<()> {
    if let cli::Error::Faults(faults) = error {
        return writeln!(out, "{faults}");
    }
    let mut told = format!("sidgate: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        told.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    // Names of files and what others answer stand in it.
    for line in told.lines() {
        writeln!(out, "{}", printable(line))?;
    }
    Ok(())
}
