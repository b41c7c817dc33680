//! `{sid}` in a rule: the authenticated SID, or the account of its token.

use crate::support::{ALICE, Gate, Recorder, Who};

#[test]
fn the_sid_in_the_path_is_the_authenticated_one() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    assert_eq!(gate.read_as(&ALICE, "/Mediapartners/alice/Ads").status, 200);
    assert_eq!(
        gate.read_as(&ALICE, "/Mediapartners/alice/Ads/9").status,
        200
    );
    for path in [
        "/Mediapartners/bob/Ads",
        "/Mediapartners/Alice/Ads",
        "/Mediapartners/alic/Ads",
        "/Mediapartners/alice%20/Ads",
    ] {
        gate.read_as(&ALICE, path)
            .assert_refused(403, "sid_mismatch");
    }
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn an_encoded_spelling_of_the_sid_is_the_sid() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    // `%61` is an encoded unreserved character: the canonical path holds `a`.
    assert_eq!(
        gate.read_as(&ALICE, "/Mediapartners/%61lice/Ads").status,
        200
    );
    assert_eq!(upstream.only().target, "/Mediapartners/alice/Ads");
}

#[test]
fn an_account_stands_in_for_the_sid() {
    let upstream = Recorder::ok();
    let first = Who {
        sid: "IRone",
        secret: "one",
    };
    let second = Who {
        sid: "IRtwo",
        secret: "two",
    };
    let tokens = format!(
        "{}account = \"acct-7\"\n{}account = \"acct-8\"\n",
        first.token(&["ads:read"]),
        second.token(&["ads:read"]),
    );
    let gate = Gate::builder().before(&upstream).tokens(tokens).start();
    assert_eq!(
        gate.read_as(&first, "/Mediapartners/acct-7/Ads").status,
        200
    );
    assert_eq!(upstream.only().header("x-auth-sid"), Some("IRone"));
    gate.read_as(&first, "/Mediapartners/acct-8/Ads")
        .assert_refused(403, "sid_mismatch");
    // Its own SID is as good as before, that of another token of the account is not.
    assert_eq!(gate.read_as(&first, "/Mediapartners/IRone/Ads").status, 200);
    gate.read_as(&first, "/Mediapartners/IRtwo/Ads")
        .assert_refused(403, "sid_mismatch");
    assert_eq!(
        gate.read_as(&second, "/Mediapartners/acct-8/Ads").status,
        200
    );
}
