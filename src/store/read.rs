//! Reads a watched file whole: bounded, never blocking, and able to tell whether it was
//! changed meanwhile.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{Mode, OFlags};

use crate::fault::Fault;

/// What tells one state of a file from another without reading it.
///
/// The time of birth is part of it because file systems give the inode number of a file
/// that was just replaced to the next one made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    born: Option<SystemTime>,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp in a file's metadata.
    #[must_use]
    pub fn new(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            born: metadata.created().ok(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// The stamp of the file that a path leads to; `None` where there is none.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().as_ref().map(Self::new)
    }

    /// Whether both are states of one file, rather than of two with one name.
    #[must_use]
    pub fn same_file(&self, other: &Self) -> bool {
        (self.device, self.inode, self.born) == (other.device, other.inode, other.born)
    }

    /// Whether something other than writing, as a rename does, touched the file last.
    #[must_use]
    pub fn moved_since_written(&self) -> bool {
        self.changed > self.modified
    }
}

/// A file's text and the state it was read in.
#[derive(Debug)]
pub struct Reading {
    /// The whole text.
    pub text: String,
    /// The state, the same before and after reading.
    pub stamp: Stamp,
}

/// A regular file, open for reading.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: File,
    stamp: Stamp,
}

impl Opened {
    /// Opens a regular file of at most `most` bytes.
    pub(super) fn open(path: &Path, most: u64) -> Result<Self, Fault> {
        // O_NONBLOCK: opening a FIFO that nobody writes to would wait for ever.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let file = rustix::fs::open(path, flags, Mode::empty());
        let file = File::from(file.map_err(|error| unreadable(path, error.into()))?);
        let metadata = file.metadata().map_err(|error| unreadable(path, error))?;
        if !metadata.is_file() {
            return Err(Fault::new(path, "is not a regular file"));
        }
        if metadata.len() > most {
            let message = format!("has more than {most} bytes, see [files] max_size");
            return Err(Fault::new(path, message));
        }
        let stamp = Stamp::new(&metadata);
        Ok(Self { file, stamp })
    }

    /// The file's bytes, as many as it had when it was opened: one that grows has changed.
    pub(super) fn bytes(&self) -> impl Read + '_ {
        (&self.file).take(self.stamp.size)
    }

    /// The state of the file, the same as when it was opened.
    pub(super) fn close(self, path: &Path) -> Result<Stamp, Fault> {
        let now = self
            .file
            .metadata()
            .map_err(|error| unreadable(path, error))?;
        if Stamp::new(&now) == self.stamp {
            Ok(self.stamp)
        } else {
            Err(changed(path))
        }
    }
}

/// Reads a regular file of at most `most` bytes as UTF-8.
///
/// # Errors
/// A fault where the path leads to no regular file, to one that cannot be read, is too
/// large, is not UTF-8, or changed while it was read.
pub fn read(path: &Path, most: u64) -> Result<Reading, Fault> {
    let opened = Opened::open(path, most)?;
    let mut bytes = Vec::with_capacity(usize::try_from(opened.stamp.size).unwrap_or(0));
    let read = opened.bytes().read_to_end(&mut bytes);
    read.map_err(|error| unreadable(path, error))?;
    let stamp = opened.close(path)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes().get(..valid).unwrap_or_default();
        let text = String::from_utf8_lossy(bytes);
        Fault::at(path, &text, valid, "is not UTF-8")
    })?;
    Ok(Reading { text, stamp })
}

/// The fault of a file that changed while it was read.
pub(super) fn changed(path: &Path) -> Fault {
    Fault::new(path, "was changed while it was read")
}

/// The fault of a file that the system does not let be read.
pub(super) fn unreadable(path: &Path, error: io::Error) -> Fault {
    Fault::new(path, format!("cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(path: &Path, most: u64) -> String {
        read(path, most).expect_err("a fault").message
    }

    #[test]
    fn only_regular_files_of_bounded_size_are_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("file");
        std::fs::write(&file, "four").expect("written");
        assert_eq!(read(&file, 4).expect("read").text, "four");
        assert!(message(&file, 3).contains("more than 3 bytes"));
        assert!(message(dir.path(), 9).contains("not a regular file"));
        assert!(message(&dir.path().join("none"), 9).contains("cannot be read"));
        assert!(message(Path::new("/dev/null"), 9).contains("not a regular file"));
    }

    #[test]
    fn a_fifo_does_not_block() {
        let dir = tempfile::tempdir().expect("a directory");
        let fifo = dir.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        assert!(made.expect("mkfifo runs").success());
        assert!(message(&fifo, 9).contains("not a regular file"));
    }

    #[test]
    fn a_stray_byte_has_its_place() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("file");
        std::fs::write(&file, b"one\ntw\xff").expect("written");
        let fault = read(&file, 99).expect_err("a fault");
        assert_eq!(fault.place, Some((2, 3)));
    }
}
