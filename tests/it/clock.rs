//! The clock of the machine is set while the gate serves: dates follow it, and nothing else.
//!
//! `libfaketime` gives the gate a wall clock of its own. The monotonic one goes on, as it
//! does where an administrator or NTP steps the time.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tempfile::NamedTempFile;

use crate::support::fixture::{OPERATOR, tokens};
use crate::support::http1::Ask;
use crate::support::programs::have;
use crate::support::recorder::ok;
use crate::support::{ALICE, Gate, Recorder, eventually};

/// Longer than anything here takes on a busy machine, and shorter than any step.
const SOON: Duration = Duration::from_secs(20);

/// A wall clock that can be set: hours from the true one.
struct Clock(NamedTempFile);

impl Clock {
    fn new() -> Self {
        let clock = Self(NamedTempFile::new().unwrap());
        clock.set(0);
        clock
    }

    fn set(&self, hours: i64) {
        // Read at each call, so it must never be there by half.
        let next = self.0.path().with_extension("next");
        std::fs::write(&next, format!("{hours:+}h\n")).unwrap();
        std::fs::rename(next, self.0.path()).unwrap();
    }

    /// What the gate is to be run under.
    fn command(&self) -> Vec<String> {
        let library = Command::new("faketime")
            .args(["-m", "-f", "+0", "printenv", "LD_PRELOAD"])
            .output()
            .unwrap();
        let library = String::from_utf8(library.stdout).unwrap();
        vec![
            "env".to_owned(),
            format!("LD_PRELOAD={}", library.trim()),
            format!("FAKETIME_TIMESTAMP_FILE={}", self.0.path().display()),
            "FAKETIME_NO_CACHE=1".to_owned(),
            "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
        ]
    }
}

/// Lets the client end, also where the test panics.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Creates a token; its SID and when the gate says that it was.
#[track_caller]
fn create(gate: &Gate, name: &str) -> (String, i64) {
    let body = format!(
        "{{\"name\":{name:?},\"description\":\"\",\"api_version\":\"16\",\
         \"primary_contact\":\"a@example.com\",\"developer_emails\":[],\"scopes\":[]}}"
    );
    let reply = Ask::new(gate.admin_address(), "POST", "/v1/tokens")
        .by(&OPERATOR)
        .header("Content-Type", "application/json")
        .body(body)
        .send();
    assert_eq!(reply.status, 201, "{reply:?}");
    let token = reply.json();
    let text = |name: &str| token[name].as_str().expect("a text").to_owned();
    assert_eq!(text("created_at"), text("updated_at"));
    let at: toml::value::Datetime = text("created_at").parse().unwrap();
    (text("sid"), seconds(&at))
}

/// Seconds since the epoch; by the days from civil of Howard Hinnant.
fn seconds(at: &toml::value::Datetime) -> i64 {
    let (date, time) = (at.date.unwrap(), at.time.unwrap());
    let month = i64::from(date.month);
    let year = i64::from(date.year) - i64::from(month <= 2);
    let day_of_year =
        (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + i64::from(date.day) - 1;
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    let seconds = u32::from(time.hour) * 3_600 + u32::from(time.minute) * 60;
    days * 86_400 + i64::from(seconds) + i64::from(time.second.unwrap_or_default())
}

#[test]
fn a_clock_that_is_set_changes_dates_and_nothing_else() {
    if !have("faketime", &["-m", "-f", "+0", "true"]) {
        return;
    }
    let upstream = Recorder::replying(|request| {
        if request.path() == "/any/slow" {
            thread::sleep(Duration::from_secs(1));
        }
        ok(request.path())
    });
    let clock = Clock::new();
    let command = clock.command();
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let gate = Gate::builder().before(&upstream).under(&command).start();
    let mut kept = gate.connect();
    let ask = gate.ask("GET", "/any/kept").by(&ALICE).bytes();
    let done = AtomicBool::new(false);
    let mut names = Vec::new();
    thread::scope(|scope| {
        let (ended, done) = (&done, Done(&done));
        scope.spawn(|| {
            let mut client = gate.connect();
            let ask = gate.ask("GET", "/any/all-the-time").by(&ALICE).bytes();
            while !ended.load(Ordering::SeqCst) {
                client.send(&ask);
                assert_eq!(client.reply("GET").status, 200);
            }
        });
        for hours in [0, 1, -1, 24 * 400, -24 * 400, 0] {
            // One is under way and one connection idles while the clock is set.
            let mut slow = gate.connect();
            slow.send(gate.ask("GET", "/any/slow").by(&ALICE).bytes());
            kept.send(&ask);
            assert_eq!(kept.reply("GET").status, 200);
            let began = Instant::now();
            clock.set(hours);
            let reply = slow.reply("GET");
            assert_eq!((reply.status, reply.text().as_str()), (200, "/any/slow"));
            assert!(began.elapsed() < SOON);
            kept.send(&ask);
            assert_eq!(kept.reply("GET").status, 200);

            let (sid, at) = create(&gate, &format!("at {hours}"));
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            let expected = i64::try_from(now.as_secs()).unwrap() + hours * 3_600;
            assert!(
                (at - expected).abs() < 60,
                "{at} at {hours} h, not {expected}"
            );
            // The newest record is the latest one, whatever its date.
            let audit = gate.ask_admin("/v1/audit?limit=1").json();
            assert_eq!(audit["records"][0]["sid"], sid.as_str(), "{audit}");
            names.push(sid);

            // An edit of the file is seen, though its date may lie before the last one.
            let edited = tokens().replace("name = \"alice\"", &format!("name = \"at {hours}\""));
            gate.replace("tokens.toml", edited);
            eventually("the edit is in force", SOON, || {
                let alice = gate.ask_admin("/v1/tokens/alice").json();
                (alice["name"] == format!("at {hours}")).then_some(())
            });
        }
        drop(done);
    });
    assert_eq!(names.len(), 6);
    let mut verify = Command::new(env!("CARGO_BIN_EXE_sidgate"));
    verify
        .args(["audit", "verify"])
        .arg(gate.path("audit.jsonl"));
    let output = crate::support::gate::process::output(&mut verify, SOON);
    assert!(output.status.success(), "{output:?}");
}
