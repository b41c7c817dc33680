//! Tokens and a catalogue that most suites share.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A SID and its auth token, as a client holds them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Who {
    pub(crate) sid: &'static str,
    pub(crate) secret: &'static str,
}

/// Reads items and ads, joins rooms, may call everything under `/any`.
pub(crate) const ALICE: Who = Who {
    sid: "alice",
    secret: "alices-auth-token-of-many-bits-1",
};
/// Writes items; nothing else.
pub(crate) const BOB: Who = Who {
    sid: "bob",
    secret: "bobs-auth-token-of-many-bits-2",
};
/// Has all scopes of Alice, and is disabled.
pub(crate) const CAROL: Who = Who {
    sid: "carol",
    secret: "carols-auth-token-of-many-bits-3",
};
/// In no file.
pub(crate) const DAVE: Who = Who {
    sid: "dave",
    secret: "daves-auth-token-of-many-bits-4",
};
/// The operator of every gate's admin listener.
pub(crate) const OPERATOR: Who = Who {
    sid: "ops",
    secret: "operators-secret-of-many-bits-5",
};

impl Who {
    /// The value of `Authorization`.
    pub(crate) fn basic(&self) -> String {
        basic(&format!("{}:{}", self.sid, self.secret))
    }

    /// Its `[[token]]` with these scopes.
    pub(crate) fn token(&self, scopes: &[&str]) -> String {
        token(self.sid, self.secret, scopes)
    }
}

/// `Basic` and the base64 of `pair`.
pub(crate) fn basic(pair: &str) -> String {
    format!("Basic {}", STANDARD.encode(pair))
}

/// One `[[token]]` of a token file.
pub(crate) fn token(sid: &str, secret: &str, scopes: &[&str]) -> String {
    format!(
        "[[token]]\nsid = \"{sid}\"\nname = \"{sid}\"\nscopes = {scopes:?}\ndigest = \"{}\"\n",
        digest(secret)
    )
}

/// The digest of a secret as files carry it.
pub(crate) fn digest(secret: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.as_bytes());
    let mut text = String::from("sha256:");
    for byte in digest.as_ref() {
        write!(text, "{byte:02x}").expect("a String takes every text");
    }
    text
}

/// The token file of most suites.
pub(crate) fn tokens() -> String {
    let all = ["items:read", "rooms:join", "ads:read", "any:call"];
    format!(
        "{}\n{}\n{}state = \"disabled\"\n",
        ALICE.token(&all),
        BOB.token(&["items:write"]),
        CAROL.token(&all),
    )
}

/// The catalogue of most suites.
pub(crate) const CATALOG: &str = r#"
[versions]
latest = "16"
header = "IR-Version"
query = ["IrVersion"]
[[versions.version]]
id = "16"
[[versions.version]]
id = "15"

[paths]
public = ["GET,HEAD /ping", "GET,POST /public/{*rest}"]

[[category]]
name = "Items"
[[category.scope]]
id = "items:read"
name = "Read items"
allow = ["GET /v1/items", "GET /v1/items/{id}"]
[[category.scope]]
id = "items:write"
name = "Write items"
allow = ["POST /v1/items"]

[[category]]
name = "Rooms"
[[category.scope]]
id = "rooms:join"
name = "Join rooms"
allow = [{ rule = "GET /ws/{room}", upgrade = true }]

[[category]]
name = "Ads"
[[category.scope]]
id = "ads:read"
name = "Read ads"
allow = ["GET /Mediapartners/{sid}/Ads", "GET /Mediapartners/{sid}/Ads/{AdId}"]

[[category]]
name = "Anything"
[[category.scope]]
id = "any:call"
name = "Call anything"
allow = ["* /any", "* /any/{*rest}"]
"#;
