//! Records as they are read back, and what happens when nobody takes them.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::code::Code;
use crate::config::LogTarget;

fn record(path: &str) -> Record<'_> {
    Record {
        time: UNIX_EPOCH + Duration::from_millis(1_795_262_400_007),
        request_id: "01JABC",
        peer: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 107)),
        protocol: "http/1.1",
        tls: true,
        method: "GET",
        path,
        sid: Some("IRa7"),
        code: Code::Ok,
        scope: Some("ads:read"),
        rule: Some("GET /Mediapartners/{sid}/Ads"),
        version: Some("16"),
        status: 200,
        bytes_in: 0,
        bytes_out: u64::MAX,
        upstream: Some("http://127.0.0.1:9000"),
        duration: Duration::from_micros(1_234),
        upstream_duration: Some(Duration::from_nanos(999_999)),
    }
}

fn to(path: &Path, buffer: usize) -> config::AccessLog {
    config::AccessLog {
        target: Some(LogTarget::File(path.to_owned())),
        buffer,
    }
}

fn formatted(record: &Record<'_>) -> Value {
    let mut bytes = Vec::new();
    Formatter::default().write(record, &mut bytes);
    let line = std::str::from_utf8(&bytes).expect("UTF-8");
    assert_eq!(line.find('\n'), Some(line.len() - 1), "one line");
    serde_json::from_str(line).expect("JSON")
}

#[test]
fn a_record_has_every_field() {
    let expected = json!({
        "time": "2026-11-21T12:00:00.007Z", "request_id": "01JABC", "peer": "192.0.2.107",
        "protocol": "http/1.1", "tls": true, "method": "GET", "path": "/a", "sid": "IRa7",
        "code": "ok", "scope": "ads:read", "rule": "GET /Mediapartners/{sid}/Ads",
        "version": "16", "status": 200, "bytes_in": 0, "bytes_out": u64::MAX,
        "upstream": "http://127.0.0.1:9000", "duration_us": 1_234, "upstream_duration_us": 999,
    });
    assert_eq!(formatted(&record("/a")), expected);
}

#[test]
fn what_does_not_apply_is_left_out() {
    let line = formatted(&Record {
        sid: None,
        scope: None,
        rule: None,
        version: None,
        upstream: None,
        upstream_duration: None,
        tls: false,
        peer: "::ffff:10.0.0.1".parse().expect("an address"),
        code: Code::BadHost,
        ..record("/")
    });
    let keys: Vec<_> = line.as_object().expect("an object").keys().collect();
    assert_eq!(
        keys,
        [
            "bytes_in",
            "bytes_out",
            "code",
            "duration_us",
            "method",
            "path",
            "peer",
            "protocol",
            "request_id",
            "status",
            "time",
            "tls"
        ]
    );
    assert_eq!(
        (&line["peer"], &line["code"]),
        (&json!("10.0.0.1"), &json!("bad_host"))
    );
}

#[test]
fn the_second_is_remembered_and_renewed() {
    let mut formatter = Formatter::default();
    let mut time_of = |time: SystemTime| {
        let mut bytes = Vec::new();
        formatter.write(
            &Record {
                time,
                ..record("/")
            },
            &mut bytes,
        );
        let line: Value = serde_json::from_slice(&bytes).expect("JSON");
        line["time"].as_str().expect("a text").to_owned()
    };
    let at = |millis| UNIX_EPOCH + Duration::from_millis(millis);
    assert_eq!(time_of(at(999)), "1970-01-01T00:00:00.999Z");
    assert_eq!(time_of(at(1_000)), "1970-01-01T00:00:01.000Z");
    assert_eq!(time_of(at(951_825_600_120)), "2000-02-29T12:00:00.120Z");
    assert_eq!(
        time_of(UNIX_EPOCH - Duration::from_secs(5)),
        "1970-01-01T00:00:00.000Z"
    );
}

#[test]
fn a_text_of_a_client_is_cut() {
    let long = format!("/{}", "é".repeat(10_000));
    let line = formatted(&record(&long));
    let path = line["path"].as_str().expect("a text");
    assert_eq!(path.len(), (8 << 10) - 1);
    assert!(long.starts_with(path));
}

#[test]
fn everything_handed_over_is_written_before_it_ends() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("access.log");
    let log = AccessLog::start(&to(&path, 8 << 20)).expect("started");
    let mut workers = [log.worker(), log.worker()];
    for n in 0..1_000 {
        let path = format!("/{n}");
        for worker in &mut workers {
            worker.record(&record(&path));
        }
    }
    drop(workers);
    drop(log);
    let text = fs::read_to_string(&path).expect("written");
    assert_eq!(text.lines().count(), 2_000);
    for line in text.lines() {
        let _: Value = serde_json::from_str(line).expect("whole lines");
    }
    let mode = fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o137, 0, "owner and group alone: {mode:o}");
}

#[test]
fn what_does_not_fit_is_dropped_and_counted() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("access.log");
    let log = AccessLog::start(&to(&path, 1)).expect("started");
    let mut worker = log.worker();
    for _ in 0..3 {
        worker.record(&record("/"));
    }
    worker.flush();
    assert_eq!(log.dropped(), 3);
    log.reconfigure(&to(&path, 1 << 20)).expect("opened");
    worker.record(&record("/kept"));
    drop(worker);
    assert_eq!(log.dropped(), 3);
    drop(log);
    let text = fs::read_to_string(&path).expect("written");
    assert!(
        text.lines().count() == 1 && text.contains("/kept"),
        "{text}"
    );
}

#[test]
fn the_smallest_buffer_holds_a_record_of_each_of_many_workers() {
    let shared = Arc::new(Shared {
        enabled: AtomicBool::new(true),
        bound: AtomicUsize::new(64 << 10),
        waiting: AtomicUsize::new(0),
        dropped: AtomicU64::new(0),
    });
    // Nobody writes: all of them wait.
    let (sender, messages) = channel();
    for _ in 0..100 {
        let mut worker = WorkerLog {
            shared: Arc::clone(&shared),
            sender: sender.clone(),
            formatter: Formatter::default(),
            buffer: Vec::new(),
            records: 0,
        };
        worker.record(&record("/"));
        worker.flush();
    }
    assert_eq!(shared.dropped.load(Ordering::Relaxed), 0);
    assert_eq!(messages.try_iter().count(), 100);
}

#[test]
fn what_the_target_does_not_take_is_counted() {
    let log = AccessLog::start(&to(Path::new("/dev/full"), 1 << 20)).expect("started");
    let mut worker = log.worker();
    worker.record(&record("/"));
    worker.record(&record("/"));
    drop(worker);
    let deadline = Instant::now() + Duration::from_secs(10);
    while log.dropped() < 2 {
        assert!(Instant::now() < deadline, "the failure is not counted");
        std::thread::yield_now();
    }
    assert_eq!(log.shared.waiting.load(Ordering::Relaxed), 0);
}

#[test]
fn a_rotated_file_is_opened_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, moved) = (
        directory.path().join("access.log"),
        directory.path().join("old"),
    );
    let log = AccessLog::start(&to(&path, 1 << 20)).expect("started");
    let mut worker = log.worker();
    worker.record(&record("/first"));
    worker.flush();
    fs::rename(&path, &moved).expect("moved");
    log.reopen();
    worker.record(&record("/second"));
    drop(worker);
    drop(log);
    let (old, new) = (fs::read_to_string(&moved), fs::read_to_string(&path));
    let (old, new) = (old.expect("written"), new.expect("written"));
    assert!(old.contains("/first") && !old.contains("/second"), "{old}");
    assert!(new.contains("/second") && !new.contains("/first"), "{new}");
}

#[test]
fn off_is_nothing_and_what_is_no_file_is_refused() {
    let off = config::AccessLog {
        target: None,
        buffer: 1 << 20,
    };
    let log = AccessLog::start(&off).expect("started");
    let mut worker = log.worker();
    worker.record(&record("/"));
    assert_eq!((worker.records, worker.buffer.capacity()), (0, 0));

    let directory = tempfile::tempdir().expect("a directory");
    let fifo = directory.path().join("fifo");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0)
        .expect("a FIFO");
    assert!(AccessLog::start(&to(&fifo, 1)).is_err());
    assert!(log.reconfigure(&to(directory.path(), 1)).is_err());
}

proptest! {
    #[test]
    fn any_text_is_read_back(path in "\\PC{0,40}|[\\x00-\\x7f]{0,40}", bytes: u64) {
        let line = formatted(&Record { bytes_in: bytes, ..record(&path) });
        prop_assert_eq!(line["path"].as_str(), Some(path.as_str()));
        prop_assert_eq!(line["bytes_in"].as_u64(), Some(bytes));
    }

    #[test]
    fn any_address_is_read_back(bits: u128) {
        let peer = IpAddr::from(bits.to_be_bytes());
        let line = formatted(&Record { peer, ..record("/") });
        let read: IpAddr = line["peer"].as_str().expect("a text").parse().expect("an address");
        prop_assert_eq!(read, peer.to_canonical());
    }
}
