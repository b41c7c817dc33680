//! The audit: who did what to which token, as JSON lines that can only be added to.
//!
//! Each record holds the SHA-256 of the line before it, so that a line that was changed,
//! taken out or put in shows when the chain is [verified](verify). The last lines can be cut
//! off without a trace in the file itself: keep the hash that a verification prints
//! elsewhere to notice that.
//!
//! The file may be renamed by `logrotate` at any time: the next record goes to a new file of
//! the same name, whose first line continues the chain.

mod chain;

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use serde_json::{Map, Value};

pub use chain::{Broken, Verified, verify};

/// Bytes of a file that are searched for records, from its end.
const SEARCHED: u64 = 64 << 20;
/// Bytes that are read at a time, from the end.
const PIECE: u64 = 64 << 10;

/// One record before it has its place in the chain: its fields.
pub type Record = Map<String, Value>;

/// The audit file, open for adding.
#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    file: File,
    next: Link,
}

/// What the next record is chained to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Link {
    number: u64,
    /// Hash of the line before, in hex.
    previous: String,
}

impl AuditLog {
    /// Opens the file, or makes it, readable by its owner alone. A last line that a crash
    /// cut short is taken away: what it announced was not done.
    ///
    /// # Errors
    /// When the file cannot be opened, is no regular file, or its last line is no record.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = open(path)?;
        let torn = torn_tail(&mut file)?;
        if torn > 0 {
            let length = file.metadata()?.len();
            file.set_len(length - torn)?;
            tracing::warn!(file = %path.display(), torn, "a record that was cut short is gone");
        }
        let mut next = Link::after_last_of(&mut file)?;
        if next.is_none()
            && let Ok(mut rotated) = File::open(rotated(path))
        {
            next = Link::after_last_of(&mut rotated)?;
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            next: next.unwrap_or_else(Link::first),
        })
    }

    /// Adds records. When this returns, they are on stable storage.
    ///
    /// # Errors
    /// When they cannot be; then none of them is in the file.
    pub fn append(&mut self, records: &[Record]) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        self.follow_rotation()?;
        let mut next = self.next.clone();
        let mut lines = String::new();
        for record in records {
            let line = next.line(record);
            next = next.after(&line);
            lines.push_str(&line);
            lines.push('\n');
        }
        let before = self.file.metadata()?.len();
        let written = self.file.write_all(lines.as_bytes());
        if let Err(error) = written.and_then(|()| self.file.sync_data()) {
            // Half a line would break the chain; a whole one would tell what was not done.
            self.file.set_len(before)?;
            return Err(error);
        }
        self.next = next;
        Ok(())
    }

    /// Opens a new file where this one has been renamed or removed.
    fn follow_rotation(&mut self) -> io::Result<()> {
        let here = self.file.metadata()?;
        let there = std::fs::metadata(&self.path).ok();
        let same = |there: &Metadata| (there.dev(), there.ino()) == (here.dev(), here.ino());
        if !there.as_ref().is_some_and(same) {
            self.file = open(&self.path)?;
        }
        Ok(())
    }
}

impl Link {
    fn first() -> Self {
        Self {
            number: 1,
            previous: "0".repeat(64),
        }
    }

    /// A record as the line that has this place.
    fn line(&self, record: &Record) -> String {
        let mut line = Map::new();
        line.insert("seq".to_owned(), self.number.into());
        line.insert("prev".to_owned(), self.previous.as_str().into());
        line.extend(record.clone());
        Value::Object(line).to_string()
    }

    fn after(&self, line: &str) -> Self {
        Self {
            number: self.number + 1,
            previous: chain::hash(line.as_bytes()),
        }
    }

    fn after_last_of(file: &mut File) -> io::Result<Option<Self>> {
        let Some(last) = Backwards::of(file)?.next().transpose()? else {
            return Ok(None);
        };
        let record: Value = serde_json::from_slice(&last)?;
        let number = record.get("seq").and_then(Value::as_u64);
        let number = number.ok_or(io::ErrorKind::InvalidData)?;
        Ok(Some(Self {
            number: number + 1,
            previous: chain::hash(&last),
        }))
    }
}

/// The newest records of the audit, of one SID or of all, newest first. Looks at the last 64
/// MiB of the file; lines that are no records are passed over, for [`verify`] to tell.
///
/// # Errors
/// When the file cannot be read.
pub fn newest(path: &Path, sid: Option<&str>, limit: usize) -> io::Result<Vec<Value>> {
    let mut file = File::open(path)?;
    let mut found = Vec::new();
    for line in Backwards::of(&mut file)? {
        let Ok(record) = serde_json::from_slice::<Value>(&line?) else {
            continue;
        };
        if sid.is_some() && record.get("sid").and_then(Value::as_str) != sid {
            continue;
        }
        found.push(record);
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if let Some(directory) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        File::open(directory)?.sync_all()?; // a new file's name, too
    }
    Ok(file)
}

/// The file that `logrotate` has put aside last.
fn rotated(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

/// How many bytes follow the last line end.
fn torn_tail(file: &mut File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let mut end = length;
    while end > 0 {
        let piece = read_before(file, end)?;
        if let Some(at) = piece.iter().rposition(|&byte| byte == b'\n') {
            let after = piece.len() - at - 1;
            return Ok(length - end + u64::try_from(after).unwrap_or(0));
        }
        end -= u64::try_from(piece.len()).unwrap_or(end);
    }
    Ok(length)
}

/// The bytes before a place in a file, as many as are read at a time.
fn read_before(file: &mut File, end: u64) -> io::Result<Vec<u8>> {
    let start = end.saturating_sub(PIECE);
    file.seek(SeekFrom::Start(start))?;
    let mut piece = Vec::new();
    file.take(end - start).read_to_end(&mut piece)?;
    if piece.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into()); // cut off meanwhile
    }
    Ok(piece)
}

/// The whole lines of a file, the last one first.
struct Backwards<'a> {
    file: &'a mut File,
    /// What precedes this is not read yet.
    start: u64,
    searched: u64,
    /// What is read and not given yet.
    text: Vec<u8>,
}

impl<'a> Backwards<'a> {
    fn of(file: &'a mut File) -> io::Result<Self> {
        let torn = torn_tail(file)?;
        let start = file.metadata()?.len().saturating_sub(torn);
        Ok(Self {
            file,
            start,
            searched: 0,
            text: Vec::new(),
        })
    }
}

impl Iterator for Backwards<'_> {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            // The last byte is the line end of the line that is looked for.
            let body = self.text.len().saturating_sub(1);
            let found = self
                .text
                .get(..body)?
                .iter()
                .rposition(|&byte| byte == b'\n');
            let from = match found {
                Some(at) => at + 1,
                None if self.start == 0 && !self.text.is_empty() => 0,
                None if self.start == 0 || self.searched >= SEARCHED => return None,
                None => {
                    match read_before(self.file, self.start) {
                        Ok(mut piece) => {
                            let read = u64::try_from(piece.len()).unwrap_or(self.start);
                            self.start -= read;
                            self.searched += read;
                            piece.append(&mut self.text);
                            self.text = piece;
                        }
                        Err(error) => {
                            self.start = 0;
                            self.text.clear();
                            return Some(Err(error));
                        }
                    }
                    continue;
                }
            };
            let mut line = self.text.split_off(from);
            line.pop();
            return Some(Ok(line));
        }
    }
}

#[cfg(test)]
mod tests;
