use super::*;

fn record(sid: &str) -> Record {
    let mut record = Map::new();
    record.insert("sid".to_owned(), sid.into());
    record.insert("text".to_owned(), "two\nlines".into());
    record
}

fn path(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("audit.jsonl")
}

/// An audit of records A, B, ..., added one by one.
fn audit(records: &[&str]) -> (tempfile::TempDir, AuditLog) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut log = AuditLog::open(&path(&dir)).expect("opened");
    for sid in records {
        log.append(&[record(sid)]).expect("added");
    }
    (dir, log)
}

fn verified(files: &[PathBuf]) -> Result<(u64, u64), String> {
    let verified = verify(files).map_err(|broken| broken.to_string());
    verified.map(|verified| (verified.first, verified.last))
}

#[test]
fn the_chain_goes_on_after_a_restart() {
    let (dir, mut log) = audit(&["A", "B"]);
    log.append(&[record("C"), record("D")]).expect("added");
    drop(log);
    let mut log = AuditLog::open(&path(&dir)).expect("opened");
    log.append(&[record("E")]).expect("added");
    assert_eq!(verified(&[path(&dir)]), Ok((1, 5)));
    let mode = std::fs::metadata(path(&dir)).expect("it is there").mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_was_tampered_with_shows() {
    let (dir, _log) = audit(&["A", "B", "C", "D"]);
    let text = std::fs::read_to_string(path(&dir)).expect("read");
    let lines: Vec<&str> = text.lines().collect();
    for (lines, place) in [
        (vec![lines[0], lines[2], lines[3]], ":2:"),
        (vec![lines[1], lines[0], lines[2]], ":2:"),
        (vec![lines[0], &lines[1].replace('B', "X"), lines[2]], ":3:"),
        (vec![lines[0], lines[1], lines[1], lines[2]], ":3:"),
        (vec![lines[0], "{}", lines[1]], ":2:"),
        (vec![lines[0], "", lines[1]], ":2:"),
    ] {
        std::fs::write(path(&dir), lines.join("\n") + "\n").expect("written");
        let broken = verified(&[path(&dir)]).expect_err("broken");
        assert!(broken.contains(place), "{broken}");
    }
    std::fs::write(path(&dir), text.trim_end()).expect("written");
    assert!(
        verified(&[path(&dir)])
            .expect_err("broken")
            .contains(":4: the line is cut short")
    );
    assert!(verified(&[dir.path().join("none")]).is_err());
}

#[test]
fn a_line_that_a_crash_cut_short_is_taken_away() {
    let (dir, _log) = audit(&["A", "B"]);
    let mut text = std::fs::read_to_string(path(&dir)).expect("read");
    text.push_str("{\"seq\":3,\"pr");
    std::fs::write(path(&dir), &text).expect("written");
    let mut log = AuditLog::open(&path(&dir)).expect("opened");
    log.append(&[record("C")]).expect("added");
    assert_eq!(verified(&[path(&dir)]), Ok((1, 3)));
    std::fs::write(path(&dir), "{\"seq\":1").expect("written");
    drop(AuditLog::open(&path(&dir)).expect("opened"));
    assert_eq!(std::fs::read(path(&dir)).expect("read"), b"");
}

#[test]
fn a_rotated_file_is_continued_in_a_new_one() {
    let (dir, mut log) = audit(&["A", "B"]);
    let old = dir.path().join("audit.jsonl.1");
    std::fs::rename(path(&dir), &old).expect("renamed");
    log.append(&[record("C")]).expect("added");
    assert_eq!(verified(&[old.clone(), path(&dir)]), Ok((1, 3)));
    assert_eq!(verified(&[path(&dir)]), Ok((3, 3)));
    // And where it was rotated while nothing ran.
    drop(log);
    std::fs::rename(path(&dir), &old).expect("renamed");
    let mut log = AuditLog::open(&path(&dir)).expect("opened");
    log.append(&[record("D")]).expect("added");
    assert_eq!(verified(&[old, path(&dir)]), Ok((3, 4)));
}

#[test]
fn the_newest_come_first() {
    let (dir, _log) = audit(&["A", "B", "A", "C"]);
    let numbers = |sid, limit| -> Vec<u64> {
        let found = newest(&path(&dir), sid, limit).expect("read");
        found
            .iter()
            .filter_map(|record| record["seq"].as_u64())
            .collect()
    };
    assert_eq!(numbers(None, 9), [4, 3, 2, 1]);
    assert_eq!(numbers(None, 2), [4, 3]);
    assert_eq!(numbers(Some("A"), 9), [3, 1]);
    assert!(numbers(Some("Z"), 9).is_empty());
}

#[test]
fn lines_longer_than_a_piece_are_read_backwards_whole() {
    let (dir, mut log) = audit(&["A"]);
    let mut long = record("B");
    long.insert("long".to_owned(), "x".repeat(200_000).into());
    log.append(&[long, record("C")]).expect("added");
    let found = newest(&path(&dir), None, 9).expect("read");
    assert_eq!(found.len(), 3);
    assert_eq!(found[1]["long"].as_str().map(str::len), Some(200_000));
    drop(log);
    let mut log = AuditLog::open(&path(&dir)).expect("opened");
    log.append(&[record("D")]).expect("added");
    assert_eq!(verified(&[path(&dir)]), Ok((1, 4)));
}

#[test]
fn only_a_regular_file_is_an_audit() {
    assert!(AuditLog::open(Path::new("/dev/null")).is_err());
    assert!(AuditLog::open(Path::new("/no/such/audit")).is_err());
}
