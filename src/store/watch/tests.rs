use std::os::unix::fs::symlink;

use super::*;
use crate::store::testing::Files;

const POLL: Duration = Duration::from_millis(250);
/// New content is promised to be in force by then.
const PROMISE: Duration = Duration::from_secs(2);

fn watch(files: &[PathBuf], events: bool) -> FileWatch {
    let watch = watch_polling(files, POLL, events);
    if events {
        // Until the directories are listened to, a replacement would be seen by the poll.
        std::thread::sleep(Duration::from_millis(100));
    }
    watch
}

fn watch_polling(files: &[PathBuf], poll: Duration, events: bool) -> FileWatch {
    let watched = |path: &PathBuf| WatchedFile {
        path: path.clone(),
        loaded: None,
    };
    let watch = FileWatch::start(files.iter().map(watched).collect(), poll, events);
    watch.expect("a thread")
}

/// What settles within this time, and when.
fn settles(watch: &FileWatch, within: Duration) -> Option<(Vec<PathBuf>, Duration)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let before = Instant::now();
    let settled = runtime
        .expect("a runtime")
        .block_on(async { tokio::time::timeout(within, watch.settled()).await.ok() });
    settled.map(|paths| (paths, before.elapsed()))
}

#[track_caller]
fn expect(watch: &FileWatch, path: &Path) -> Duration {
    let (paths, after) = settles(watch, PROMISE).expect("it settles in time");
    assert_eq!(paths, [path]);
    after
}

#[test]
fn a_replaced_file_is_reported_at_once() {
    let files = Files::new("0");
    // No poll comes while the test runs: what is reported is reported by its event.
    let watch = watch_polling(
        &[files.catalog(), files.tokens()],
        Duration::from_secs(3_600),
        true,
    );
    // The directory may not be listened to yet: then nothing tells of a replacement.
    let before = Instant::now();
    let mut round = 0;
    loop {
        round += 1;
        files.replace(&format!("early {round}"));
        if settles(&watch, POLL).is_some() {
            break;
        }
        assert!(before.elapsed() < PROMISE * 10, "nothing is ever reported");
    }
    assert_eq!(settles(&watch, POLL), None);
    for round in 1..4 {
        files.replace(&round.to_string());
        expect(&watch, &files.tokens());
    }
    assert!(watch.is_settled(&files.tokens()));
    assert_eq!(settles(&watch, POLL * 2), None);
}

#[test]
fn a_file_written_in_place_is_reported_when_still() {
    for events in [true, false] {
        let files = Files::new("0");
        let watch = watch(&[files.catalog(), files.tokens()], events);
        files.write("ha");
        assert_eq!(settles(&watch, Duration::from_millis(800)), None);
        assert!(!watch.is_settled(&files.tokens()));
        files.write("half");
        let after = expect(&watch, &files.tokens());
        assert!(after > Duration::from_secs(1), "{after:?}");
    }
}

#[test]
fn polling_alone_keeps_the_promise() {
    let files = Files::new("0");
    let watch = watch(&[files.tokens()], false);
    files.replace("1");
    expect(&watch, &files.tokens());
    std::fs::remove_file(files.tokens()).expect("removed");
    assert_eq!(settles(&watch, POLL * 2), None);
    assert!(!watch.is_settled(&files.tokens()), "it is missing");
    files.write("2");
    expect(&watch, &files.tokens());
}

#[test]
fn a_swapped_link_is_reported_at_once() {
    for events in [true, false] {
        let files = Files::new("0");
        let root = files.path();
        for version in ["..v1", "..v2"] {
            std::fs::create_dir(root.join(version)).expect("made");
            std::fs::write(root.join(version).join("t"), version).expect("written");
        }
        symlink("..v1", root.join("..data")).expect("linked");
        symlink("..data/t", root.join("t")).expect("linked");
        let watch = watch(&[root.join("t")], events);
        symlink("..v2", root.join("..data_tmp")).expect("linked");
        std::fs::rename(root.join("..data_tmp"), root.join("..data")).expect("swapped");
        std::fs::remove_dir_all(root.join("..v1")).expect("removed");
        let after = expect(&watch, &root.join("t"));
        // Before one that was written in place would have been still.
        assert!(after < STILL, "events {events}: {after:?}");
        // The directory of the new version is listened to now.
        std::fs::write(root.join("..v2/new"), "2").expect("written");
        std::fs::rename(root.join("..v2/new"), root.join("..v2/t")).expect("renamed");
        expect(&watch, &root.join("t"));
    }
}

#[test]
fn ten_replacements_a_second_do_not_starve() {
    let files = Files::new("0");
    let watch = watch(&[files.tokens()], false);
    let mut reports = 0;
    for round in 0..20 {
        files.replace(&round.to_string());
        reports += usize::from(settles(&watch, Duration::from_millis(100)).is_some());
    }
    assert!(reports >= 3, "{reports} reports in two seconds");
}

#[test]
fn a_state_that_was_not_loaded_is_reported() {
    let files = Files::new("0");
    let loaded = Stamp::of(&files.tokens());
    files.replace("1");
    let file = WatchedFile {
        path: files.tokens(),
        loaded,
    };
    let watch = FileWatch::start(vec![file], POLL, true).expect("a thread");
    expect(&watch, &files.tokens());
}

#[test]
fn a_check_reports_what_is_not_still_yet() {
    let files = Files::new("0");
    let watch = watch(&[files.tokens()], true);
    files.write("1");
    watch.check_now();
    let after = expect(&watch, &files.tokens());
    assert!(after < STILL, "{after:?}");
}

#[test]
fn other_files_can_be_watched_instead() {
    let files = Files::new("0");
    let watch = watch(&[files.catalog()], true);
    let file = WatchedFile {
        path: files.tokens(),
        loaded: None,
    };
    watch.watch(vec![file], POLL);
    std::thread::sleep(Duration::from_millis(100));
    files.replace("1");
    expect(&watch, &files.tokens());
    assert!(!watch.is_settled(&files.catalog()), "it is not watched");
}
