//! What is decided and what is loaded, without a socket: invariants 6, 8 and 9.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Method;
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};
use sidgate::auth::target::canonical;
use sidgate::auth::{self, Permit};
use sidgate::catalog::Catalog;
use sidgate::snapshot::{Revision, Snapshot, SnapshotHandle, TokenTable};
use sidgate::store;
use sidgate::token::{Digest, ScopeSet, Sid, State, Texts, Token};

use super::{holds, path, piece};
use crate::support::fixture;

/// A token of these scopes.
fn token(catalog: &Catalog, scopes: &[usize]) -> Arc<Token> {
    let scopes = scopes
        .iter()
        .map(|scope| catalog.scope_number(&format!("s{scope}")));
    Arc::new(Token {
        sid: Sid::parse(b"alice").unwrap(),
        digest: Digest::Sha256([0; 32]),
        state: State::Enabled,
        version: None,
        scopes: scopes.collect::<Option<ScopeSet>>().unwrap(),
        account: None,
        texts: Box::<Texts>::default(),
    })
}

/// A catalogue in which each scope has these rules.
fn catalog(rules: &[Vec<String>], previous: Option<&Catalog>) -> Option<Catalog> {
    let mut text = "[[category]]\nname = \"All\"\n".to_owned();
    for (at, rules) in rules.iter().enumerate() {
        text.push_str(&format!(
            "[[category.scope]]\nid = \"s{at}\"\nallow = {rules:?}\n"
        ));
    }
    Catalog::parse(Path::new("catalog.toml"), &text, previous).ok()
}

fn admits(catalog: &Catalog, token: &Arc<Token>, method: &Method, path: &str) -> Option<Permit> {
    auth::authorize(catalog, Arc::clone(token), method, path, false).ok()
}

#[test]
fn monotone_denial() {
    const SCOPES: usize = 4;
    let segment = prop::sample::select(vec!["a", "b", "{x}", "{*rest}", "{sid}"]);
    let template = prop::collection::vec(segment, 1..4);
    let method = prop::sample::select(vec!["GET", "POST", "*"]);
    let rule = (method, template).prop_map(|(method, template)| {
        let rest = template.iter().position(|segment| *segment == "{*rest}");
        let kept = template.iter().take(rest.map_or(4, |at| at + 1));
        let mut names = 0..;
        let path = kept.map(|segment| match *segment {
            "{x}" => format!("/{{x{}}}", names.next().unwrap_or_default()),
            other => format!("/{other}"),
        });
        format!("{method} {}", path.collect::<String>())
    });
    let rules = prop::collection::vec(prop::collection::vec(rule, 0..4), SCOPES);
    let request = prop_oneof![
        path(),
        prop::collection::vec(prop::sample::select(vec!["/a", "/b", "/alice"]), 1..4)
            .prop_map(|segments| segments.concat()),
    ];
    let requests = prop::collection::vec(request, 1..12);
    let held = prop::sample::subsequence((0..SCOPES).collect::<Vec<_>>(), 1..=SCOPES);
    let values = (rules, requests, held, any::<prop::sample::Index>());
    holds(400, &values, |(rules, requests, held, taken)| {
        // Rules that cannot both hold are no catalogue.
        let Some(catalog) = catalog(&rules, None) else {
            return;
        };
        let mut fewer = held.clone();
        fewer.remove(taken.index(held.len()));
        let (more, less) = (token(&catalog, &held), token(&catalog, &fewer));
        let mut off = Token::clone(&more);
        off.state = State::Disabled;
        let off = Arc::new(off);
        for request in &requests {
            let Ok(path) = canonical(request) else {
                continue;
            };
            for method in [Method::GET, Method::POST, Method::HEAD] {
                let admitted = admits(&catalog, &more, &method, &path);
                let still = admits(&catalog, &less, &method, &path);
                assert!(still.is_none() || admitted.is_some(), "{method} {path}");
                assert!(admits(&catalog, &off, &method, &path).is_none());
                let scope = admitted
                    .as_ref()
                    .and_then(Permit::scope)
                    .map(|id| id.to_string());
                let held = held.iter().map(|scope| format!("s{scope}"));
                assert!(scope.is_none_or(|scope| held.into_iter().any(|id| id == scope)));
            }
        }
        // A token that is gone is nobody's.
        let table = TokenTable::new([more]);
        let sid = Sid::parse(b"alice").unwrap();
        assert!(table.with([(sid, None)]).find(b"alice").is_none());
    });
}

/// One state: which of three scopes the token holds, and by how much the rules are shifted.
type Version = (Vec<usize>, usize);

/// Whether a version admits the path of a number: scope `s` allows the path `s + shift`.
fn explains(version: &Version, path: usize) -> bool {
    let (held, shift) = version;
    held.iter().any(|scope| (scope + shift) % 3 == path)
}

#[test]
fn one_snapshot() {
    let held = prop::sample::subsequence(vec![0, 1, 2], 0..=3);
    let versions = prop::collection::vec((held, 0_usize..3), 2..12);
    holds(24, &versions, |versions| {
        let mut previous: Option<Arc<Catalog>> = None;
        let mut snapshots = (1..).zip(&versions).map(|(revision, (held, shift))| {
            let rule = |scope: usize| vec![format!("GET /p{}", (scope + shift) % 3)];
            let rules: Vec<_> = (0..3).map(rule).collect();
            let catalog = Arc::new(catalog(&rules, previous.as_deref()).unwrap());
            previous = Some(Arc::clone(&catalog));
            Snapshot {
                revision: Revision(revision),
                tokens: TokenTable::new([token(&catalog, held)]),
                catalog,
            }
        });
        let handle = SnapshotHandle::new(snapshots.next().unwrap());
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let read = || {
                let mut last = 0;
                let mut judged = 0_u64;
                while !done.load(Ordering::SeqCst) || judged == 0 {
                    let snapshot = handle.load();
                    let revision = usize::try_from(snapshot.revision.0).unwrap();
                    assert!(revision >= last, "back from {last} to {revision}");
                    last = revision;
                    let token = snapshot.tokens.find(b"alice").expect("the token is there");
                    for path in 0..3 {
                        let text = format!("/p{path}");
                        let permit = admits(&snapshot.catalog, token, &Method::GET, &text);
                        assert_eq!(permit.is_some(), explains(&versions[revision - 1], path));
                        judged += 1;
                    }
                }
            };
            let readers = [scope.spawn(read), scope.spawn(read)];
            for snapshot in snapshots {
                drop(handle.publish(snapshot));
                std::thread::yield_now();
            }
            done.store(true, Ordering::SeqCst);
            for reader in readers {
                reader
                    .join()
                    .expect("every decision is explained by one version");
            }
        });
    });
}

/// What becomes of a good token file.
#[derive(Clone, Debug)]
enum Damage {
    Cut(prop::sample::Index),
    Removed(prop::sample::Index, usize),
    Inserted(prop::sample::Index, Vec<u8>),
    Overwritten(prop::sample::Index, Vec<u8>),
    Doubled,
    Whole(Vec<u8>),
}

impl Damage {
    fn done_to(&self, good: &[u8]) -> Vec<u8> {
        let mut bytes = good.to_vec();
        match self {
            Self::Cut(at) => bytes.truncate(at.index(good.len())),
            Self::Removed(at, count) => {
                let from = at.index(good.len());
                drop(bytes.drain(from..(from + count).min(good.len())));
            }
            Self::Inserted(at, piece) => {
                let at = at.index(good.len());
                drop(bytes.splice(at..at, piece.iter().copied()));
            }
            Self::Overwritten(at, piece) => {
                let at = at.index(good.len());
                let end = (at + piece.len()).min(good.len());
                drop(bytes.splice(at..end, piece.iter().copied()));
            }
            Self::Doubled => bytes.extend_from_slice(good),
            Self::Whole(all) => bytes.clone_from(all),
        }
        bytes
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..12),
        piece().prop_map(|piece| piece.as_bytes().to_vec()),
        prop::sample::select(vec![
            "\n",
            "\"",
            "'''",
            "[[token]]\n",
            "#",
            "\nsid = \"x\"\n",
            "\nstate = \"disabled\"\n",
            "\nscopes = []\n",
            "\u{feff}",
            "\0",
        ])
        .prop_map(|piece| piece.as_bytes().to_vec()),
    ];
    prop_oneof![
        at().prop_map(Damage::Cut),
        (at(), 1_usize..60).prop_map(|(at, count)| Damage::Removed(at, count)),
        (at(), bytes.clone()).prop_map(|(at, piece)| Damage::Inserted(at, piece)),
        (at(), bytes.clone()).prop_map(|(at, piece)| Damage::Overwritten(at, piece)),
        Just(Damage::Doubled),
        bytes.prop_map(Damage::Whole),
    ]
}

/// What is in force of each token: its digest, its scopes by name, whether it is enabled.
type InForce = BTreeMap<String, (String, Vec<String>, bool)>;

fn in_force(snapshot: &Snapshot) -> InForce {
    let tokens = snapshot.tokens.iter().map(|token| {
        let scopes = token
            .scopes
            .iter()
            .filter_map(|scope| snapshot.catalog.scope(scope));
        let mut scopes: Vec<String> = scopes.map(|scope| scope.id.to_string()).collect();
        scopes.sort();
        let enabled = token.state == State::Enabled;
        (
            token.sid.to_string(),
            (token.digest.to_text(), scopes, enabled),
        )
    });
    tokens.collect()
}

/// The same by the TOML library's reading of the whole file.
fn whole(bytes: &[u8]) -> InForce {
    let text = std::str::from_utf8(bytes).expect("what is taken is UTF-8");
    let document: toml::Table = text.parse().expect("what is taken is TOML");
    let tokens = document.get("token").and_then(toml::Value::as_array);
    let tokens = tokens.into_iter().flatten().map(|token| {
        let text = |key: &str| {
            token
                .get(key)
                .and_then(toml::Value::as_str)
                .map(str::to_owned)
        };
        let scopes = token.get("scopes").and_then(toml::Value::as_array);
        let scopes = scopes.into_iter().flatten().filter_map(toml::Value::as_str);
        let mut scopes: Vec<String> = scopes.map(str::to_owned).collect();
        scopes.sort();
        scopes.dedup();
        let enabled = text("state").is_none_or(|state| state == "enabled");
        (
            text("sid").unwrap(),
            // Hexadecimal digits are the same in either case.
            (text("digest").unwrap().to_lowercase(), scopes, enabled),
        )
    });
    tokens.collect()
}

#[test]
fn last_good() {
    let files = tempfile::tempdir().unwrap();
    let tokens = files.path().join("tokens.toml");
    let good = fixture::tokens();
    fs::write(files.path().join("catalog.toml"), fixture::CATALOG).unwrap();
    fs::write(&tokens, &good).unwrap();
    let settings = sidgate::config::Files {
        catalog: files.path().join("catalog.toml"),
        tokens: tokens.clone(),
        max_size: 1 << 20,
        max_tokens: 100,
        // The property looks by itself.
        poll: Duration::from_secs(3600),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (writer, task) = store::open(&settings, &[], false).unwrap();
    let task = task.start().unwrap();
    runtime.spawn(task.run(std::future::pending()));
    let now = || in_force(&writer.snapshot().load());
    let good_set = now();
    assert_eq!(good_set, whole(good.as_bytes()));
    holds(400, &damage(), |damage| {
        let bytes = damage.done_to(good.as_bytes());
        fs::write(&tokens, &bytes).unwrap();
        match runtime.block_on(writer.reload()) {
            Ok(()) => assert_eq!(now(), whole(&bytes)),
            Err(_) => assert_eq!(now(), good_set),
        }
        fs::write(&tokens, &good).unwrap();
        runtime
            .block_on(writer.reload())
            .expect("the good file is good");
        assert_eq!(now(), good_set);
    });
}
