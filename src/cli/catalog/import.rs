//! `sidgate catalog import`: OpenAPI documents to a catalogue.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::super::Error;
use super::super::text::printable;
use crate::catalog::openapi::{self, Document, Granularity, MAX_DOCUMENT, Options};
use crate::fault::{Fault, Faults};

/// Draft a catalogue from OpenAPI 3.0 and 3.1 documents, YAML or JSON
///
/// The catalogue goes to standard output; a line for each category, and a warning for all
/// that no rule can say, go to standard error. The documents together describe one API:
/// their order makes no difference. On a fault nothing is written, and the exit code is 1.
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
        let texts = read_all(&self.files)?;
        let documents: Vec<Document<'_>> = self
            .files
            .iter()
            .zip(&texts)
            .map(|(file, text)| Document { file, text })
            .collect();
        let import = openapi::import(&documents, &self.options())?;
        report(&import, documents.len(), &mut io::stderr().lock());
        out.write_all(import.draft.render().as_bytes())
            .map_err(Error::Output)
    }

    fn options(&self) -> Options {
        Options {
            sid_parameters: self.sid_parameters.clone(),
            api_version: self.api_version.clone(),
            granularity: match self.granularity {
                Detail::Access => Granularity::Access,
                Detail::Operation => Granularity::Operation,
            },
            servers: self.servers.clone(),
            ignored_suffixes: self.ignored_suffixes.clone(),
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
    let fit = |b: u8| b.is_ascii_alphanumeric() || b"._~-".contains(&b);
    match text.strip_prefix('.') {
        Some(rest) if !rest.is_empty() && rest.bytes().all(fit) => Ok(text.to_owned()),
        _ => Err("a suffix is `.` and then letters, digits, `.`, `_`, `~` or `-`"),
    }
}

/// The texts of all files, or the faults of all that cannot be read.
fn read_all(files: &[PathBuf]) -> Result<Vec<String>, Faults> {
    let mut texts = Vec::with_capacity(files.len());
    let mut faults = Vec::new();
    for file in files {
        match read(file) {
            Ok(text) => texts.push(text),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() {
        Ok(texts)
    } else {
        Err(Faults(faults))
    }
}

/// The text of a file, which may be a pipe.
fn read(path: &Path) -> Result<String, Fault> {
    let unreadable = |error: io::Error| Fault::new(path, format!("cannot be read: {error}"));
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    // One byte more than may be, to tell the largest document from one that is too large.
    let mut bounded = file.take(MAX_DOCUMENT + 1);
    bounded.read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|size| size > MAX_DOCUMENT) {
        let most = MAX_DOCUMENT / (1024 * 1024);
        let message = format!("is larger than {most} MiB, the most that a document may have");
        return Err(Fault::new(path, message));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes().get(..valid).unwrap_or_default();
        let text = String::from_utf8_lossy(bytes);
        Fault::at(path, &text, valid, "is not UTF-8")
    })
}

/// Warnings and a line for each category; where standard error cannot be written there is
/// nobody to tell.
fn report(import: &openapi::Import, documents: usize, out: &mut impl Write) {
    for warning in &import.warnings {
        let place = warning.place.unwrap_or((1, 1));
        let file = warning.file.display().to_string();
        let _ = writeln!(
            out,
            "{}:{}:{}: warning: {}",
            printable(&file),
            place.0,
            place.1,
            printable(&warning.message)
        );
    }
    let mut operations = 0;
    for category in &import.draft.categories {
        let count: usize = category.scopes.iter().map(|scope| scope.rules.len()).sum();
        operations += count;
        let scopes: Vec<String> = category
            .scopes
            .iter()
            .map(|scope| format!("{} ({})", scope.id, scope.rules.len()))
            .collect();
        let name = printable(&category.name);
        let _ = writeln!(
            out,
            "{name}: {}: {}",
            counted(count, "rule"),
            scopes.join(", ")
        );
    }
    let _ = writeln!(
        out,
        "{}: {}, {}",
        counted(documents, "document"),
        counted(operations, "rule"),
        counted(import.warnings.len(), "warning"),
    );
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
