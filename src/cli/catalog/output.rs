//! The catalogue onto which is imported: what would change, who would gain or lose what,
//! and the one place that writes it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::super::Error as CommandError;
use super::super::text::{counted, printable};
use super::reach::{Effects, Reach};
use super::read::read;
use crate::catalog::merge::{Merge, merge};
use crate::catalog::openapi::Draft;
use crate::store::file::{TokenFile, TokenFileSettings, replace};
use crate::store::{CommitError, Terms, TokenStore};
use crate::token::{State, Token};

/// More bytes are refused of a token file, as `files.max_size` does by default.
const MAX_TOKEN_FILE: u64 = 64 * 1024 * 1024;
/// More tokens are refused.
const MAX_TOKENS: usize = 1_000_000;

/// Why the catalogue was not written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else has changed it meanwhile.
    #[error("{0} was changed meanwhile, and is as it was changed: import again")]
    Moved(String),
    /// It cannot be written.
    #[error("{0} cannot be written")]
    Write(String, #[source] io::Error),
    /// The same, told by the store.
    #[error("{0}")]
    Store(String),
}

/// A catalogue that is named, and its text where it is there.
pub(super) struct Output {
    path: PathBuf,
    text: Option<String>,
}

impl Output {
    /// Reads what is there.
    pub(super) fn read(path: PathBuf) -> Result<Self, CommandError> {
        // A link that leads nowhere is no file that can be made.
        let there = path.symlink_metadata().is_ok();
        // To open a pipe waits for who writes into it.
        if path.metadata().is_ok_and(|there| !there.is_file()) {
            let fault = crate::fault::Fault::new(&path, "is no regular file");
            return Err(crate::fault::Faults::from(fault).into());
        }
        let text = there.then(|| read(&path)).transpose();
        let text = text.map_err(crate::fault::Faults::from)?;
        Ok(Self { path, text })
    }

    pub(super) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Says what the draft changes, and writes it where that is asked for.
    pub(super) fn merge(
        self,
        draft: &Draft,
        tokens: Option<&Path>,
        write: bool,
        out: &mut impl Write,
    ) -> Result<(), CommandError> {
        let merge = merge(&self.path, self.text(), draft)?;
        let tokens = tokens.map(|file| read_tokens(file, &merge)).transpose()?;
        tell(&merge, tokens.as_deref(), out).map_err(CommandError::Output)?;
        let same = self.text() == Some(merge.text.as_str());
        let said = if same {
            "nothing changes"
        } else if write {
            self.write(&merge.text)?;
            "written"
        } else {
            "not written: --write writes it"
        };
        let file = self.path.display().to_string();
        let changes = counted(merge.changes.len(), "change", "changes");
        let _ = writeln!(
            io::stderr().lock(),
            "{}: {changes}, {said}",
            printable(&file)
        );
        Ok(())
    }

    fn write(&self, text: &str) -> Result<(), Error> {
        let file = || self.path.display().to_string();
        match &self.text {
            Some(base) => replace(&self.path, base, text).map_err(|error| match error {
                CommitError::Moved => Error::Moved(file()),
                CommitError::Unavailable(why) => Error::Store(why),
            }),
            None => create(&self.path, text).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => Error::Moved(file()),
                _ => Error::Write(file(), error),
            }),
        }
    }
}

/// Makes a file that is not there, whole from its first moment and on stable storage.
fn create(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let random = rand::random::<u64>();
    let temporary = path.with_file_name(format!(".{name}.sidgate-{random:016x}.tmp"));
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).open(&temporary)?;
    let done = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| {
            renameat_with(CWD, &temporary, CWD, path, RenameFlags::NOREPLACE)
                .map_err(io::Error::from)
        });
    if done.is_err() {
        // What matters is the first error.
        let _ = std::fs::remove_file(&temporary);
    }
    done?;
    File::open(directory)?.sync_all()
}

fn read_tokens(file: &Path, merge: &Merge) -> Result<Vec<Arc<Token>>, CommandError> {
    let mut store = TokenFile::new(TokenFileSettings {
        path: file.to_owned(),
        max_size: MAX_TOKEN_FILE,
        max_tokens: MAX_TOKENS,
    });
    let terms = Terms {
        catalog: Some(&merge.after),
        // Whether there is a key makes no difference to what a token may call.
        hmac: true,
    };
    let mut tokens = store.look(&terms)?.put;
    tokens.sort_by_key(|token| token.sid);
    Ok(tokens)
}

/// The changes, what was left as it is, and who gains or loses what by them.
fn tell(merge: &Merge, tokens: Option<&[Arc<Token>]>, out: &mut impl Write) -> io::Result<()> {
    for change in &merge.changes {
        writeln!(out, "{}", printable(&change.to_string()))?;
    }
    for note in &merge.notes {
        writeln!(out, "# {}", printable(note))?;
    }
    let mut effects = Effects::of(merge);
    let Some(tokens) = tokens else {
        for scope in merge.before.categories.iter().flat_map(|c| &c.scopes) {
            let reach = effects.of_scope(scope.number);
            tell_reach(&format!("holders of {}", scope.id), &reach, out)?;
        }
        return Ok(());
    };
    let mut changed = 0_usize;
    for token in tokens {
        let reach = effects.of_token(token);
        if reach.is_empty() {
            continue;
        }
        changed += 1;
        let state = match token.state {
            State::Enabled => "",
            State::Disabled => " (disabled)",
        };
        let who = format!("token {} {:?}{state}", token.sid, token.texts.name);
        tell_reach(&who, &reach, out)?;
    }
    let all = counted(tokens.len(), "token", "tokens");
    writeln!(out, "# {changed} of {all} would gain or lose something")
}

fn tell_reach(who: &str, reach: &Reach, out: &mut impl Write) -> io::Result<()> {
    let who = printable(who);
    for call in &reach.gains {
        writeln!(out, "> {who} would gain {}", printable(call))?;
    }
    for call in &reach.loses {
        writeln!(out, "> {who} would lose {}", printable(call))?;
    }
    Ok(())
}
