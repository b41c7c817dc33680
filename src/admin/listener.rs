//! Where the admin API listens: a TCP address or a Unix socket.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, fchmod};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::config::AdminListen;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;

/// A bound listener, ready for [`serve`](super::serve).
#[derive(Debug)]
pub enum AdminListener {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix socket, whose file is removed when this is dropped.
    Unix(UnixListener, SocketFile),
}

/// The file of a Unix socket that this process made.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode: another process may have put its own in the place.
    identity: Option<(u64, u64)>,
}

impl AdminListener {
    /// Binds an address. A Unix socket is open to its owner alone (mode 0600); a socket file
    /// that a run of ours left behind is replaced, anything else at its path is not touched.
    ///
    /// # Errors
    /// When the address is taken or cannot be bound.
    pub fn bind(address: &AdminListen) -> io::Result<Self> {
        match address {
            AdminListen::Tcp(address) => {
                let listener = TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                Ok(Self::Tcp(listener))
            }
            AdminListen::Unix(path) => {
                remove_stale(path)?;
                let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
                // Linux gives the file the mode of the socket: it is there from the first
                // moment, and nothing that is put in the file's place is changed by name.
                fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
                socket.bind(&SockAddr::unix(path)?)?;
                let file = SocketFile::new(path)?;
                socket.listen(BACKLOG)?;
                socket.set_nonblocking(true)?;
                Ok(Self::Unix(socket.into(), file))
            }
        }
    }

    /// Where it listens, for people: `127.0.0.1:8081` or `unix:PATH`.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Tcp(listener) => listener
                .local_addr()
                .map_or_else(|_| "an unknown address".to_owned(), |a| a.to_string()),
            Self::Unix(_, file) => format!("unix:{}", file.path.display()),
        }
    }

    /// The address of a TCP listener, with the port that the system chose for port 0.
    #[must_use]
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(..) => None,
        }
    }
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::symlink_metadata(path)?;
        Ok(Self {
            path: path.to_owned(),
            identity: Some((metadata.dev(), metadata.ino())),
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let there = std::fs::symlink_metadata(&self.path)
            .ok()
            .map(|metadata| (metadata.dev(), metadata.ino()));
        if there.is_some() && there == self.identity {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Removes a socket file of this user that nobody answers at.
fn remove_stale(path: &Path) -> io::Result<()> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let ours = metadata.uid() == rustix::process::geteuid().as_raw();
    if !metadata.file_type().is_socket() || !ours {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "something that is no socket of this user is in its place",
        ));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another process answers there",
        )),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_socket_is_its_owners_alone_and_leaves_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("admin.sock");
        let address = AdminListen::Unix(path.clone());
        let listener = AdminListener::bind(&address).expect("bound");
        let mode = std::fs::metadata(&path)
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            AdminListener::bind(&address).expect_err("taken").kind(),
            io::ErrorKind::AddrInUse
        );
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_file_is_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("admin.sock");
        // The standard library's listener leaves its file behind.
        drop(UnixListener::bind(&path).expect("bound"));
        assert!(path.exists());
        AdminListener::bind(&AdminListen::Unix(path.clone())).expect("the stale one is replaced");

        std::fs::write(&path, "mine").expect("written");
        let error = AdminListener::bind(&AdminListen::Unix(path.clone())).expect_err("refused");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "mine");
    }

    #[test]
    fn a_link_is_neither_followed_nor_replaced() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("admin.sock");
        let file = directory.path().join("file");
        std::fs::write(&file, "another's").expect("written");
        let stale = directory.path().join("stale.sock");
        drop(UnixListener::bind(&stale).expect("bound"));
        for target in [&file, &stale, &directory.path().join("nothing")] {
            symlink(target, &path).expect("a link");
            let error = AdminListener::bind(&AdminListen::Unix(path.clone())).expect_err("refused");
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{target:?}");
            assert!(path.is_symlink(), "{target:?}");
            std::fs::remove_file(&path).expect("the link");
        }
        assert!(stale.exists());
        assert_eq!(std::fs::read_to_string(&file).expect("there"), "another's");
    }

    #[test]
    fn a_file_put_in_our_place_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("admin.sock");
        let listener = AdminListener::bind(&AdminListen::Unix(path.clone())).expect("bound");
        std::fs::remove_file(&path).expect("removed");
        std::fs::write(&path, "another's").expect("written");
        drop(listener);
        assert!(path.exists());
    }
}
