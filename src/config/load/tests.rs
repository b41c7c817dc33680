//! Whole files: what they mean, and every fault with its place.

mod shipped;

use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::config::{
    AdminListen, Limits, LogFormat, LogTarget, Protocol, Role, ServerAddress, Timeouts,
    UpstreamTimeouts,
};
use crate::token::Digest;

const LEAST: &str = "[[upstream]]\nservers = [\"http://127.0.0.1:9000\"]\n\
                     [files]\ncatalog = \"c.toml\"\ntokens = \"t.toml\"\n";

fn text(text: &str) -> Result<Config, Faults> {
    parse(Path::new("/etc/sidgate/sidgate.toml"), text)
}

/// `LEAST` and more sections.
fn with(more: &str) -> Result<Config, Faults> {
    text(&format!("{LEAST}{more}"))
}

/// The faults as `LINE:COLUMN: message`.
fn faults(result: Result<Config, Faults>) -> Vec<String> {
    let faults = result.expect_err("the file has faults").0;
    let faults = faults.iter().map(|fault| {
        let (line, column) = fault.place.expect("a fault of a text has a place");
        format!("{line}:{column}: {}", fault.message)
    });
    faults.collect()
}

/// The only fault of a file of `LEAST` and more.
fn fault(more: &str) -> String {
    let found = faults(with(more));
    assert_eq!(found.len(), 1, "{found:#?}");
    found.concat()
}

#[test]
fn little_is_needed_and_the_rest_has_defaults() {
    let config = with("").expect("no fault");
    let settings = &config.settings;
    assert_eq!(
        config.fixed.listen,
        ["127.0.0.1:8080".parse().expect("an address")]
    );
    assert_eq!(config.fixed.admin_listen, None);
    assert!(!config.fixed.tls && !config.fixed.admin_tls);
    assert_eq!(settings.limits, Limits::default());
    assert_eq!(settings.timeouts, Timeouts::default());
    assert_eq!(settings.upstreams[0].timeouts, UpstreamTimeouts::default());
    assert_eq!(&*settings.upstreams[0].name, "default");
    assert_eq!(settings.files.catalog, Path::new("/etc/sidgate/c.toml"));
    assert_eq!(settings.files.poll, Duration::from_millis(250));
    assert_eq!(settings.access_log.target, Some(LogTarget::Stdout));
    assert_eq!(
        (settings.log.level.as_str(), settings.log.format),
        ("info", LogFormat::Auto)
    );
    assert_eq!(settings.realm, "sidgate");
}

#[test]
fn everything_of_the_contract_is_understood() {
    let config = text(
        r#"
        [proxy]
        listen = ["127.0.0.1:8080", "[::1]:8080"]
        workers = 3
        realm = "the API"
        errors = "impact"
        trusted_proxies = ["10.0.0.0/8", "192.0.2.7"]
        [[upstream]]
        name = "default"
        servers = ["http://127.0.0.1:9000", "https://api.example", "unix:run/api.sock"]
        protocol = "http2"
        preserve_host = true
        max_connections = 7
        timeouts = { total = "1h", first_byte = "0s" }
        ejection = { failures = 0 }
        [[upstream]]
        name = "old"
        servers = ["http://old.example:81"]
        [files]
        catalog = "catalog.toml"
        tokens = "/var/lib/sidgate/tokens.toml"
        [admin]
        listen = "unix:admin.sock"
        hosts = ["Admin.Example"]
        [[admin.operator]]
        name = "ops"
        role = "implementation-specialist"
        digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
        [access_log]
        output = "file:access.log"
        [limits]
        body = "1MiB"
        [log]
        level = "warn,sidgate=debug"
        format = "json"
        "#,
    )
    .expect("no fault");
    let settings = &config.settings;
    assert_eq!(config.fixed.workers.get(), 3);
    assert_eq!(config.fixed.listen.len(), 2);
    let socket = PathBuf::from("/etc/sidgate/admin.sock");
    assert_eq!(config.fixed.admin_listen, Some(AdminListen::Unix(socket)));
    assert_eq!(settings.trusted_proxies.len(), 2);
    let upstream = &settings.upstreams[0];
    assert_eq!(upstream.protocol, Protocol::Http2);
    assert!(upstream.preserve_host);
    assert_eq!(upstream.max_connections.map(usize::from), Some(7));
    assert_eq!(upstream.timeouts.total, Some(Duration::from_secs(3_600)));
    assert_eq!(upstream.timeouts.first_byte, None);
    assert_eq!(upstream.ejection_failures, 0);
    let tls: Vec<_> = upstream.servers.iter().map(|server| server.tls).collect();
    assert_eq!(tls, [false, true, false]);
    let unix = &upstream.servers[2];
    let path = PathBuf::from("/etc/sidgate/run/api.sock");
    assert_eq!(unix.address, ServerAddress::Unix(path));
    assert_eq!(
        (unix.authority.as_str(), &*unix.url),
        ("localhost", "unix:run/api.sock")
    );
    assert_eq!(
        settings.files.tokens,
        Path::new("/var/lib/sidgate/tokens.toml")
    );
    assert_eq!(settings.admin.hosts, ["admin.example"]);
    let operator = &settings.admin.operators[0];
    assert_eq!(
        (operator.name.as_str(), operator.role),
        ("ops", Role::ImplementationSpecialist)
    );
    assert_eq!(operator.digest, Digest::Sha256([0x11; 32]));
    assert_eq!(settings.limits.body, Some(1 << 20));
    let log = PathBuf::from("/etc/sidgate/access.log");
    assert_eq!(settings.access_log.target, Some(LogTarget::File(log)));
    assert_eq!(settings.log.format, LogFormat::Json);
}

#[test]
fn all_faults_are_told_in_their_order() {
    let found = faults(text(
        "[proxy]\nlisten = [\"localhost:80\", \"1.2.3.4\"]\nworker = 4\nrealm = 5\n\
         [[upstream]]\nservers = []\nprotocol = \"http3\"\n\
         [[upstream]]\nname = \"b\"\nservers = [\"http://h/x\"]\nport = 1\n\
         [files]\ncatalog = \"c\"\nmax_size = 64\n\
         [limits]\nheaders = 0\nhead = \"1B\"\nconnections = -1\n\
         [timeouts]\nhead = \"0s\"\ngrace = \"soon\"\n[extra]\n",
    ));
    let places: Vec<_> = found
        .iter()
        .map(|fault| fault.splitn(3, ':').take(2).collect::<Vec<_>>().join(":"))
        .collect();
    assert_eq!(
        places,
        [
            "2:11", "2:27", "3:1", "4:9", "6:11", "7:12", "10:12", "11:1", "12:1", "14:12",
            "16:11", "17:8", "18:15", "20:8", "21:9", "22:2"
        ],
        "{found:#?}"
    );
    assert!(found[2].contains("unknown key `worker`"), "{}", found[2]);
    assert_eq!(found[5], r#"7:12: expected one of "http1", "http2""#);
    assert_eq!(found[8], "12:1: `tokens` is needed here");
}

#[test]
fn syntax_faults_are_told_together() {
    let found = faults(with(
        "[limits]\nheaders = = 5\n[log]\nlevel = \"info\nformat = \"auto\"\n",
    ));
    assert!(found.len() >= 2, "{found:#?}");
    assert!(
        found[0].starts_with("7:") && found.iter().any(|f| f.starts_with("9:")),
        "{found:#?}"
    );
    let found = faults(with("[limits]\nheaders = 5\nheaders = 6\n"));
    assert!(found[0].starts_with("8:1: duplicate key"), "{found:#?}");
}

#[test]
fn what_is_needed_is_named() {
    let found = faults(text("# nothing\n"));
    assert_eq!(
        found,
        [
            "1:1: at least one [[upstream]] is needed",
            "1:1: a [files] section with `catalog` and `tokens` is needed",
        ]
    );
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let half = format!("[proxy]\ntls = {{ certificate = {manifest:?} }}\n");
    assert_eq!(fault(&half), "7:7: `private_key` is needed here");
}

#[test]
fn plaintext_on_a_public_address_is_refused_and_the_way_out_told() {
    let found = faults(with(
        "[proxy]\nlisten = [\"127.0.0.1:1\", \"0.0.0.0:80\", \"[::]:80\"]\n",
    ));
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(
        found[0].starts_with("7:26: 0.0.0.0:80 is reachable"),
        "{}",
        found[0]
    );
    assert!(found[0].contains("allow_plaintext = true"), "{}", found[0]);
    let allowed = with("[proxy]\nallow_plaintext = true\nlisten = [\"0.0.0.0:80\"]\n");
    assert!(allowed.expect("no fault").settings.allow_plaintext);
    let admin = fault("[proxy]\nallow_plaintext = true\n[admin]\nlisten = \"0.0.0.0:81\"\n");
    assert!(admin.starts_with("9:10: an admin listener"), "{admin}");
}

#[test]
fn what_cannot_hold_together_is_refused() {
    for (more, expected) in [
        ("[proxy]\nlisten = []", "7:10: expected 1 to 64 addresses"),
        (
            "[proxy]\nlisten = [\"127.0.0.1:1\", \"127.0.0.1:1\"]",
            "7:26: this address stands here twice",
        ),
        (
            "[admin]\nlisten = \"127.0.0.1:8080\"",
            "7:10: the gate listens",
        ),
        (
            "[[upstream]]\nname = \"default\"\nservers = [\"unix:s\"]",
            "7:8: another upstream",
        ),
        (
            "[[upstream]]\nname = \"a\"\nservers = [\"http://h\", \"http://h:80\"]",
            "8:24: this server",
        ),
        ("[[upstream]]\nname = \"a\"", "6:1: `servers` is needed"),
        (
            "[proxy]\nrealm = \"a\\\"b\"",
            "7:9: expected printable ASCII",
        ),
        (
            "[proxy]\nrealm = \"a\\nb\"",
            "7:9: expected printable ASCII",
        ),
        (
            "[proxy]\ntrusted_proxies = [\"any\"]",
            "7:20: expected a network",
        ),
        (
            "[limits]\ntarget = \"33KiB\"",
            "7:10: a target is part of the head",
        ),
        (
            "[limits]\nh2_connection_window = \"1KiB\"",
            "7:24: expected a size from 65535B",
        ),
        ("[log]\nlevel = \"sidgate=loud\"", "7:9: expected a level"),
        (
            "[access_log]\noutput = \"syslog\"",
            "7:10: expected \"stdout\"",
        ),
        (
            "[secrets]\nsid_prefix = \"a b\"",
            "7:14: expected at most 32",
        ),
        (
            "[admin]\nhosts = [\"user@host\"]",
            "7:10: expected a host name",
        ),
        ("[admin]\nlisten = \"unix:\"", "7:10: expected a path"),
    ] {
        let found = fault(more);
        assert!(found.starts_with(expected), "{more:?}: {found}");
    }
    // Sub-tables belong to the upstream before them.
    let start = LEAST.split("[files]").next().unwrap_or_default();
    let found = faults(text(&format!(
        "{start}[upstream.tls]\nca = \"/etc/passwd\"\n[files]\ncatalog = \"c\"\ntokens = \"t\"\n"
    )));
    assert_eq!(found, ["3:1: no server of this upstream is https"]);
    let found = faults(text(&format!(
        "{start}[upstream.health_check]\npath = \"health\"\n[files]\ncatalog = \"c\"\ntokens = \"t\"\n"
    )));
    assert_eq!(found, ["4:8: expected a path, like \"/health\""]);
}

#[test]
fn operators_are_checked() {
    let zeros = "0".repeat(64);
    let operator = |name: &str, digest: &str| {
        format!("[[admin.operator]]\nname = \"{name}\"\nrole = \"viewer\"\ndigest = \"{digest}\"\n")
    };
    let sha = format!("sha256:{zeros}");
    let twice = format!("{}{}", operator("ops", &sha), operator("ops", &sha));
    assert_eq!(fault(&twice), "11:8: another operator has this name");
    assert!(fault(&operator("a:b", &sha)).starts_with("7:8: expected 1 to 128 characters"));
    let hmac = operator("ops", &format!("hmac-sha256:{zeros}"));
    assert!(fault(&hmac).starts_with("9:10: an hmac-sha256 digest needs"));
    let key = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(key.path(), "k".repeat(32)).expect("written");
    let section = format!("{hmac}[secrets]\nhmac_key_file = {:?}\n", key.path());
    assert!(with(&section).is_ok());
    std::fs::write(key.path(), format!("{}\n", "k".repeat(31))).expect("written");
    assert!(fault(&section).contains("holds a key of fewer than 32 bytes"));
    let missing = "[[admin.operator]]\nname = \"ops\"\n";
    assert_eq!(
        faults(with(missing)),
        ["6:1: `role` is needed here", "6:1: `digest` is needed here"]
    );
    assert!(
        fault(&missing.replace(
            "name = \"ops\"",
            &format!("name = \"o\"\nrole = \"root\"\ndigest = {sha:?}")
        ))
        .starts_with("8:8: expected one of")
    );
}

#[test]
fn no_fault_repeats_a_value() {
    let secret = "hunter2-hunter2";
    for more in [
        format!("[[admin.operator]]\nname = \"ops\"\nrole = \"viewer\"\ndigest = \"{secret}\""),
        format!("[[admin.operator]]\nname = \"ops\"\nrole = \"{secret}\"\ndigest = \"$2b\""),
        format!("[secrets]\nhmac_key_file = [\"{secret}\"]"),
        format!("secrets = \"{secret}\""),
        format!("[admin]\noperator = \"{secret}\""),
        format!("[limits]\nheaders = \"{secret}\""),
        format!("[limits]\nhead = \"{secret}\""),
        format!("[timeouts]\nhead = \"{secret}"),
        format!("[log]\nlevel = \"{secret}={secret}\""),
        format!("[[upstream]]\nservers = [\"http://u:{secret}@h\"]"),
    ] {
        let found = faults(with(&more)).join("\n");
        assert!(!found.contains("hunter2"), "{more:?}: {found}");
    }
}

#[test]
fn a_table_is_no_array_and_a_fault_no_line_break() {
    assert_eq!(
        fault("[proxy]\ntls = [\"a\", \"b\"]\n"),
        "7:7: expected a table"
    );
    let found = fault("[limits]\n\"a\\nb\" = 1\n");
    assert!(found.contains(r"unknown key `a\nb`"), "{found}");
}

#[test]
fn files_that_are_no_file_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let message = |path: &Path| load(path).expect_err("a fault").to_string();
    assert!(message(directory.path()).ends_with("not a regular file"));
    assert!(message(&directory.path().join("none")).contains("cannot be read"));
    let fifo = directory.path().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .expect("a FIFO");
    assert!(message(&fifo).ends_with("not a regular file"));
    let large = directory.path().join("large");
    std::fs::write(&large, vec![b'#'; (1 << 20) + 1]).expect("written");
    assert!(message(&large).ends_with("larger than 1MiB"));
    let binary = directory.path().join("binary");
    std::fs::write(&binary, b"# \xc3\xa9\n# \xff\n").expect("written");
    assert!(message(&binary).ends_with("binary:2:3: the file is not UTF-8"));
    let path = directory.path().join("sidgate.toml");
    let text =
        format!("{LEAST}[proxy]\ntls = {{ certificate = \"none.pem\", private_key = \"fifo\" }}\n");
    let found = faults(parse(&path, &text));
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].starts_with("7:23: ") && found[0].contains("none.pem: cannot be read"));
    assert!(found[1].starts_with("7:49: ") && found[1].ends_with("fifo: not a regular file"));
}

#[test]
fn relative_paths_are_relative_to_the_file_and_become_absolute() {
    let config = parse(Path::new("some/sidgate.toml"), LEAST).expect("no fault");
    let here = std::env::current_dir().expect("a directory");
    assert_eq!(config.settings.files.tokens, here.join("some/t.toml"));
    assert_eq!(config.path, Path::new("some/sidgate.toml"));
}

#[test]
fn the_audit_lies_beside_the_token_file_unless_said_otherwise() {
    let audit = |section: &str| with(section).map(|config| config.fixed.audit);
    let here = |name: &str| Ok(Some(PathBuf::from("/etc/sidgate").join(name)));
    assert_eq!(audit(""), Ok(None));
    assert_eq!(audit("[admin]\n"), here("audit.jsonl"));
    assert_eq!(audit("[admin]\naudit = \"off\"\n"), Ok(None));
    assert_eq!(audit("[admin]\naudit = \"file:log/a\"\n"), here("log/a"));
    for bad in ["a.jsonl", "", "file:"] {
        assert!(audit(&format!("[admin]\naudit = \"{bad}\"\n")).is_err());
    }
    let (on, off) = (with("[admin]\n"), with("[admin]\naudit = \"off\"\n"));
    let (on, off) = (on.expect("no fault"), off.expect("no fault"));
    assert_eq!(on.needs_restart(&off), ["admin.audit"]);
}

#[test]
fn what_needs_a_restart_is_named() {
    let old = with("[proxy]\nworkers = 1\n").expect("no fault");
    assert!(old.needs_restart(&old).is_empty());
    let newer = with(
        "[proxy]\nworkers = 2\nlisten = [\"127.0.0.1:1\"]\n[admin]\n[log]\nlevel = \"warn\"\n",
    );
    let newer = newer.expect("no fault");
    assert_eq!(
        old.needs_restart(&newer),
        ["proxy.listen", "proxy.workers", "admin.listen"]
    );
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\]a-z =\"\\.\n0-9{}#_]{0,200}") {
        let _: Result<Config, Faults> = parse(Path::new("/sidgate.toml"), &text);
    }
}
