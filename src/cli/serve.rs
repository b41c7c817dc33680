//! `sidgate serve`: the gate and its admin, until a signal ends them.

use std::future;
use std::path::PathBuf;

use clap::Args;

use super::Error;
use crate::telemetry::log;
use crate::{app, config};

/// Run the gate and its admin API until SIGTERM or SIGINT
///
/// Requests in flight may then finish within `timeouts.grace`. SIGHUP reads every file
/// anew, now. A file that is not sound means no start, and its faults are printed as
/// FILE:LINE:COLUMN: what is wrong.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The main file; relative paths in it are relative to it
    #[arg(long, value_name = "FILE", default_value = super::MAIN_FILE)]
    config: PathBuf,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Error> {
        app::prepare()?;
        let config = config::load(&self.config)?;
        let _guard = log::start(&config.settings.log)?;
        Ok(app::run(config, future::pending())?)
    }
}
