//! A gate that serves, with its admin API, in a folder of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use serde_json::Value;

use crate::{DIGEST, PATIENCE, Ran, run};

const CATALOG: &str = r#"[versions]
latest = "16"
[[versions.version]]
id = "16"
[[versions.version]]
id = "15"

[[category]]
name = "Ads"
[[category.scope]]
id = "ads:read"
name = "Read ads"
allow = ["GET /accounts/{sid}/ads", "GET /accounts/{sid}/ads/{ad}"]
"#;

/// A gate of its own, in a folder of its own. Ends when dropped.
pub(crate) struct Gate {
    child: Child,
    pub(crate) folder: tempfile::TempDir,
    url: String,
}

impl Gate {
    /// With this address and these further lines of `[admin]`, and so many tokens.
    pub(crate) fn start(listen: &str, admin: &str, tokens: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::start_in(folder, listen, admin, tokens)
    }

    pub(crate) fn start_in(
        folder: tempfile::TempDir,
        listen: &str,
        admin: &str,
        tokens: usize,
    ) -> Self {
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("catalog.toml", CATALOG);
        write("sealing.keys", &format!("k1:{}\n", "5a".repeat(32)));
        let mut text = "# All tokens.\n".to_owned();
        for number in 0..tokens {
            text += &format!(
                "[[token]]\nsid = \"partner-{number}\"\nname = \"Pärtner {number}\"\n\
                 digest = \"{DIGEST}\"\nscopes = [\"ads:read\"]\napi_version = \"15\"\n\
                 state = \"{}\"\n",
                if number % 2 == 0 {
                    "enabled"
                } else {
                    "disabled"
                }
            );
        }
        write("tokens.toml", &text);
        write(
            "sidgate.toml",
            &format!(
                "[proxy]\nlisten = [\"127.0.0.1:0\"]\nworkers = 1\n\
                 [[upstream]]\nservers = [\"http://127.0.0.1:9\"]\n\
                 [files]\ncatalog = \"catalog.toml\"\ntokens = \"tokens.toml\"\n\
                 [access_log]\noutput = \"off\"\n\
                 [admin]\nlisten = \"{listen}\"\n{admin}\
                 [[admin.operator]]\nname = \"ops\"\nrole = \"viewer\"\ndigest = \"{DIGEST}\"\n\
                 [[admin.operator]]\nname = \"ada\"\nrole = \"administrator\"\ndigest = \"{DIGEST}\"\n\
                 [secrets]\nsealing_key_file = \"sealing.keys\"\n"
            ),
        );
        let mut child = Command::new(env!("CARGO_BIN_EXE_sidgate"))
            .args(["serve", "--config"])
            .arg(folder.path().join("sidgate.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (send, address) = channel();
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                let line: Value = serde_json::from_str(&line).unwrap_or_default();
                if line["message"] == "admin listens" {
                    // Nobody waits any more where the test has failed.
                    let _ = send.send(line["address"].as_str().unwrap_or_default().to_owned());
                }
            }
        });
        let address = address.recv_timeout(PATIENCE).expect("it serves");
        let scheme = if admin.contains("tls") {
            "https"
        } else {
            "http"
        };
        let url = if address.starts_with("unix:") {
            address
        } else {
            format!("{scheme}://{address}")
        };
        Self { child, folder, url }
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(&self.url, arguments)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // It may have ended by itself, and then the test says so.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
