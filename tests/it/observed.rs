//! What is seen of the gate from outside: access records, metrics, and what a service
//! manager is told and gives.

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::support::fixture::{OPERATOR, digest};
use crate::support::http1::Ask;
use crate::support::ports::Port;
use crate::support::programs::{Running, have};
use crate::support::recorder::ok;
use crate::support::{ALICE, BOB, Gate, Recorder, eventually};

#[test]
fn an_admitted_request_has_a_record() {
    let upstream = Recorder::replying(|_| ok("seven b"));
    let gate = Gate::before(&upstream);
    let reply = gate
        .ask("POST", "/any/%61?secret=in-the-query")
        .by(&ALICE)
        .body("five!")
        .send();
    let record = gate.record(|record| record["path"] == "/any/a");
    let id = reply.header("x-request-id").unwrap();
    for (key, value) in [
        ("request_id", id),
        ("peer", "127.0.0.1"),
        ("method", "POST"),
        ("sid", "alice"),
        ("code", "ok"),
        ("scope", "any:call"),
        ("rule", "* /any/{*rest}"),
        ("version", "16"),
        ("upstream", &upstream.url()),
    ] {
        assert_eq!(record[key], value, "{key} in {record}");
    }
    for (key, value) in [("status", 200), ("bytes_in", 5), ("bytes_out", 7)] {
        assert_eq!(record[key], value, "{key} in {record}");
    }
    assert!(record["time"].as_str().unwrap().ends_with('Z'), "{record}");
    let total = record["duration_us"].as_u64().unwrap();
    assert!(
        record["upstream_duration_us"].as_u64().unwrap() <= total,
        "{record}"
    );
    assert!(!record.to_string().contains("in-the-query"));
}

#[test]
fn a_records_time_is_that_of_the_requests_head() {
    let upstream = Recorder::replying(|_| {
        std::thread::sleep(Duration::from_millis(300));
        ok("late")
    });
    let gate = Gate::before(&upstream);
    let before = jiff::Timestamp::now();
    gate.ask("GET", "/v1/items").by(&ALICE).send();
    let after = jiff::Timestamp::now();
    let record = gate.record(|record| record["path"] == "/v1/items");
    let time: jiff::Timestamp = record["time"].as_str().unwrap().parse().unwrap();
    let took = Duration::from_micros(record["duration_us"].as_u64().unwrap());
    assert!(took >= Duration::from_millis(300), "{record}");
    // Records have milliseconds.
    assert!(
        time + Duration::from_millis(1) >= before,
        "{before} {record}"
    );
    assert!(time + took <= after, "{after} {record}");
}

#[test]
fn a_refusal_has_a_record_that_says_why() {
    let gate = Gate::builder().start();
    for (ask, code, status, sid) in [
        (
            gate.ask("GET", "/one//two"),
            "bad_request_target",
            400,
            None,
        ),
        (gate.ask("GET", "/two"), "missing_credentials", 401, None),
        (
            gate.ask("GET", "/three").by(&ALICE),
            "no_route",
            403,
            Some("alice"),
        ),
        (
            gate.ask("GET", "/v1/items").by(&BOB),
            "scope_not_granted",
            403,
            Some("bob"),
        ),
        (
            gate.ask("GET", "/v1/items").by(&ALICE),
            "upstream_unreachable",
            502,
            Some("alice"),
        ),
    ] {
        ask.send();
        let record = gate.record(|record| record["code"] == code);
        assert_eq!(record["status"], status, "{record}");
        assert_eq!(record["sid"].as_str(), sid, "{record}");
    }
    assert_eq!(gate.records().len(), 5);
}

#[test]
fn a_client_that_goes_away_has_a_record() {
    let upstream = Recorder::scripted(|wire| {
        wire.head();
        wire.hang();
    });
    let gate = Gate::before(&upstream);
    let mut client = gate.connect();
    client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
    upstream.wait_for(1);
    drop(client);
    let record = gate.record(|record| record["path"] == "/v1/items");
    assert_eq!(record["code"], "client_closed", "{record}");
    assert_eq!(record["sid"], "alice");
}

#[test]
fn every_request_has_one_record_and_is_counted_once() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let mut client = gate.connect();
    for number in 0..100 {
        let who = if number % 4 == 0 { &BOB } else { &ALICE };
        client.send(
            gate.ask("GET", &format!("/v1/items/{number}"))
                .by(who)
                .bytes(),
        );
        client.reply("GET");
    }
    let ids = eventually("a hundred records", Duration::from_secs(10), || {
        let records = gate.records();
        (records.len() >= 100).then(|| {
            let ids = records
                .iter()
                .map(|record| record["request_id"].to_string());
            ids.collect::<std::collections::HashSet<_>>()
        })
    });
    assert_eq!(ids.len(), 100);
    let metrics = gate.ask_admin("/metrics").text();
    let count = |code: &str| {
        let line = metrics
            .lines()
            .find(|line| {
                line.starts_with("sidgate_requests_total")
                    && line.contains(&format!("code=\"{code}\""))
            })
            .unwrap_or_else(|| panic!("{code} in {metrics}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert!((count("ok") - 75.0).abs() < 0.5);
    assert!((count("scope_not_granted") - 25.0).abs() < 0.5);
    assert!(metrics.ends_with("# EOF\n"));
}

#[test]
fn records_go_to_a_file_that_logrotate_moves() {
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .section("[access_log]\noutput = \"file:access.log\"")
        .start();
    let lines = |name: &str| {
        let text = std::fs::read_to_string(gate.path(name)).unwrap_or_default();
        text.lines().count()
    };
    assert_eq!(gate.read_as(&ALICE, "/v1/items").status, 200);
    eventually("a line", Duration::from_secs(5), || {
        (lines("access.log") == 1).then_some(())
    });
    std::fs::rename(gate.path("access.log"), gate.path("access.log.1")).unwrap();
    gate.signal(Signal::HUP);
    eventually("a new file", Duration::from_secs(5), || {
        gate.path("access.log").exists().then_some(())
    });
    assert_eq!(gate.read_as(&ALICE, "/v1/items/2").status, 200);
    eventually("a line in it", Duration::from_secs(5), || {
        (lines("access.log") == 1).then_some(())
    });
    assert_eq!(lines("access.log.1"), 1);
    assert!(gate.records().is_empty(), "and none on standard output");
}

#[test]
fn the_last_records_are_written_at_the_stop() {
    let upstream = Recorder::ok();
    let mut gate = Gate::before(&upstream);
    let mut client = gate.connect();
    for _ in 0..50 {
        client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
        assert_eq!(client.reply("GET").status, 200);
    }
    gate.signal(Signal::TERM);
    assert_eq!(gate.wait(Duration::from_secs(10)).code(), Some(0));
    eventually("all records", Duration::from_secs(5), || {
        (gate.records().len() == 50).then_some(())
    });
}

/// sd_notify(3) and sd_listen_fds(3), as systemd does them.
#[test]
fn a_service_manager_passes_sockets_and_is_told() {
    if !have("sh", &["-c", "true"]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let told = || {
        let mut buffer = [0; 256];
        let count = manager.recv(&mut buffer).expect("the manager is told");
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    };
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let (unused, admin) = (Port::claim(), Port::claim());
    let upstream = Recorder::ok();
    std::fs::write(
        directory.path().join("catalog.toml"),
        crate::support::fixture::CATALOG,
    )
    .unwrap();
    std::fs::write(
        directory.path().join("tokens.toml"),
        crate::support::fixture::tokens(),
    )
    .unwrap();
    let main = format!(
        "[proxy]\nlisten = [\"{}\"]\n[[upstream]]\nname = \"default\"\nservers = [\"{}\"]\n\
         [files]\ncatalog = \"catalog.toml\"\ntokens = \"tokens.toml\"\n[admin]\nlisten = \"{}\"\n\
         [[admin.operator]]\nname = \"{}\"\nrole = \"viewer\"\ndigest = \"{}\"\n",
        unused.address(),
        upstream.url(),
        admin.address(),
        OPERATOR.sid,
        digest(OPERATOR.secret),
    );
    let file = directory.path().join("sidgate.toml");
    std::fs::write(&file, main).unwrap();

    // The shell makes the socket descriptor 3, and keeps its process for the gate.
    let mut gate = Running::start_with(
        Command::new("sh")
            .args([
                "-c",
                "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" serve --config \"$1\" 3<&0 0</dev/null",
            ])
            .arg(env!("CARGO_BIN_EXE_sidgate"))
            .arg(&file)
            .env("NOTIFY_SOCKET", &path)
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(socket))),
    );
    assert!(told().contains("READY=1"));
    let reply = Ask::new(address, "GET", "/v1/items").by(&ALICE).send();
    assert_eq!(reply.status, 200);
    assert!(std::net::TcpStream::connect(unused.address()).is_err());
    gate.signal(Signal::TERM);
    assert!(told().contains("STOPPING=1"));
    assert_eq!(gate.wait(Duration::from_secs(10)).code(), Some(0));
}
