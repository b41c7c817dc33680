//! Puts new content in the place of a file, so that at every moment, also after a crash or a
//! power failure, the file is whole, old or new, and that an edit made by someone else at
//! the same time is never lost.
//!
//! The new content is written to a file beside the old one and synced; then the two are
//! exchanged in one step. What was exchanged out must be what the change was built on. If
//! it is not, someone else has put their own there in the meantime, and the two are
//! exchanged back.

use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{
    Access, AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags, accessat, fchmod, fchown,
    flock, renameat_with,
};
use rustix::process::{Gid, Uid};

use super::super::CommitError;

/// A file that is to be exchanged.
pub(super) struct Exchange<'a> {
    pub(super) path: &'a Path,
    /// What it must hold.
    pub(super) base: &'a str,
}

impl Exchange<'_> {
    /// Puts the text in the file's place. When this returns, it is on stable storage.
    ///
    /// # Errors
    /// [`CommitError::Moved`] where the file holds something else than it must,
    /// [`CommitError::Unavailable`] where something fails. The file is as it was, or as
    /// someone else has made it.
    pub(super) fn put(&self, text: &str) -> Result<(), CommitError> {
        let failed = |error: io::Error| {
            let file = self.path.display();
            CommitError::unavailable(format!("{file} cannot be written: {error}"))
        };
        // A link stays a link: what it leads to is exchanged, in its own directory.
        let real = self.path.canonicalize().map_err(failed)?;
        let old = std::fs::metadata(&real).map_err(failed)?;
        writable(&real, &old).map_err(failed)?;
        let directory = real.parent().unwrap_or(Path::new("/"));
        let directory = File::open(directory).map_err(failed)?;
        // Opened before anything is changed, as everything is: a process that runs out of
        // descriptors in the middle could not tell what it has exchanged.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let current = rustix::fs::open(&real, flags, Mode::empty());
        let current = File::from(current.map_err(|e| failed(e.into()))?);
        let temporary = Temporary::create(&real, &old, text).map_err(failed)?;

        let exchange = || {
            renameat_with(CWD, &temporary.path, CWD, &real, RenameFlags::EXCHANGE)
                .map_err(io::Error::from)
        };
        exchange().map_err(failed)?;
        let taken = &temporary.path;
        if !holds(taken, &current, self.base) || self.path.canonicalize().ok() != Some(real.clone())
        {
            exchange().map_err(failed)?;
            if !holds(taken, &temporary.file, text) {
                // Replaced once more in between: theirs is the latest, and back it goes.
                exchange().map_err(failed)?;
            }
            return Err(CommitError::Moved);
        }
        if let Err(error) = directory.sync_all() {
            exchange().map_err(failed)?;
            return Err(failed(error));
        }
        Ok(())
    }
}

/// Whether this open file is the one at a path, and holds this text.
fn holds(path: &Path, file: &File, text: &str) -> bool {
    let holds = || -> io::Result<bool> {
        let (there, own) = (std::fs::symlink_metadata(path)?, file.metadata()?);
        let is_same = (there.dev(), there.ino()) == (own.dev(), own.ino());
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        if !is_same || own.len() != length {
            return Ok(false);
        }
        let mut bytes = vec![0; text.len()];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes == text.as_bytes())
    };
    holds().unwrap_or(false)
}

/// Whether the file itself may be written, which replacing it would not ask.
fn writable(path: &Path, metadata: &Metadata) -> io::Result<()> {
    if metadata.mode() & 0o222 == 0 {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS).map_err(io::Error::from)
}

/// A file beside another, taken away when dropped. Locked as long as it is in use, so that
/// it is not taken for one that a crash has left.
struct Temporary {
    path: PathBuf,
    file: File,
}

impl Temporary {
    /// Writes a file with the owner and mode of the one that it shall replace, and syncs it.
    fn create(beside: &Path, like: &Metadata, text: &str) -> io::Result<Self> {
        let (prefix, suffix) = affixes(beside);
        let path = beside.with_file_name(format!("{prefix}{:016x}{suffix}", rand::random::<u64>()));
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR)?;
        let temporary = Self {
            path,
            file: File::from(file),
        };
        let mut file = &temporary.file;
        flock(file, FlockOperation::NonBlockingLockExclusive)?;
        let now = file.metadata()?;
        if (now.uid(), now.gid()) != (like.uid(), like.gid()) {
            let (uid, gid) = (Uid::from_raw(like.uid()), Gid::from_raw(like.gid()));
            fchown(file, Some(uid), Some(gid))?;
        }
        fchmod(
            file,
            Mode::from_raw_mode(like.permissions().mode() & 0o7777),
        )?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(temporary)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            let file = self.path.display();
            tracing::warn!(%file, %error, "a temporary file stays behind");
        }
    }
}

/// What the name of every temporary file beside this one begins and ends with.
fn affixes(beside: &Path) -> (String, &'static str) {
    let name = beside.file_name().unwrap_or_default().to_string_lossy();
    (format!(".{name}.sidgate-"), ".tmp")
}

/// Takes away temporary files that a crash has left beside a file.
pub(super) fn clean(path: &Path) {
    let Ok(real) = path.canonicalize() else {
        return;
    };
    let (prefix, suffix) = affixes(&real);
    let directory = real.parent().unwrap_or(Path::new("/"));
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with(&prefix) || !name.ends_with(suffix) {
            continue;
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let path = entry.path();
        let unused = rustix::fs::open(&path, flags, Mode::empty())
            .and_then(|file| flock(file, FlockOperation::NonBlockingLockExclusive));
        if unused.is_ok() && std::fs::remove_file(&path).is_ok() {
            tracing::info!(file = %path.display(), "a temporary file of an earlier run is gone");
        }
    }
}
