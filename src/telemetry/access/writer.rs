//! The thread that writes access records, and where it writes them.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

use super::Shared;
use crate::config::LogTarget;

/// What the writer is told.
#[derive(Debug)]
pub(super) enum Message {
    /// Whole lines.
    Records { bytes: Vec<u8>, records: u64 },
    /// Open the file again.
    Reopen,
    /// Write what follows there.
    Replace(Sink),
    /// Nothing follows.
    Stop,
}

/// Where records are written.
#[derive(Debug)]
pub(super) enum Sink {
    Nowhere,
    Stdout,
    File(PathBuf, File),
}

impl Sink {
    /// Opens a target.
    pub(super) fn open(target: Option<&LogTarget>) -> io::Result<Self> {
        Ok(match target {
            None => Self::Nowhere,
            Some(LogTarget::Stdout) => Self::Stdout,
            Some(LogTarget::File(path)) => Self::File(path.clone(), append(path)?),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Nowhere => Ok(()),
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes)?;
                stdout.flush()
            }
            Self::File(_, file) => file.write_all(bytes),
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        if let Self::File(path, file) = self {
            *file = append(path)?;
        }
        Ok(())
    }
}

/// Writes until it is told to stop, or until nobody is left to tell it anything.
pub(super) fn run(mut sink: Sink, messages: &Receiver<Message>, shared: &Shared) {
    // A full disk fails thousands of times a second: only changes are told.
    let mut is_failing = false;
    while let Ok(message) = messages.recv() {
        match message {
            Message::Records { bytes, records } => {
                let written = sink.write(&bytes);
                shared
                    .waiting
                    .fetch_sub(bytes.capacity(), Ordering::Relaxed);
                if let Err(error) = &written {
                    shared.dropped.fetch_add(records, Ordering::Relaxed);
                    if !is_failing {
                        tracing::error!(%error, "access records cannot be written");
                    }
                } else if is_failing {
                    tracing::info!("access records are written again");
                }
                is_failing = written.is_err();
            }
            Message::Reopen => {
                if let Err(error) = sink.reopen() {
                    tracing::error!(%error, "the access log could not be opened again");
                }
            }
            Message::Replace(next) => sink = next,
            Message::Stop => break,
        }
    }
}

/// Opens a file for appending; a new one is for its owner and group alone, since paths
/// and SIDs say who does what.
fn append(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        // A FIFO that nobody reads fails at once instead of blocking for ever.
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() || kind.is_char_device() {
        Ok(file)
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "an access log is a regular file or a character device",
        ))
    }
}
