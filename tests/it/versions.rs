//! A request that names its version: what it is judged under, what each side sees of it,
//! and that two spellings never let it be judged as one and served as another.

mod naming;
mod notice;
mod told;

/// A catalogue with two ways to name a version, rules that not all versions have, and
/// dates and notes.
const CATALOG: &str = r#"
[versions]
latest = "16"
header = "IR-Version"
query = ["IrVersion", "Ir-Version"]
[[versions.version]]
id = "17-preview"
[[versions.version]]
id = "16"
notes = "https://api.example.com/changes/16"
[[versions.version]]
id = "15"
deprecated = 2026-06-01
sunset = 2027-06-01
notes = "https://api.example.com/changes/15"
[[versions.version]]
id = "14"
deprecated = 2025-03-01
upstream = "old"

[paths]
public = ["GET /ping", { rule = "GET /classic", versions = ["15", "14"] }]

[[category]]
name = "Items"
[[category.scope]]
id = "items:read"
allow = ["GET /v1/items", { rule = "GET /v1/new", versions = ["17-preview", "16"] }]
[[category.scope]]
id = "any:call"
allow = ["* /any", { rule = "GET /live", upgrade = true }]
"#;
