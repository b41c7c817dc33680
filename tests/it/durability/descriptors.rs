//! A change for which descriptors run out, at each of the points at which it wants one.

use super::{PATIENCE, in_force, leftovers, on_disk, verify_audit};
use crate::support::fixture::OPERATOR;
use crate::support::http1::Ask;
use crate::support::{ALICE, Client};

/// A change takes fewer descriptors than this.
const MOST: u64 = 12;

#[test]
fn a_change_without_descriptors_changes_nothing() {
    let gate = super::gate();
    let (mut refused, mut done) = (0, 0);
    for round in 0..3 {
        for spare in 0..MOST {
            let (old, text) = (in_force(&gate), gate.read("tokens.toml"));
            let new = format!("round {round}, {spare} to spare");
            // Connected before, as nobody can be accepted then.
            let mut admin = Client::tcp(gate.admin_address()).patience(PATIENCE);
            let target = format!("/v1/tokens/{}", ALICE.sid);
            let ask = |method| Ask::new(gate.admin_address(), method, &target).by(&OPERATOR);
            admin.send(ask("GET").bytes());
            assert_eq!(admin.reply("GET").status, 200);

            let open = std::fs::read_dir(format!("/proc/{}/fd", gate.pid())).unwrap();
            let open = u64::try_from(open.count()).unwrap();
            gate.limit_descriptors(open + spare);
            let change = ask("PATCH")
                .header("Content-Type", "application/merge-patch+json")
                .body(format!("{{\"description\":{new:?}}}"));
            admin.send(change.bytes());
            let reply = admin.reply("PATCH");
            gate.limit_descriptors(4_096);

            if reply.status == 200 {
                done += 1;
                assert_eq!((in_force(&gate), on_disk(&gate)), (new.clone(), new));
            } else {
                refused += 1;
                assert_eq!(reply.status, 503, "{spare} to spare: {reply:?}");
                assert_eq!(gate.read("tokens.toml"), text, "{spare} to spare");
                assert_eq!(in_force(&gate), old, "{spare} to spare");
            }
            assert_eq!(leftovers(&gate), [""; 0], "{spare} to spare");
        }
    }
    println!("{refused} changes refused, {done} done");
    assert!(refused >= 6 && done >= 6, "{refused} refused, {done} done");
    verify_audit(&gate);
}
