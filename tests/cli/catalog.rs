//! `sidgate catalog import`: what it prints, where, and what it refuses.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Output;

use super::{sidgate, text};

const ADS: &str = "openapi: 3.0.3
info: {title: Ads, version: '1'}
servers: [{url: 'https://api.example.com'}]
paths:
  /Partners/{AccountSID}/Ads:
    get: {tags: [Ads], operationId: listAds}
    post: {tags: [Ads], operationId: createAd}
  /Partners/{AccountSID}/Ads/{Id}:
    get: {tags: [Ads], operationId: getAd}
  /Partners/{AccountSID}/Ads/{Id}:pause:
    post: {tags: [Ads], operationId: pauseAd}
";

const JOBS: &str = r#"{"openapi": "3.1.0", "paths": {"/jobs": {"get": {}, "delete": {}}}}"#;

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

fn import(arguments: &[&str], files: &[&Path]) -> Output {
    let files = files.iter().map(|file| file.to_str().unwrap());
    let all: Vec<&str> = ["catalog", "import"]
        .into_iter()
        .chain(arguments.iter().copied())
        .chain(files)
        .collect();
    sidgate(&all, b"")
}

#[test]
fn documents_become_a_catalogue_on_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let ads = write(folder.path(), "ads.yaml", ADS);
    let jobs = write(folder.path(), "jobs.json", JOBS);
    let options = ["--sid-parameter", "AccountSID", "--api-version", "16"];
    let out = import(&options, &[&ads, &jobs]);
    let (said, told) = (text(&out.stdout), text(&out.stderr));
    assert_eq!(out.status.code(), Some(0), "{told}");
    let parts = [
        "[versions]\nlatest = \"16\"\n",
        "[[category]]\nname = \"Ads\"\n",
        "id = \"ads:read\"\nname = \"Read Ads\"\n",
        "    \"GET /Partners/{sid}/Ads\",\n    \"GET /Partners/{sid}/Ads/{Id}\",\n",
        "id = \"jobs:write\"\nname = \"Change jobs\"\n",
    ];
    for part in parts {
        assert!(said.contains(part), "{part:?} in {said}");
    }
    let warning = format!(
        "{}:11:5: warning: `POST /Partners/{{AccountSID}}/Ads/{{Id}}:pause` is not imported: ",
        ads.display()
    );
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with(&warning), "{told}");
    assert_eq!(
        lines[1..],
        [
            "Ads: 3 rules: ads:read (2), ads:write (1)",
            "jobs: 2 rules: jobs:read (1), jobs:write (1)",
            "2 documents: 5 rules, 1 warning",
        ]
    );
    // The other order gives the same.
    assert_eq!(text(&import(&options, &[&jobs, &ads]).stdout), said);
}

#[test]
fn what_is_printed_is_a_catalogue_that_a_gate_takes() {
    let folder = tempfile::tempdir().unwrap();
    let main_file = super::write_files(folder.path());
    let ads = write(folder.path(), "ads.yaml", ADS);
    let out = import(
        &[
            "--granularity",
            "operation",
            "--sid-parameter",
            "AccountSID",
        ],
        &[&ads],
    );
    fs::write(folder.path().join("catalog.toml"), &out.stdout).unwrap();
    fs::write(folder.path().join("tokens.toml"), "# none\n").unwrap();
    let said = super::check(&main_file);
    assert!(
        text(&said.stdout).contains("1 category, 3 scopes, 3 rules"),
        "{said:?}"
    );
}

#[test]
fn a_fault_is_told_with_its_place_and_nothing_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let good = write(folder.path(), "good.yaml", ADS);
    for (name, content, place, told) in [
        ("text.yaml", "hello", ":1:1: ", "is no OpenAPI document"),
        (
            "two.json",
            "{\"swagger\": \"2.0\"}",
            ":1:13: ",
            "Swagger 2.0",
        ),
        (
            "broken.json",
            "{\"openapi\": ",
            ":1:1: ",
            "neither YAML nor JSON",
        ),
        (
            "cycle.yaml",
            "openapi: 3.0.0\npaths:\n  /a: {$ref: '#/paths/~1a'}\n",
            ":3:14: ",
            "leads back to itself",
        ),
        (
            "clash.yaml",
            "openapi: 3.0.0\npaths:\n  /Partners/{x}/Ads:\n    get: {tags: [Other]}\n",
            ":4:5: ",
            "clashes with",
        ),
        (
            "brace.yaml",
            "openapi: 3.0.0\npaths:\n  '/a/{x':\n    get: {}\n",
            ":3:3: ",
            "a brace is not closed",
        ),
    ] {
        let bad = write(folder.path(), name, content);
        let out = import(&[], &[&good, &bad]);
        assert_eq!(out.status.code(), Some(1), "{name}");
        assert!(out.stdout.is_empty(), "{name}");
        let start = format!("{}{place}", bad.display());
        let message = text(&out.stderr);
        assert!(message.starts_with(&start), "{start} in {message}");
        assert!(message.contains(told), "{told} in {message}");
    }
    let latin = folder.path().join("latin.yaml");
    fs::write(&latin, b"openapi: 3.0.0\ninfo: \xe9\n").unwrap();
    let out = import(&[], &[&latin]);
    assert!(
        text(&out.stderr).ends_with("latin.yaml:2:7: is not UTF-8\n"),
        "{out:?}"
    );
    let out = import(&[], &[&folder.path().join("none"), folder.path()]);
    assert_eq!(
        text(&out.stderr).matches(":1:1: cannot be read: ").count(),
        2,
        "{out:?}"
    );
}

#[test]
fn a_document_of_50_mb_is_refused_by_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("large.yaml");
    // Sparse: what counts is the size, and that it is read no further than it may be.
    let file = fs::File::create(&large).unwrap();
    file.set_len(50 * 1024 * 1024).unwrap();
    let out = import(&[], &[&large]);
    assert_eq!(out.status.code(), Some(1));
    assert!(
        text(&out.stderr).ends_with(
            "large.yaml:1:1: is larger than 32 MiB, the most that a document may have\n"
        ),
        "{out:?}"
    );
}

#[test]
fn wrong_usage_is_2() {
    for arguments in [
        &[][..],
        &["--api-version", "", "a.yaml"],
        &["--api-version", "a b", "a.yaml"],
        &["--granularity", "tag", "a.yaml"],
        &["--ignored-suffix", "json", "a.yaml"],
        &["--ignored-suffix", "./x", "a.yaml"],
        &["--write", "a.yaml"],
        &["--tokens", "tokens.toml", "a.yaml"],
    ] {
        let out = import(arguments, &[]);
        assert_eq!(out.status.code(), Some(2), "{arguments:?}");
        assert!(out.stdout.is_empty(), "{arguments:?}");
    }
}

/// Names of files, tags, titles, ids and paths that would turn a terminal red, clear it, or
/// turn the direction of what follows.
#[test]
fn nothing_that_is_printed_is_obeyed_by_a_terminal() {
    const EVIL: &str = "\u{1b}[31m\u{9b}2J\u{202e}\r\u{7}";
    let folder = tempfile::tempdir().unwrap();
    let named = format!("e{EVIL}.json");
    let quoted = serde_json::to_string(&format!("/a{EVIL}")).unwrap();
    let operation = serde_json::json!({
        "tags": [format!("T{EVIL}")], "operationId": format!("o{EVIL}"), "summary": EVIL,
    });
    let document = |path: &str| {
        format!(
            "{{\"openapi\": \"3.0.0\", \"info\": {{\"title\": {path}}}, \"paths\": {{{path}: {{\"get\": \
             {operation}, {path}: {{}}}}, \"/{{{EVIL}}}\": {{\"put\": {operation}}}, \"/b\": {{\"get\": {operation}}}}}}}"
        )
        .replace(EVIL, &serde_json::to_string(EVIL).unwrap().replace('"', ""))
    };
    let sound = write(folder.path(), &named, &document(&quoted));
    let bad = write(folder.path(), &format!("bad{named}"), &document("\"x\""));
    let output = folder.path().join(format!("catalog{EVIL}.toml"));
    let missing = folder.path().join(EVIL).join("x");
    let tokens = format!(
        "[[token]]\nsid = \"a\"\nname = \"T\u{202e}\"\ndigest = \"{}\"\nscopes = [\"t-31m-2j:read\"]\n",
        super::DIGEST
    );
    let tokens = write(folder.path(), "tokens.toml", &tokens);
    let onto = |path: &Path| ["--output", path.to_str().unwrap()].map(str::to_owned);
    let tell = ["--tokens".to_owned(), tokens.to_str().unwrap().to_owned()];
    let write_it = || vec!["--write".to_owned()];
    let mut seen = Vec::new();
    for (arguments, document, code) in [
        (Vec::new(), &sound, 0),
        (Vec::new(), &bad, 1),
        ([write_it(), onto(&output).to_vec()].concat(), &sound, 0),
        ([onto(&output).to_vec(), tell.to_vec()].concat(), &sound, 0),
        ([write_it(), onto(&missing).to_vec()].concat(), &sound, 1),
        (onto(&bad).to_vec(), &sound, 1),
        (Vec::new(), &missing, 1),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let out = import(&arguments, &[document]);
        assert_eq!(out.status.code(), Some(code), "{arguments:?} {out:?}");
        let told = [text(&out.stdout), text(&out.stderr)].concat();
        let obeyed = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        // A catalogue itself is a file, and no talk: its names may read from right to left.
        let talk = told.lines().filter(|line| !line.starts_with("name = "));
        seen.extend(talk.map(str::to_owned));
        let found = seen.iter().find(|line| line.contains(obeyed));
        assert_eq!(found, None, "{arguments:?}");
    }
    assert!(
        seen.iter().any(|line| line.contains("warning: ")),
        "{seen:#?}"
    );
    assert!(
        seen.iter().any(|line| line.starts_with("+ scope ")),
        "{seen:#?}"
    );
}

/// The whole of a life: made, imported again, changed by hand, shown, written.
#[test]
fn an_import_onto_a_catalogue_is_shown_and_written_only_where_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let ads = write(folder.path(), "ads.yaml", ADS);
    let catalog = folder.path().join("catalog.toml");
    let onto = [
        "--sid-parameter",
        "AccountSID",
        "--output",
        catalog.to_str().unwrap(),
    ];
    let written = [&onto[..], &["--write"]].concat();

    // Where there is none, all of it is new, and nothing is made unasked.
    let out = import(&onto, &[&ads]);
    assert_eq!(out.status.code(), Some(0), "{out:?}");
    let said = text(&out.stdout);
    assert!(
        said.starts_with("+ scope ads:read in Ads\n+ rule ads:read: GET /Partners/{sid}/Ads\n"),
        "{said}"
    );
    assert!(
        text(&out.stderr).ends_with("catalog.toml: 5 changes, not written: --write writes it\n"),
        "{out:?}"
    );
    assert!(!catalog.exists());
    let out = import(&written, &[&ads]);
    assert!(
        text(&out.stderr).ends_with("catalog.toml: 5 changes, written\n"),
        "{out:?}"
    );
    let drafted = import(&onto[..2], &[&ads]).stdout;
    assert_eq!(fs::read(&catalog).unwrap(), drafted);

    // The same again changes nothing, and touches nothing.
    let before = fs::metadata(&catalog).unwrap();
    let out = import(&written, &[&ads]);
    assert!(out.stdout.is_empty(), "{out:?}");
    assert!(
        text(&out.stderr).ends_with("catalog.toml: 0 changes, nothing changes\n"),
        "{out:?}"
    );
    assert_eq!(fs::metadata(&catalog).unwrap().ino(), before.ino());

    // By hand: a comment, a limit, a rule. Then the documents go on.
    let by_hand = text(&drafted)
        .replace(
            "name = \"Ads\"\n",
            "name = \"Ads\"\nlimits = [\"9/hour\"] # ours\n",
        )
        .replace("allow = [\n", "allow = [\n    \"GET /own\",\n");
    fs::write(&catalog, &by_hand).unwrap();
    fs::set_permissions(&catalog, Permissions::from_mode(0o640)).unwrap();
    let changed = ADS.replace("    post:", "    put: {tags: [Ads]}\n    delete:");
    let changed = write(
        folder.path(),
        "ads.yaml",
        &changed.replace("Ads/{Id}:\n    get", "Ads/{Id}/Code:\n    get"),
    );
    let tokens = format!(
        "[[token]]\nsid = \"a\"\nname = \"Reader\"\ndigest = \"{0}\"\nscopes = [\"ads:read\"]\n\
         [[token]]\nsid = \"b\"\nname = \"None\"\ndigest = \"{0}\"\n\
         [[token]]\nsid = \"c\"\nname = \"Writer\"\ndigest = \"{0}\"\nscopes = [\"ads:write\"]\nstate = \"disabled\"\n",
        super::DIGEST
    );
    let tokens = write(folder.path(), "tokens.toml", &tokens);
    let with_tokens = [&onto[..], &["--tokens", tokens.to_str().unwrap()]].concat();
    let out = import(&with_tokens, &[&changed]);
    assert_eq!(
        text(&out.stdout),
        "+ rule ads:read: GET /Partners/{sid}/Ads/{Id}/Code\n\
         - rule ads:read: GET /Partners/{sid}/Ads/{Id}\n\
         + rule ads:write: PUT /Partners/{sid}/Ads\n\
         + rule ads:write: DELETE /Partners/{sid}/Ads\n\
         - rule ads:write: POST /Partners/{sid}/Ads\n\
         > token a \"Reader\" would gain GET /Partners/{sid}/Ads/{Id}/Code\n\
         > token a \"Reader\" would lose GET /Partners/{sid}/Ads/{Id}\n\
         > token c \"Writer\" (disabled) would gain DELETE /Partners/{sid}/Ads\n\
         > token c \"Writer\" (disabled) would gain PUT /Partners/{sid}/Ads\n\
         > token c \"Writer\" (disabled) would lose POST /Partners/{sid}/Ads\n\
         # 2 of 3 tokens would gain or lose something\n"
    );
    assert!(
        !text(&out.stdout).contains("ba7816bf"),
        "a digest in {out:?}"
    );
    assert_eq!(fs::read_to_string(&catalog).unwrap(), by_hand);

    // Without the token file, whoever holds a scope is told of.
    let out = import(&written, &[&changed]);
    let said = text(&out.stdout);
    assert!(
        said.contains("> holders of ads:write would gain PUT /Partners/{sid}/Ads\n"),
        "{said}"
    );
    let now = fs::read_to_string(&catalog).unwrap();
    for kept in [
        "limits = [\"9/hour\"] # ours\n",
        "    \"GET /own\",\n",
        "    \"PUT /Partners/{sid}/Ads\",\n",
    ] {
        assert!(now.contains(kept), "{kept} in {now}");
    }
    assert_eq!(fs::metadata(&catalog).unwrap().mode() & 0o777, 0o640);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 3, "no temporary file stays: {left:?}");
}

#[test]
fn a_catalogue_that_cannot_be_changed_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let ads = write(folder.path(), "ads.yaml", ADS);
    let bad = write(
        folder.path(),
        "bad.yaml",
        "openapi: 3.0.0\npaths: {/a: []}\n",
    );
    let sound = write(folder.path(), "sound.toml", "# Nothing yet.\n");
    let broken = write(folder.path(), "broken.toml", "[[category]]\nname = 1\n");
    let token = write(folder.path(), "tokens.toml", "[[token]]\nsid = \"a\"\n");
    for unfit in [folder.path(), Path::new("/dev/null")] {
        let output = ["--write", "--output", unfit.to_str().unwrap()];
        let out = import(&output, &[&ads]);
        assert_eq!(out.status.code(), Some(1), "{out:?}");
        assert!(
            text(&out.stderr).ends_with(":1:1: is no regular file\n"),
            "{out:?}"
        );
    }
    let tokens = ["--tokens", token.to_str().unwrap()];
    for (catalog, document, more, told) in [
        (&broken, &ads, &[][..], "broken.toml:2:8: "),
        (&sound, &bad, &[][..], "bad.yaml:2:13: "),
        (&sound, &ads, &tokens[..], "tokens.toml:1:1: "),
        (&ads, &ads, &[][..], "ads.yaml:1:"),
    ] {
        let before = fs::read(catalog).unwrap();
        let output = ["--write", "--output", catalog.to_str().unwrap()];
        let out = import(&[&output[..], more].concat(), &[document]);
        assert_eq!(out.status.code(), Some(1), "{out:?}");
        assert!(text(&out.stderr).contains(told), "{told} in {out:?}");
        assert_eq!(fs::read(catalog).unwrap(), before);
    }
}
