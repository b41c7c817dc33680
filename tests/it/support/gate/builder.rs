//! What a gate is started with: its files, and the start itself.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Gate, Lines, process};
use crate::support::fixture::{self, OPERATOR};
use crate::support::ports::Port;
use crate::support::recorder::Recorder;
use crate::support::tls::Identity;

/// How long a gate may take to be ready, on a busy machine.
pub(super) const START: Duration = Duration::from_secs(30);

/// What a gate is started with.
#[derive(Default)]
pub(crate) struct Builder {
    proxy: String,
    upstream: String,
    servers: Vec<String>,
    sections: String,
    catalog: Option<String>,
    tokens: Option<String>,
    tls: Option<(String, String)>,
    client_certificates: String,
    files: Vec<(String, Vec<u8>)>,
    listen: Option<String>,
    config_map: Vec<String>,
    under: Vec<String>,
}

/// How a start that failed ended.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) status: ExitStatus,
    pub(crate) stderr: String,
}

impl Builder {
    /// A server of the first upstream.
    pub(crate) fn server(mut self, url: impl Into<String>) -> Self {
        self.servers.push(url.into());
        self
    }

    /// The recorder as a server of the first upstream.
    pub(crate) fn before(self, upstream: &Recorder) -> Self {
        self.server(upstream.url())
    }

    /// A line of `[proxy]`.
    pub(crate) fn proxy(mut self, line: &str) -> Self {
        writeln!(self.proxy, "{line}").unwrap();
        self
    }

    /// A line of the first `[[upstream]]`.
    pub(crate) fn upstream(mut self, line: &str) -> Self {
        writeln!(self.upstream, "{line}").unwrap();
        self
    }

    /// Whole sections beside the usual ones.
    pub(crate) fn section(mut self, text: &str) -> Self {
        writeln!(self.sections, "{text}").unwrap();
        self
    }

    /// The catalogue, instead of [`fixture::CATALOG`].
    pub(crate) fn catalog(mut self, text: impl Into<String>) -> Self {
        self.catalog = Some(text.into());
        self
    }

    /// The tokens, instead of [`fixture::tokens`].
    pub(crate) fn tokens(mut self, text: impl Into<String>) -> Self {
        self.tokens = Some(text.into());
        self
    }

    /// The gate speaks TLS as this identity.
    pub(crate) fn tls(mut self, identity: &Identity) -> Self {
        self.tls = Some((identity.certificate.clone(), identity.key.clone()));
        self
    }

    /// Further keys of `tls`, each with a comma before it.
    pub(crate) fn client_certificates(mut self, keys: &str) -> Self {
        self.client_certificates = keys.to_owned();
        self
    }

    /// One more file beside the main one.
    pub(crate) fn file(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.to_owned(), content.into()));
        self
    }

    /// Another address to listen on.
    pub(crate) fn listen(mut self, address: &str) -> Self {
        self.listen = Some(address.to_owned());
        self
    }

    /// These files lie as a Kubernetes ConfigMap lays them: each a link through `..data`,
    /// which is a link to a directory.
    pub(crate) fn config_map(mut self, files: &[&str]) -> Self {
        self.config_map = files.iter().map(|&file| file.to_owned()).collect();
        self
    }

    /// The gate is run by this command, which its own command line is added to.
    pub(crate) fn under(mut self, command: &[&str]) -> Self {
        self.under = command.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Starts it, and waits until it is ready, or has ended.
    #[track_caller]
    pub(crate) fn try_start(self) -> Result<Gate, Failed> {
        self.lay().spawn(Instant::now() + START)
    }

    /// Starts it, and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(self) -> Gate {
        let deadline = Instant::now() + START;
        loop {
            let laid = self.lay();
            match laid.spawn(deadline) {
                Ok(gate) => return gate,
                // Something outside the tests took the port between the probe and the gate.
                Err(failed) if failed.stderr.contains("in use") && Instant::now() < deadline => {}
                Err(failed) => panic!("the gate did not start:\n{}", failed.stderr),
            }
        }
    }

    /// Runs a command of the binary on these files to its end.
    #[track_caller]
    pub(crate) fn run(self, command: &str) -> Output {
        let laid = self.lay();
        process::output(
            Command::new(env!("CARGO_BIN_EXE_sidgate"))
                .args([command, "--config"])
                .arg(laid.dir.path().join("sidgate.toml")),
            START,
        )
    }

    /// Writes the files.
    fn lay(&self) -> Laid {
        let dir = tempfile::tempdir().unwrap();
        let (port, admin) = (Port::claim(), Port::claim());
        let listen = self
            .listen
            .clone()
            .unwrap_or_else(|| port.address().to_string());
        let mut main = format!("[proxy]\nlisten = [\"{listen}\"]\n");
        if !self.proxy.contains("workers") {
            main.push_str("workers = 2\n");
        }
        if let Some((certificate, key)) = &self.tls {
            fs::write(dir.path().join("cert.pem"), certificate).unwrap();
            let key_file = dir.path().join("key.pem");
            fs::write(&key_file, key).unwrap();
            fs::set_permissions(&key_file, Permissions::from_mode(0o600)).unwrap();
            writeln!(
                main,
                "tls = {{ certificate = \"cert.pem\", private_key = \"key.pem\"{} }}",
                self.client_certificates
            )
            .unwrap();
        }
        main.push_str(&self.proxy);
        // A gate without an upstream of its own gets one where nothing listens.
        let servers = if self.servers.is_empty() {
            vec!["http://127.0.0.1:1".to_owned()]
        } else {
            self.servers.clone()
        };
        write!(
            main,
            "\n[[upstream]]\nname = \"default\"\nservers = {servers:?}\n{}\n\
             [files]\ncatalog = \"catalog.toml\"\ntokens = \"tokens.toml\"\n\n\
             [admin]\nlisten = \"{}\"\n\
             [[admin.operator]]\nname = \"{}\"\nrole = \"administrator\"\ndigest = \"{}\"\n\n{}",
            self.upstream,
            admin.address(),
            OPERATOR.sid,
            fixture::digest(OPERATOR.secret),
            self.sections,
        )
        .unwrap();
        for (name, content) in &self.files {
            fs::write(dir.path().join(name), content).unwrap();
        }
        let catalog = self.catalog.as_deref().unwrap_or(fixture::CATALOG);
        fs::write(dir.path().join("catalog.toml"), catalog).unwrap();
        let tokens = self.tokens.clone().unwrap_or_else(fixture::tokens);
        fs::write(dir.path().join("tokens.toml"), tokens).unwrap();
        fs::write(dir.path().join("sidgate.toml"), main).unwrap();
        if !self.config_map.is_empty() {
            fs::create_dir(dir.path().join("..first")).unwrap();
            symlink("..first", dir.path().join("..data")).unwrap();
        }
        for file in &self.config_map {
            let inner = Path::new("..data").join(file);
            fs::rename(dir.path().join(file), dir.path().join(&inner)).unwrap();
            symlink(inner, dir.path().join(file)).unwrap();
        }
        let under = self.under.clone();
        Laid {
            dir,
            under,
            port,
            admin,
        }
    }
}

/// Files on disk, not started.
struct Laid {
    dir: TempDir,
    under: Vec<String>,
    port: Port,
    admin: Port,
}

impl Laid {
    /// Starts the gate; how it ended where it did instead.
    fn spawn(self, deadline: Instant) -> Result<Gate, Failed> {
        let (child, stdout, stderr) = serve(self.dir.path(), &self.under);
        let mut gate = Gate {
            child,
            stdout,
            stderr,
            dir: self.dir,
            under: self.under,
            port: self.port,
            admin: self.admin,
        };
        while !gate.is_ready() {
            if let Some(status) = gate.child.try_wait().unwrap() {
                gate.stderr.wait_end();
                let stderr = gate.stderr.text();
                return Err(Failed { status, stderr });
            }
            assert!(Instant::now() < deadline, "not ready within {START:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(gate)
    }
}

/// Starts the gate of the files in a directory, under another command where one is given.
pub(super) fn serve(dir: &Path, under: &[String]) -> (Child, Lines, Lines) {
    let gate = env!("CARGO_BIN_EXE_sidgate");
    let mut command = match under {
        [] => Command::new(gate),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(gate);
            command
        }
    };
    let mut child = command
        .args(["serve", "--config"])
        .arg(dir.join("sidgate.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = Lines::of(child.stdout.take().unwrap());
    let stderr = Lines::of(child.stderr.take().unwrap());
    (child, stdout, stderr)
}
