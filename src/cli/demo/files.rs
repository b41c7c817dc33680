//! The demo's files: a folder of its own, gone when the demo is over.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::token::{AuthToken, Digest, Sid};

/// Who may call the demo's gate, and who its admin.
pub(super) struct Credentials {
    pub(super) sid: Sid,
    pub(super) auth_token: AuthToken,
    pub(super) operator_secret: AuthToken,
}

/// Where the demo's parts listen.
pub(super) struct Addresses {
    pub(super) gate: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) upstream: SocketAddr,
}

/// A folder that only this user may enter; removed with all that is in it when dropped.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn create() -> io::Result<Self> {
        // An unguessable name, and an error where it is there: nobody else's folder or
        // link is ever written into.
        let name = format!("sidgate-demo-{:016x}", rand::random::<u64>());
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes the three files; gives the main one.
    pub(super) fn write(&self, to: &Addresses, who: &Credentials) -> io::Result<PathBuf> {
        self.write_file("catalog.toml", CATALOG)?;
        self.write_file("tokens.toml", &tokens(who))?;
        self.write_file("sidgate.toml", &main_file(to, who))
    }

    fn write_file(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.0.join(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options.open(&path)?.write_all(text.as_bytes())?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Whoever removed it already has done the work.
        let _ = fs::remove_dir_all(&self.0);
    }
}

const CATALOG: &str = r#"# What can be granted.
[paths]
public = ["GET /status"]

[[category]]
name = "Items"

[[category.scope]]
id = "items:read"
name = "Read items"
allow = ["GET /accounts/{sid}/items", "GET /accounts/{sid}/items/{item}"]

[[category.scope]]
id = "items:write"
name = "Create items"
allow = ["POST /accounts/{sid}/items"]
"#;

fn tokens(who: &Credentials) -> String {
    format!(
        r#"# Who holds what. Grant "items:write" as well, save, and the refused call passes.
[[token]]
sid = "{}"
name = "Demo"
scopes = ["items:read"]
digest = "{}"
"#,
        who.sid,
        Digest::of(who.auth_token.secret()).to_text()
    )
}

fn main_file(to: &Addresses, who: &Credentials) -> String {
    let Addresses {
        gate,
        admin,
        upstream,
    } = to;
    format!(
        r#"[proxy]
listen = ["{gate}"]

[[upstream]]
name = "echo"
servers = ["http://{upstream}"]

[files]
catalog = "catalog.toml"
tokens = "tokens.toml"

[admin]
listen = "{admin}"

[[admin.operator]]
name = "demo"
role = "administrator"
digest = "{}"

[access_log]
output = "stdout"

[log]
level = "warn"
format = "text"
"#,
        Digest::of(who.operator_secret.secret()).to_text()
    )
}
