//! nginx as the upstream.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::support::ports::Port;
use crate::support::programs::{Running, have};
use crate::support::{ALICE, BOB, Gate, eventually};

/// nginx before a folder, with a place that tells what it was asked.
struct Nginx {
    _running: Running,
    port: Port,
    directory: tempfile::TempDir,
}

impl Nginx {
    fn start() -> Option<Self> {
        if !have("nginx", &["-v"]) {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        let port = Port::claim();
        fs::create_dir(at.join("files")).unwrap();
        fs::create_dir_all(at.join("files/v1/items")).unwrap();
        let config = format!(
            r#"daemon off;
# One process: what is killed at the end of the test leaves no worker behind.
master_process off;
pid {at}/nginx.pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {at}/body;
    proxy_temp_path {at}/proxy;
    fastcgi_temp_path {at}/fastcgi;
    uwsgi_temp_path {at}/uwsgi;
    scgi_temp_path {at}/scgi;
    client_max_body_size 64m;
    default_type application/octet-stream;
    server {{
        listen {address};
        root {at}/files;
        location /any {{
            return 200 "$request_method $request_uri sid=$http_x_auth_sid scope=$http_x_auth_scope authorization=$http_authorization";
        }}
        location /v1/items {{
            gzip on;
            gzip_min_length 1;
            gzip_types *;
        }}
    }}
}}
"#,
            at = at.display(),
            address = port.address(),
        );
        fs::write(at.join("nginx.conf"), config).unwrap();
        let running = Running::start(
            Command::new("nginx")
                .arg("-p")
                .arg(at)
                .arg("-c")
                .arg(at.join("nginx.conf")),
        );
        eventually("nginx listens", Duration::from_secs(10), || {
            std::net::TcpStream::connect(port.address()).ok()
        });
        Some(Self {
            _running: running,
            port,
            directory,
        })
    }

    fn gate(&self) -> Gate {
        Gate::builder()
            .server(format!("http://{}", self.port.address()))
            .start()
    }

    fn put(&self, name: &str, content: &[u8]) {
        fs::write(self.directory.path().join("files").join(name), content).unwrap();
    }
}

#[test]
fn nginx_sees_who_asks_and_not_his_secret() {
    let Some(nginx) = Nginx::start() else { return };
    let gate = nginx.gate();
    let reply = gate.read_as(&ALICE, "/any/%61?x=%20y");
    assert_eq!(
        reply.text(),
        "GET /any/a?x=%20y sid=alice scope=any:call authorization="
    );
    assert_eq!(gate.read_as(&BOB, "/any/a").status, 403);
    assert_eq!(gate.ask("GET", "/any/a").send().status, 401);
}

#[test]
fn nginx_serves_files_ranges_conditions_and_gzip_through_the_gate() {
    let Some(nginx) = Nginx::start() else { return };
    let large: Vec<u8> = (0..4_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    nginx.put("v1/items/large", &large);
    let gate = nginx.gate();
    let whole = gate.read_as(&ALICE, "/v1/items/large");
    assert_eq!((whole.status, whole.body.len()), (200, large.len()));
    assert!(whole.body == large, "byte for byte");

    let part = gate
        .ask("GET", "/v1/items/large")
        .by(&ALICE)
        .header("Range", "bytes=1000000-1000099")
        .send();
    assert_eq!(part.status, 206);
    assert_eq!(part.body, large[1_000_000..1_000_100]);

    let tag = whole
        .header("etag")
        .expect("nginx sends an ETag")
        .to_owned();
    let again = gate
        .ask("GET", "/v1/items/large")
        .by(&ALICE)
        .header("If-None-Match", &tag)
        .send();
    assert_eq!((again.status, again.body.len()), (304, 0));

    let zipped = gate
        .ask("GET", "/v1/items/large")
        .by(&ALICE)
        .header("Accept-Encoding", "gzip")
        .send();
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
    assert!(zipped.body.starts_with(&[0x1f, 0x8b]) && zipped.body.len() < large.len());

    assert_eq!(gate.read_as(&ALICE, "/v1/items/none").status, 404);
}

#[test]
fn nginx_takes_a_large_upload_through_the_gate() {
    let Some(nginx) = Nginx::start() else { return };
    let gate = nginx.gate();
    let mut client = gate.connect();
    for _ in 0..3 {
        client.send(
            gate.ask("POST", "/any")
                .by(&ALICE)
                .body(vec![b'x'; 8 << 20])
                .bytes(),
        );
        let reply = client.reply("POST");
        assert!(reply.text().starts_with("POST /any sid=alice"), "{reply:?}");
    }
}
