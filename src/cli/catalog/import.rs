//! `sidgate catalog import`: OpenAPI documents to a catalogue.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::super::Error;
use super::super::text::{counted, printable};
use super::output::Output;
use super::read::read_all;
use crate::catalog::merge::ignored_suffixes;
use crate::catalog::openapi::{self, Document, Granularity, Options};
use crate::catalog::path::is_unreserved;

/// Draft a catalogue from OpenAPI 3.0 and 3.1 documents, YAML or JSON
///
/// The catalogue goes to standard output; a line for each category, and a warning for all
/// that no rule can say, go to standard error. The documents together describe one API:
/// their order makes no difference. On a fault nothing is written, and the exit code is 1.
///
/// With --output, standard output has what would change in a catalogue that is there, and
/// who would gain or lose what; only --write changes the file. What was written by hand
/// stays as it is.
#[derive(Debug, Args)]
pub(in crate::cli) struct Import {
    /// A path parameter that names the caller's Account SID, and becomes {sid}; repeatable
    #[arg(long = "sid-parameter", value_name = "NAME")]
    sid_parameters: Vec<String>,
    /// The version of the API that the documents describe
    #[arg(long, value_name = "VERSION", value_parser = parse_version)]
    api_version: Option<String>,
    /// One scope for reading and one for the rest of each category, or one per operation
    #[arg(long, value_enum, default_value_t = Detail::Access)]
    granularity: Detail,
    /// Import only what is on this server, a host or a URL; repeatable
    #[arg(long = "server", value_name = "HOST")]
    servers: Vec<String>,
    /// An end of the last segment that no rule names, such as .json; repeatable
    #[arg(long = "ignored-suffix", value_name = "SUFFIX", value_parser = parse_suffix)]
    ignored_suffixes: Vec<String>,
    /// The catalogue onto which to import; what would change is printed
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the catalogue that --output names
    #[arg(long, requires = "output")]
    write: bool,
    /// A token file: print which of its tokens would gain or lose what
    #[arg(long, value_name = "FILE", requires = "output")]
    tokens: Option<PathBuf>,
    /// The documents
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Detail {
    Access,
    Operation,
}

impl Import {
    pub(in crate::cli) fn run(self, out: &mut impl Write) -> Result<(), Error> {
        let output = self.output.clone().map(Output::read).transpose()?;
        let texts = read_all(&self.files)?;
        let documents: Vec<Document<'_>> = self
            .files
            .iter()
            .zip(&texts)
            .map(|(file, text)| Document { file, text })
            .collect();
        let there = output.as_ref().and_then(Output::text);
        let import = openapi::import(&documents, &self.options(there))?;
        report(&import, documents.len(), &mut io::stderr().lock());
        match output {
            None => out
                .write_all(import.draft.render().as_bytes())
                .map_err(Error::Output),
            Some(output) => output.merge(&import.draft, self.tokens.as_deref(), self.write, out),
        }
    }

    /// What is asked for; a catalogue that is there has its own ignored suffixes.
    fn options(&self, there: Option<&str>) -> Options {
        let mut suffixes = there.map(ignored_suffixes).unwrap_or_default();
        for suffix in &self.ignored_suffixes {
            if !suffixes.contains(suffix) {
                suffixes.push(suffix.clone());
            }
        }
        Options {
            sid_parameters: self.sid_parameters.clone(),
            api_version: self.api_version.clone(),
            granularity: match self.granularity {
                Detail::Access => Granularity::Access,
                Detail::Operation => Granularity::Operation,
            },
            servers: self.servers.clone(),
            ignored_suffixes: suffixes,
        }
    }
}

fn parse_version(text: &str) -> Result<String, &'static str> {
    let fit = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
    if (1..=128).contains(&text.len()) && text.bytes().all(fit) {
        Ok(text.to_owned())
    } else {
        Err("a version is 1 to 128 printable ASCII characters without spaces, \" and \\")
    }
}

fn parse_suffix(text: &str) -> Result<String, &'static str> {
    match text.strip_prefix('.') {
        Some(rest) if !rest.is_empty() && rest.bytes().all(is_unreserved) => Ok(text.to_owned()),
        _ => Err("a suffix is `.` and then letters, digits, `.`, `_`, `~` or `-`"),
    }
}

/// Warnings and a line for each category; where standard error cannot be written there is
/// nobody to tell.
fn report(import: &openapi::Import, documents: usize, out: &mut impl Write) {
    for warning in &import.warnings {
        let (line, column) = warning.place.unwrap_or((1, 1));
        let file = warning.file.display().to_string();
        let (file, message) = (printable(&file), printable(&warning.message));
        let _ = writeln!(out, "{file}:{line}:{column}: warning: {message}");
    }
    let mut rules = 0;
    for category in &import.draft.categories {
        let count: usize = category.scopes.iter().map(|scope| scope.rules.len()).sum();
        rules += count;
        let scopes: Vec<String> = category
            .scopes
            .iter()
            .map(|scope| format!("{} ({})", scope.id, scope.rules.len()))
            .collect();
        let (name, scopes) = (printable(&category.name), scopes.join(", "));
        let _ = writeln!(out, "{name}: {}: {scopes}", counted(count, "rule", "rules"));
    }
    let _ = writeln!(
        out,
        "{}: {}, {}",
        counted(documents, "document", "documents"),
        counted(rules, "rule", "rules"),
        counted(import.warnings.len(), "warning", "warnings"),
    );
}
