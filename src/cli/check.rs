//! `sidgate check`: reads every file as `serve` would, and says what it found.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::Error;
use super::text::counted;
use crate::app;
use crate::catalog::Catalog;
use crate::config::{self, AdminListen, Config, Protocol};
use crate::token::{State, Token};

/// Read every file as `serve` would and print a short summary
///
/// Each fault is printed on standard error as FILE:LINE:COLUMN: what is wrong. No secret
/// and no digest is ever printed.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The main file; relative paths in it are relative to it
    #[arg(long, value_name = "FILE", default_value = super::MAIN_FILE)]
    config: PathBuf,
}

impl Check {
    pub(super) fn run(self, out: &mut impl Write) -> Result<(), Error> {
        let config = config::load(&self.config)?;
        let snapshot = app::check(&config)?;
        let summary = Summary {
            config: &config,
            catalog: &snapshot.catalog,
            tokens: Count::of(snapshot.tokens.iter().map(AsRef::as_ref)),
        };
        summary.write(out).map_err(Error::Output)
    }
}

/// How many tokens there are, by state.
struct Count {
    enabled: usize,
    disabled: usize,
}

impl Count {
    fn of<'a>(tokens: impl Iterator<Item = &'a Token>) -> Self {
        let mut count = Self {
            enabled: 0,
            disabled: 0,
        };
        for token in tokens {
            match token.state {
                State::Enabled => count.enabled += 1,
                State::Disabled => count.disabled += 1,
            }
        }
        count
    }
}

struct Summary<'a> {
    config: &'a Config,
    catalog: &'a Catalog,
    tokens: Count,
}

impl Summary<'_> {
    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        self.write_listeners(out)?;
        self.write_upstreams(out)?;
        self.write_catalog(out)?;
        writeln!(
            out,
            "tokens      {} enabled, {} disabled",
            self.tokens.enabled, self.tokens.disabled
        )?;
        let Config {
            fixed, settings, ..
        } = self.config;
        for hazard in config::hazards(settings, &fixed.listen) {
            writeln!(out, "unsafe      {hazard}")?;
        }
        Ok(())
    }

    fn write_listeners(&self, out: &mut impl Write) -> io::Result<()> {
        let fixed = &self.config.fixed;
        let spoken = |tls| if tls { "TLS" } else { "plaintext" };
        for address in &fixed.listen {
            let tls = spoken(fixed.tls);
            let workers = counted(fixed.workers.get(), "worker", "workers");
            writeln!(out, "gate        {address} ({tls}, {workers})")?;
        }
        let operators = self.config.settings.admin.operators.len();
        let operators = counted(operators, "operator", "operators");
        match &fixed.admin_listen {
            None => writeln!(out, "admin       none"),
            Some(AdminListen::Tcp(address)) => {
                let tls = spoken(fixed.admin_tls);
                writeln!(out, "admin       {address} ({tls}, {operators})")
            }
            Some(AdminListen::Unix(path)) => {
                let path = path.display();
                writeln!(out, "admin       unix:{path} ({operators})")
            }
        }
    }

    fn write_upstreams(&self, out: &mut impl Write) -> io::Result<()> {
        for upstream in &self.config.settings.upstreams {
            let protocol = match upstream.protocol {
                Protocol::Http1 => "HTTP/1.1",
                Protocol::Http2 => "HTTP/2",
            };
            let servers: Vec<&str> = upstream.servers.iter().map(|s| &*s.url).collect();
            let (name, servers) = (&upstream.name, servers.join(", "));
            writeln!(out, "upstream    {name}: {servers} ({protocol})")?;
        }
        Ok(())
    }

    fn write_catalog(&self, out: &mut impl Write) -> io::Result<()> {
        let catalog = self.catalog;
        let versions: Vec<&str> = catalog.versions.iter().map(|v| &*v.id).collect();
        match catalog.version(None) {
            None => writeln!(out, "versions    none")?,
            Some(latest) => writeln!(
                out,
                "versions    {} (latest {})",
                versions.join(", "),
                latest.id
            )?,
        }
        let header = catalog.version_header.iter().map(ToString::to_string);
        let query = catalog.version_query.iter().map(|name| format!("?{name}="));
        let named: Vec<String> = header.chain(query).collect();
        if !named.is_empty() {
            writeln!(out, "named by    {}", named.join(", "))?;
        }
        if !catalog.ignored_suffixes.is_empty() {
            let suffixes = catalog.ignored_suffixes.join(", ");
            writeln!(out, "ignored     {suffixes}")?;
        }
        for (alias, target) in catalog.aliases.iter() {
            writeln!(out, "alias       {alias} for {target}")?;
        }
        let scopes = || catalog.categories.iter().flat_map(|c| &c.scopes);
        writeln!(
            out,
            "catalogue   {}, {}, {}",
            counted(catalog.categories.len(), "category", "categories"),
            counted(scopes().count(), "scope", "scopes"),
            counted(scopes().map(|s| s.rules.len()).sum(), "rule", "rules")
        )?;
        let rates = catalog.categories.iter().map(|category| &category.rate);
        for rate in rates.chain(&catalog.rate_groups) {
            let limits: Vec<String> = rate.limits.iter().map(ToString::to_string).collect();
            if !limits.is_empty() {
                let (name, limits, per) = (&rate.name, limits.join(", "), rate.per.as_str());
                writeln!(out, "limit       {name}: {limits} for each {per}")?;
            }
        }
        for rule in &catalog.public {
            writeln!(out, "public      {rule}")?;
        }
        Ok(())
    }
}
