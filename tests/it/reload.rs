//! Files that change while the gate runs.

mod certificate;
mod faulty;
mod main_file;

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::fixture::{CATALOG, DAVE, tokens};
use crate::support::{ALICE, BOB, Gate, Recorder, Who, eventually};

/// The promise: new content is in force within two seconds.
const PROMISE: Duration = Duration::from_secs(2);

/// Waits until a GET of `/v1/items` by this token is answered so.
#[track_caller]
fn becomes(gate: &Gate, who: &Who, status: u16) {
    eventually(&format!("{status} for {}", who.sid), PROMISE, || {
        (gate.read_as(who, "/v1/items").status == status).then_some(())
    });
}

/// The usual tokens, and Dave.
fn with_dave() -> String {
    format!("{}\n{}", tokens(), DAVE.token(&["items:read"]))
}

#[test]
fn a_replaced_file_is_in_force() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    assert_eq!(gate.read_as(&DAVE, "/v1/items").status, 401);
    gate.replace("tokens.toml", with_dave());
    becomes(&gate, &DAVE, 200);
    gate.replace("tokens.toml", tokens());
    becomes(&gate, &DAVE, 401);
    assert_eq!(gate.read_as(&ALICE, "/v1/items").status, 200);
}

#[test]
fn a_file_written_in_place_is_in_force() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    fs::write(gate.path("tokens.toml"), with_dave()).unwrap();
    becomes(&gate, &DAVE, 200);
    fs::write(gate.path("tokens.toml"), tokens()).unwrap();
    becomes(&gate, &DAVE, 401);
}

#[test]
fn a_file_deleted_and_made_again_is_in_force() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    fs::remove_file(gate.path("tokens.toml")).unwrap();
    // While it is gone, the last good content holds.
    gate.logged(&["tokens.toml"]);
    assert_eq!(gate.read_as(&ALICE, "/v1/items").status, 200);
    fs::write(gate.path("tokens.toml"), with_dave()).unwrap();
    becomes(&gate, &DAVE, 200);
}

#[test]
fn a_backup_and_a_new_file_as_editors_write_them_is_in_force() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    fs::rename(gate.path("tokens.toml"), gate.path("tokens.toml~")).unwrap();
    fs::write(gate.path("tokens.toml"), with_dave()).unwrap();
    becomes(&gate, &DAVE, 200);
}

#[test]
fn a_config_map_is_swapped() {
    let upstream = Recorder::ok();
    // As the kubelet lays a volume: file -> ..data/file, ..data -> a dated directory.
    let gate = Gate::builder()
        .before(&upstream)
        .config_map(&["tokens.toml", "catalog.toml"])
        .start();
    for round in 0..5 {
        let (text, status) = if round % 2 == 0 {
            (with_dave(), 200)
        } else {
            (tokens(), 401)
        };
        let fresh = gate.path(&format!("..2026_{round}"));
        fs::create_dir(&fresh).unwrap();
        fs::write(fresh.join("tokens.toml"), text).unwrap();
        fs::write(fresh.join("catalog.toml"), CATALOG).unwrap();
        let old = fs::read_link(gate.path("..data")).unwrap();
        symlink(fresh.file_name().unwrap(), gate.path("..data_tmp")).unwrap();
        fs::rename(gate.path("..data_tmp"), gate.path("..data")).unwrap();
        fs::remove_dir_all(gate.directory().join(old)).unwrap();
        becomes(&gate, &DAVE, status);
        assert_eq!(gate.read_as(&ALICE, "/v1/items").status, 200);
    }
}

#[test]
fn sighup_reads_every_file_now() {
    let upstream = Recorder::ok();
    // No poll comes in time, and a file in place would wait for a second of stillness.
    let gate = Gate::before(&upstream);
    fs::write(gate.path("tokens.toml"), with_dave()).unwrap();
    gate.signal(Signal::HUP);
    eventually("200 at once", Duration::from_millis(900), || {
        (gate.read_as(&DAVE, "/v1/items").status == 200).then_some(())
    });
}

#[test]
fn a_storm_of_signals_and_saves_ends_in_the_last_content() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    for round in 0..300 {
        let text = if round % 2 == 0 {
            with_dave()
        } else {
            tokens()
        };
        gate.replace("tokens.toml", text);
        gate.signal(Signal::HUP);
        if round % 20 == 0 {
            assert_eq!(gate.read_as(&ALICE, "/v1/items").status, 200);
        }
    }
    gate.replace("tokens.toml", with_dave());
    becomes(&gate, &DAVE, 200);
    gate.replace("tokens.toml", tokens());
    becomes(&gate, &DAVE, 401);
}

#[test]
fn tokens_and_catalogue_change_together() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let catalog = CATALOG
        .replace("items:read", "items:see")
        .replace("/v1/items", "/v2/items");
    let new = tokens().replace("items:read", "items:see");
    // Tokens first: their scope is unknown until the catalogue follows.
    gate.replace("tokens.toml", new);
    gate.replace("catalog.toml", catalog);
    eventually("the new pair", PROMISE, || {
        (gate.read_as(&ALICE, "/v2/items").status == 200).then_some(())
    });
    assert_eq!(upstream.last().header("x-auth-scope"), Some("items:see"));
    assert_eq!(gate.read_as(&ALICE, "/v1/items").code(), "no_route");
}

#[test]
fn a_kept_alive_connection_is_judged_by_the_new_file() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let mut client = gate.connect();
    let request = gate.ask("GET", "/v1/items").by(&ALICE).bytes();
    client.send(&request);
    assert_eq!(client.reply("GET").status, 200);
    gate.replace("tokens.toml", BOB.token(&["items:write"]));
    eventually("401 on the same connection", PROMISE, || {
        client.send(&request);
        (client.reply("GET").status == 401).then_some(())
    });
}

#[test]
fn a_request_in_flight_is_not_touched_by_a_reload() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let upstream = Recorder::scripted(move |wire| {
        while let Some(request) = wire.request() {
            if request.path() == "/any/slow" {
                let _ = wait.lock().unwrap().recv_timeout(Duration::from_secs(10));
            }
            wire.send(crate::support::recorder::ok("done"));
        }
    });
    let gate = Gate::before(&upstream);
    let mut client = gate.connect();
    client.send(gate.ask("GET", "/any/slow").by(&ALICE).bytes());
    upstream.wait_for(1);
    gate.replace("tokens.toml", BOB.token(&["items:write"]));
    becomes(&gate, &ALICE, 401);
    go.send(()).unwrap();
    assert_eq!(client.reply("GET").text(), "done");
}

#[test]
fn disabling_by_hand_is_in_force() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let disabled = tokens().replacen(
        "name = \"alice\"\n",
        "name = \"alice\"\nstate = \"disabled\"\n",
        1,
    );
    gate.replace("tokens.toml", disabled);
    eventually("token_disabled", PROMISE, || {
        (gate.read_as(&ALICE, "/v1/items").code() == "token_disabled").then_some(())
    });
}
