//! `sidgate catalog import`: what it prints, where, and what it refuses.

use std::fs;
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
    ] {
        let out = import(arguments, &[]);
        assert_eq!(out.status.code(), Some(2), "{arguments:?}");
        assert!(out.stdout.is_empty(), "{arguments:?}");
    }
}
