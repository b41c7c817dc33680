//! The gate as a process, with files of its own.

mod builder;
mod output;
pub(crate) mod process;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::fixture::{OPERATOR, Who};
use super::http1::{Ask, Client, Reply};
use super::ports::Port;
use super::recorder::Recorder;
use super::wait::eventually;
pub(crate) use builder::{Builder, Failed};
pub(crate) use output::Lines;

/// A running gate. Dropped, it is killed, and its files are removed.
pub(crate) struct Gate {
    child: Child,
    stdout: Lines,
    stderr: Lines,
    dir: TempDir,
    under: Vec<String>,
    port: Port,
    admin: Port,
}

impl Gate {
    pub(crate) fn builder() -> Builder {
        Builder::default()
    }

    /// A gate with the usual catalogue and tokens before this recorder.
    #[track_caller]
    pub(crate) fn before(upstream: &Recorder) -> Self {
        Self::builder().before(upstream).start()
    }

    /// Ends the process, if it still runs, and starts it anew over the same files.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        process::end(&mut self.child);
        (self.child, self.stdout, self.stderr) = builder::serve(self.dir.path(), &self.under);
        eventually("a gate that is ready again", builder::START, || {
            self.is_ready().then_some(())
        });
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    pub(crate) fn admin_address(&self) -> SocketAddr {
        self.admin.address()
    }

    /// A file beside the main one.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn directory(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Puts a file in the place of another, as a careful program does.
    pub(crate) fn replace(&self, name: &str, content: impl AsRef<[u8]>) {
        let temporary = self.path(&format!(".{name}.new"));
        fs::write(&temporary, content).unwrap();
        fs::rename(&temporary, self.path(name)).unwrap();
    }

    /// A new plaintext connection.
    #[track_caller]
    pub(crate) fn connect(&self) -> Client {
        Client::tcp(self.address())
    }

    /// A request to the gate, on a connection of its own.
    pub(crate) fn ask(&self, method: &str, target: &str) -> Ask {
        Ask::new(self.address(), method, target)
    }

    /// GET by this token, answered.
    #[track_caller]
    pub(crate) fn read_as(&self, who: &Who, target: &str) -> Reply {
        self.ask("GET", target).by(who).send()
    }

    /// GET of the admin API by the operator.
    #[track_caller]
    pub(crate) fn ask_admin(&self, target: &str) -> Reply {
        Ask::new(self.admin_address(), "GET", target)
            .by(&OPERATOR)
            .send()
    }

    /// A call of the admin API by the operator, with a JSON body.
    #[track_caller]
    pub(crate) fn tell_admin(&self, method: &str, target: &str, body: &str) -> Reply {
        Ask::new(self.admin_address(), method, target)
            .by(&OPERATOR)
            .header("Content-Type", "application/json")
            .body(body)
            .send()
    }

    /// `/v1/status`.
    #[track_caller]
    pub(crate) fn status(&self) -> Value {
        let reply = self.ask_admin("/v1/status");
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    /// Access records so far.
    pub(crate) fn records(&self) -> Vec<Value> {
        self.stdout
            .all()
            .iter()
            .map(|line| serde_json::from_str(line).expect("an access record is a line of JSON"))
            .collect()
    }

    /// All access records of a gate that has ended.
    pub(crate) fn last_records(&self) -> Vec<Value> {
        self.stdout.wait_end();
        self.records()
    }

    /// The first access record that fits; records are written after the answer.
    #[track_caller]
    pub(crate) fn record(&self, fits: impl Fn(&Value) -> bool) -> Value {
        eventually("an access record", Duration::from_secs(10), || {
            self.records().into_iter().find(|record| fits(record))
        })
    }

    /// Waits for a line of the log with all these pieces.
    #[track_caller]
    pub(crate) fn logged(&self, pieces: &[&str]) -> String {
        eventually(
            &format!("a log line with {pieces:?}"),
            Duration::from_secs(10),
            || {
                self.log()
                    .into_iter()
                    .find(|line| pieces.iter().all(|piece| line.contains(piece)))
            },
        )
    }

    /// The log so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.stderr.all()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        process::signal(&self.child, signal);
    }

    /// Waits for the end of the process.
    #[track_caller]
    pub(crate) fn wait(&mut self, within: Duration) -> ExitStatus {
        process::wait(&mut self.child, within)
            .unwrap_or_else(|| panic!("the gate still runs after {within:?}"))
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in bytes, without that of the program's own file.
    pub(crate) fn resident(&self) -> u64 {
        process::resident(&self.child)
    }

    /// Processor time spent so far.
    pub(crate) fn processor_time(&self) -> Duration {
        process::processor_time(&self.child)
    }

    /// Lets the process open no more descriptors than these.
    pub(crate) fn limit_descriptors(&self, most: u64) {
        process::limit_descriptors(&self.child, most);
    }

    /// Lets the process's files grow to so many bytes, or as far as they can.
    pub(crate) fn limit_file_size(&self, most: Option<u64>) {
        process::limit_file_size(&self.child, most);
    }

    fn is_ready(&self) -> bool {
        Ask::new(self.admin_address(), "GET", "/readyz")
            .try_send()
            .is_ok_and(|reply| reply.status == 200)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // What the gate said is half of understanding why a test failed.
        if std::thread::panicking() {
            eprintln!("--- the gate's log\n{}", self.stderr.text());
        }
        process::end(&mut self.child);
    }
}
