//! The main file: all but listeners and workers changes while the gate runs.

use super::PROMISE;
use crate::support::ports::Port;
use crate::support::recorder::ok;
use crate::support::tls::Authority;
use crate::support::{ALICE, Gate, Recorder, eventually};

#[test]
fn the_realm_changes() {
    let gate = Gate::builder().proxy("realm = \"old\"").start();
    gate.replace(
        "sidgate.toml",
        gate.read("sidgate.toml").replace("\"old\"", "\"new\""),
    );
    eventually("the new realm", PROMISE, || {
        let reply = gate.ask("GET", "/v1/items").send();
        (reply.header("www-authenticate")?.contains("realm=\"new\"")).then_some(())
    });
}

#[test]
fn the_upstream_changes() {
    let (old, new) = (
        Recorder::replying(|_| ok("old")),
        Recorder::replying(|_| ok("new")),
    );
    let gate = Gate::before(&old);
    let mut client = gate.connect();
    let request = gate.ask("GET", "/v1/items").by(&ALICE).bytes();
    client.send(&request);
    assert_eq!(client.reply("GET").text(), "old");
    gate.replace(
        "sidgate.toml",
        gate.read("sidgate.toml").replace(&old.url(), &new.url()),
    );
    eventually(
        "the new upstream, on a connection that was there before",
        PROMISE,
        || {
            client.send(&request);
            (client.reply("GET").text() == "new").then_some(())
        },
    );
}

#[test]
fn limits_and_operators_change() {
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .section("[limits]\nbody = \"1KiB\"")
        .start();
    let post = || {
        gate.ask("POST", "/any")
            .by(&ALICE)
            .body(vec![b'x'; 2_000])
            .send()
            .status
    };
    assert_eq!(post(), 413);
    gate.replace(
        "sidgate.toml",
        gate.read("sidgate.toml").replace("1KiB", "4KiB"),
    );
    eventually("the new limit", PROMISE, || (post() == 200).then_some(()));
    let main = gate
        .read("sidgate.toml")
        .replace("name = \"ops\"", "name = \"other\"");
    gate.replace("sidgate.toml", main);
    eventually("the operator is gone", PROMISE, || {
        (gate.ask_admin("/v1/status").status == 401).then_some(())
    });
}

#[test]
fn the_files_may_move() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    std::fs::write(gate.path("others.toml"), super::with_dave()).unwrap();
    let main = gate
        .read("sidgate.toml")
        .replace("\"tokens.toml\"", "\"others.toml\"");
    gate.replace("sidgate.toml", main);
    super::becomes(&gate, &crate::support::fixture::DAVE, 200);
    // The new file is the one that is watched now.
    gate.replace("others.toml", crate::support::fixture::tokens());
    super::becomes(&gate, &crate::support::fixture::DAVE, 401);
}

#[test]
fn a_bad_main_file_changes_nothing() {
    let gate = Gate::builder().proxy("realm = \"old\"").start();
    let good = gate.read("sidgate.toml");
    let bad = good.replace("realm = \"old\"", "realm = \"new\"\nrelam = \"x\"");
    gate.replace("sidgate.toml", &bad);
    gate.logged(&["sidgate.toml:", "relam"]);
    let reply = gate.ask("GET", "/v1/items").send();
    assert!(
        reply
            .header("www-authenticate")
            .unwrap()
            .contains("realm=\"old\"")
    );
    assert!(gate.status()["fault"].to_string().contains("sidgate.toml"));
    gate.replace("sidgate.toml", good);
    eventually("the fault is over", PROMISE, || {
        gate.status()["fault"].is_null().then_some(())
    });
}

#[test]
fn listeners_and_workers_need_a_restart() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let other = Port::claim();
    let main = gate
        .read("sidgate.toml")
        .replace(&gate.address().to_string(), &other.address().to_string())
        .replace("[proxy]", "[proxy]\nrealm = \"changed\"");
    gate.replace("sidgate.toml", main);
    gate.logged(&["restart"]);
    eventually("what can change has", PROMISE, || {
        let reply = gate.ask("GET", "/v1/items").send();
        (reply.header("www-authenticate")?.contains("changed")).then_some(())
    });
    assert_eq!(
        gate.read_as(&ALICE, "/v1/items").status,
        200,
        "the old listener serves on"
    );
    assert!(std::net::TcpStream::connect(other.address()).is_err());
    assert!(
        !gate.status()["needs_restart"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_file_that_a_refused_main_file_names_is_waited_for() {
    let upstream = Recorder::ok();
    let authority = Authority::new();
    let (old, new) = (authority.issue(&["localhost"]), Authority::new());
    let gate = Gate::builder().before(&upstream).tls(&old).start();
    let main = gate
        .read("sidgate.toml")
        .replace("cert.pem", "new.pem")
        .replace("key.pem", "new.key");
    gate.replace("sidgate.toml", main);
    gate.logged(&["new.pem"]);
    let renewed = new.issue(&["localhost"]);
    gate.replace("new.key", &renewed.key);
    gate.replace("new.pem", &renewed.certificate);
    eventually("the certificate that came later", PROMISE, || {
        super::certificate::is_trusted(&gate, &new).then_some(())
    });
}

#[test]
fn a_listener_of_tls_does_not_fall_back_to_plaintext() {
    let upstream = Recorder::ok();
    let authority = Authority::new();
    let gate = Gate::builder()
        .before(&upstream)
        .tls(&authority.issue(&["localhost"]))
        .start();
    let tls = "tls = { certificate = \"cert.pem\", private_key = \"key.pem\" }\n";
    let main = gate.read("sidgate.toml");
    assert!(main.contains(tls));
    gate.replace("sidgate.toml", main.replace(tls, "realm = \"changed\"\n"));
    gate.logged(&["proxy.tls (on or off)"]);
    gate.logged(&["main file reloaded"]);
    // Credentials never cross in the clear where TLS was promised.
    let plain = gate.ask("GET", "/v1/items").by(&ALICE).try_send();
    assert!(plain.is_err(), "{plain:?}");
    assert!(super::certificate::is_trusted(&gate, &authority));
    gate.replace("sidgate.toml", main);
    eventually("nothing waits for a restart", PROMISE, || {
        let waiting = gate.status()["needs_restart"].clone();
        waiting.as_array().is_some_and(Vec::is_empty).then_some(())
    });
    assert!(super::certificate::is_trusted(&gate, &authority));
}

#[test]
fn the_threads_that_verify_change() {
    let gate = Gate::builder()
        .section("[verification]\nthreads = 1")
        .start();
    let threads = || {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", gate.pid())).unwrap();
        let names = tasks.filter_map(|task| {
            // A thread may end while it is looked at.
            std::fs::read_to_string(task.ok()?.path().join("comm")).ok()
        });
        names.filter(|name| name.starts_with("verify-")).count()
    };
    assert_eq!(threads(), 2, "the gate's and the admin's");
    let main = gate.read("sidgate.toml");
    gate.replace("sidgate.toml", main.replace("threads = 1", "threads = 3"));
    eventually("the new threads, and those alone", PROMISE, || {
        (threads() == 6).then_some(())
    });
    assert!(
        gate.status()["needs_restart"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}
