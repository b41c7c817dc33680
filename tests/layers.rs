//! Imports run downward only: what each room of the house may name, and a look at every
//! file of `src/` that it names nothing else.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms it may name, from the ground up. A room may name itself.
const ROOMS: &[(&str, &[&str])] = &[
    ("code", &[]),
    ("fault", &[]),
    // A token has a version and a rule has scopes: these two name each other's numbers.
    ("token", &["catalog"]),
    ("catalog", &["token", "fault"]),
    ("snapshot", &["catalog", "token"]),
    ("auth", &["snapshot", "catalog", "token", "code"]),
    // Reads the key files too, so that `auth` need not.
    ("config", &["auth", "token", "fault"]),
    (
        "limit",
        &["auth", "snapshot", "catalog", "token", "config", "code"],
    ),
    (
        "store",
        // The writer announces a change to the audit before it is made.
        &[
            "snapshot",
            "catalog",
            "token",
            "config",
            "fault",
            "telemetry",
        ],
    ),
    // A leaf: it is told what happened, and asks nobody.
    ("telemetry", &["config", "code", "token"]),
    // What both hops share: sockets, TLS and deadlines.
    ("net", &["config", "fault"]),
    // Takes a handler, and does not know what that does.
    ("server", &["net", "config", "telemetry"]),
    // Never sees the store: it could not change a token if it wanted to.
    (
        "proxy",
        &[
            "net",
            "auth",
            "limit",
            "snapshot",
            "catalog",
            "token",
            "config",
            "fault",
            "code",
            "fault",
            "telemetry",
        ],
    ),
    // Never sees the proxy: a busy or attacked admin touches no request.
    (
        "admin",
        &[
            "net",
            "store",
            "auth",
            "limit",
            "snapshot",
            "catalog",
            "token",
            "config",
            "fault",
            "code",
            "telemetry",
        ],
    ),
    (
        "app",
        &[
            "server",
            "proxy",
            "admin",
            "store",
            "net",
            "auth",
            "limit",
            "snapshot",
            "catalog",
            "token",
            "config",
            "fault",
            "code",
            "telemetry",
        ],
    ),
    (
        "cli",
        &[
            "app",
            "admin",
            "store",
            "net",
            "auth",
            "snapshot",
            "catalog",
            "token",
            "config",
            "fault",
            "code",
            "telemetry",
        ],
    ),
];

/// Rooms that decide and hold, and neither read nor wait.
const WITHOUT_IO: &[&str] = &["code", "fault", "token", "catalog", "snapshot", "auth"];

/// What I/O is spelt with.
const IO: &[&str] = &[
    "std::fs",
    "std::net",
    "std::thread",
    "std::process",
    "tokio::",
    "hyper::",
    "hyper_util::",
    "rustix::",
];

#[test]
fn imports_run_downward_only() {
    let mut wrong = Vec::new();
    for source in sources() {
        let allowed = ROOMS
            .iter()
            .find(|(room, _)| *room == source.room)
            .unwrap_or_else(|| panic!("{}: no room of this name", source.path.display()))
            .1;
        for (line, room) in source.named_rooms() {
            if room != source.room && !allowed.contains(&room.as_str()) {
                wrong.push(format!(
                    "{}:{line}: {} names {room}",
                    source.path.display(),
                    source.room
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn deciding_does_no_io() {
    let mut wrong = Vec::new();
    for source in sources() {
        if !WITHOUT_IO.contains(&source.room.as_str()) {
            continue;
        }
        for (at, line) in source.lines() {
            if IO.iter().any(|word| line.contains(word)) {
                wrong.push(format!("{}:{at}: {}", source.path.display(), line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_room_is_there_and_the_map_has_no_other() {
    let mut rooms: BTreeMap<String, usize> = BTreeMap::new();
    for source in sources() {
        *rooms.entry(source.room).or_default() += 1;
    }
    let mut mapped: Vec<_> = ROOMS.iter().map(|(room, _)| (*room).to_owned()).collect();
    mapped.sort();
    assert_eq!(rooms.into_keys().collect::<Vec<_>>(), mapped);
}

/// Windows and waits run on the monotonic clock: setting the time of day changes none.
#[test]
fn limits_know_no_time_of_day() {
    let mut seen = 0;
    for source in sources() {
        if source.room != "limit" {
            continue;
        }
        seen += 1;
        for (line, text) in source.lines() {
            for clock in [
                "SystemTime",
                "UNIX_EPOCH",
                "Timestamp",
                "jiff",
                "rustix::time",
            ] {
                assert!(
                    !text.contains(clock),
                    "{}:{line}: {text}",
                    source.path.display()
                );
            }
        }
    }
    assert!(seen >= 4, "{seen} files of limits");
}

#[test]
fn the_scan_sees_every_way_to_name_a_room() {
    let source = Source {
        path: PathBuf::from("src/auth/basic.rs"),
        room: "auth".to_owned(),
        text: "use crate::store::Store;\n\
               use crate::{\n    proxy::Handler,\n    token::{Sid, Token},\n};\n\
               fn f() -> crate::admin::Role { super::super::server::run() }\n\
               // crate::telemetry is only spoken of.\n\
               #[cfg(test)]\n\
               mod tests { use crate::app; }\n"
            .to_owned(),
    };
    let rooms: Vec<_> = source.named_rooms().into_iter().map(|(_, r)| r).collect();
    assert_eq!(rooms, ["store", "proxy", "token", "admin", "server"]);
}

struct Source {
    path: PathBuf,
    room: String,
    text: String,
}

/// Every file of the library but its root and unit tests.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let inner = path.strip_prefix(&root).unwrap();
            let is_root = ["main.rs", "lib.rs"].iter().any(|r| inner == Path::new(r));
            let is_test = inner
                .iter()
                .any(|part| part == "tests" || part == "tests.rs");
            if is_root || is_test || inner.extension().is_none_or(|e| e != "rs") {
                continue;
            }
            let room = inner.iter().next().unwrap().to_str().unwrap();
            found.push(Source {
                room: room.trim_end_matches(".rs").to_owned(),
                text: fs::read_to_string(&path).unwrap(),
                path: Path::new("src").join(inner),
            });
        }
    }
    assert!(found.len() >= ROOMS.len(), "the scan found too few files");
    found
}

impl Source {
    /// The lines that are compiled outside of tests, with their numbers. Tests come last
    /// in a file, and comments are no imports.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..)
            .zip(self.text.lines())
            .take_while(|(_, line)| !line.starts_with("mod tests {"))
            .map(|(at, line)| (at, line.split("//").next().unwrap_or_default()))
    }

    /// Every room that the file names through the crate's root, with the line.
    fn named_rooms(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        // The rest of a `use crate::{` whose braces are still open, by depth.
        let mut depth = 0usize;
        for (at, line) in self.lines() {
            let mut rest = line;
            if depth > 0 {
                (depth, rest) = group(line, depth, |room| found.push((at, room)));
            }
            while let Some((_, after)) = rest.split_once("crate::") {
                rest = after;
                if let Some(inner) = after.strip_prefix('{') {
                    (depth, rest) = group(inner, 1, |room| found.push((at, room)));
                } else if let Some(room) = name(after) {
                    found.push((at, room));
                }
            }
            found.extend(self.named_through_super(line).map(|room| (at, room)));
        }
        found
    }

    /// Rooms named by climbing: as many `super::` as the file lies deep.
    fn named_through_super(&self, line: &str) -> impl Iterator<Item = String> {
        let climb = "super::".repeat(self.path.components().count() - 1);
        line.match_indices(&climb)
            .filter_map(|(at, found)| name(line.get(at + found.len()..)?))
            .filter(|room| ROOMS.iter().any(|(known, _)| known == room))
            .collect::<Vec<_>>()
            .into_iter()
    }
}

/// Reads on inside `crate::{...}`: names at depth 1 are rooms. Gives the depth at the
/// line's end and what follows the closing brace.
fn group(line: &str, mut depth: usize, mut room: impl FnMut(String)) -> (usize, &str) {
    let mut fresh = true;
    for (at, character) in line.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' => fresh = true,
            c if c.is_whitespace() => {}
            _ if fresh && depth == 1 => {
                fresh = false;
                if let Some(found) = line.get(at..).and_then(name) {
                    room(found);
                }
            }
            _ => fresh = false,
        }
        if depth == 0 {
            return (0, line.get(at + 1..).unwrap_or_default());
        }
    }
    (depth, "")
}

/// The identifier that a text begins with.
fn name(text: &str) -> Option<String> {
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    (end > 0).then(|| text.get(..end).unwrap_or_default().to_owned())
}
