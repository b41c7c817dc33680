//! Decides when a file has settled: pure, with the time and what was seen given.
//!
//! A file that was put in the place of another is whole, and settled at once. One that is
//! written where it stands is settled when it has been still for a while. The difference is
//! told by events where they are heard: what a rename put there is whole, what was created
//! there is not yet. Where no event was heard, a rename shows in that it touches the file
//! after it was written; and a file that is another one at each look is being replaced
//! again and again, and waiting for stillness would wait for ever.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::STILL;
use super::route::Route;
use crate::store::read::Stamp;

/// A file as one look saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    stamp: Stamp,
    real: PathBuf,
}

impl Seen {
    pub(super) fn new(stamp: Stamp, route: &Route) -> Self {
        let real = Path::to_owned(route.real());
        Self { stamp, real }
    }

    /// Looks at the file at the end of a route.
    pub(super) fn at(route: &Route) -> Option<Self> {
        Stamp::of(route.real()).map(|stamp| Self::new(stamp, route))
    }
}

/// What events said of a file since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    heard: bool,
    written: bool,
    renamed: bool,
}

impl Marks {
    /// A rename put the file, or a link on the way to it, where it is.
    pub(super) fn renamed(&mut self) {
        *self = Self {
            heard: true,
            written: false,
            renamed: true,
        };
    }

    /// The file was created or written in its place.
    pub(super) fn written(&mut self) {
        *self = Self {
            heard: true,
            written: true,
            renamed: false,
        };
    }

    /// Something else happened to it.
    pub(super) fn touched(&mut self) {
        self.heard = true;
    }
}

/// What became of a file so far.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// As it was last reported.
    reported: Option<Seen>,
    /// As the last look that found it saw it.
    last: Option<Seen>,
    /// On its way to something new, and still since then.
    still_since: Option<Instant>,
    missing_since: Option<Instant>,
    missing_told: bool,
    hurried: bool,
}

impl Course {
    /// The course of a file whose content in this state is known.
    pub(super) fn new(loaded: Option<Seen>) -> Self {
        Self {
            last: loaded.clone(),
            reported: loaded,
            ..Self::default()
        }
    }

    /// Takes a look in. Whether the file has settled on something that was not reported.
    pub(super) fn observe(&mut self, now: Instant, seen: Option<Seen>, marks: Marks) -> bool {
        let hurried = std::mem::take(&mut self.hurried);
        let Some(seen) = seen else {
            self.still_since = None;
            self.missing_since.get_or_insert(now);
            return false;
        };
        self.missing_since = None;
        self.missing_told = false;
        if self.still_since.is_none() && !marks.written && self.reported.as_ref() == Some(&seen) {
            return false;
        }
        let mut whole = hurried;
        if marks.written || self.last.as_ref() != Some(&seen) || self.still_since.is_none() {
            whole |= self.is_whole(&seen, marks);
            self.still_since = Some(now);
        }
        self.last = Some(seen);
        if !whole && self.due().is_some_and(|due| now < due) {
            return false;
        }
        self.still_since = None;
        self.reported = self.last.clone();
        true
    }

    /// Whether what is seen now took the place of what was there as a whole.
    fn is_whole(&self, seen: &Seen, marks: Marks) -> bool {
        let Some(last) = &self.last else {
            return marks.renamed;
        };
        if last.real != seen.real {
            return true; // a link on the way was swapped
        }
        if marks.heard {
            return marks.renamed;
        }
        let another = !last.stamp.same_file(&seen.stamp);
        another && (seen.stamp.moved_since_written() || self.still_since.is_some())
    }

    /// When the file will have been still for long enough, if it is on its way.
    pub(super) fn due(&self) -> Option<Instant> {
        self.still_since.map(|since| since + STILL)
    }

    /// The next look reports whatever is new.
    pub(super) fn hurry(&mut self) {
        self.hurried = true;
    }

    /// Whether the file is as it was last reported.
    pub(super) fn is_settled(&self, now: Option<&Seen>) -> bool {
        now.is_some() && self.still_since.is_none() && self.reported.as_ref() == now
    }

    /// Whether the file that was last reported is still there and not as it was.
    pub(super) fn is_being_written(&self, now: Option<&Seen>) -> bool {
        match (&self.reported, now) {
            (Some(reported), Some(now)) => {
                reported.stamp.same_file(&now.stamp) && reported.stamp != now.stamp
            }
            _ => false,
        }
    }

    /// Whether the file is missing for longer than a replacement takes; told once.
    pub(super) fn is_newly_missing(&mut self, now: Instant) -> bool {
        let long = |since| now.saturating_duration_since(since) >= STILL;
        let newly = !self.missing_told && self.missing_since.is_some_and(long);
        self.missing_told |= newly;
        newly
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TICK: Duration = Duration::from_millis(250);

    /// A file in a directory of its own, looked at in made-up time.
    struct Fixture {
        dir: tempfile::TempDir,
        course: Course,
        now: Instant,
    }

    impl Fixture {
        fn new() -> Self {
            let dir = tempfile::tempdir().expect("a directory");
            std::fs::write(dir.path().join("file"), "0").expect("written");
            let mut fixture = Self {
                dir,
                course: Course::default(),
                now: Instant::now(),
            };
            fixture.course = Course::new(fixture.seen());
            fixture
        }

        fn file(&self) -> PathBuf {
            self.dir.path().join("file")
        }

        fn seen(&self) -> Option<Seen> {
            Seen::at(&Route::to(&self.file()))
        }

        fn write(&self, text: &str) {
            // Further than the clock of the file system ticks.
            std::thread::sleep(Duration::from_millis(12));
            std::fs::write(self.file(), text).expect("written");
        }

        /// Written, then moved there a tick of the clock later.
        fn replace(&self, text: &str) {
            let new = self.dir.path().join("new");
            std::fs::write(&new, text).expect("written");
            std::thread::sleep(Duration::from_millis(12));
            std::fs::rename(new, self.file()).expect("renamed");
        }

        fn look(&mut self, mark: fn(&mut Marks)) -> bool {
            let mut marks = Marks::default();
            mark(&mut marks);
            self.now += TICK;
            let seen = self.seen();
            self.course.observe(self.now, seen, marks)
        }

        /// How many looks until it settles; at most ten.
        fn looks(&mut self) -> usize {
            (1..=10).find(|_| self.look(|_| ())).unwrap_or(0)
        }
    }

    #[test]
    fn what_does_not_change_is_not_reported() {
        let mut fixture = Fixture::new();
        assert_eq!(fixture.looks(), 0);
        assert!(!fixture.look(Marks::touched));
        assert!(fixture.course.is_settled(fixture.seen().as_ref()));
    }

    #[test]
    fn a_write_in_place_waits_for_stillness() {
        let mut fixture = Fixture::new();
        fixture.write("1");
        assert!(!fixture.look(Marks::written));
        assert!(!fixture.course.is_settled(fixture.seen().as_ref()));
        assert!(fixture.course.is_being_written(fixture.seen().as_ref()));
        fixture.write("22");
        assert_eq!(fixture.looks(), 6, "five ticks after the look that saw it");
        assert_eq!(fixture.looks(), 0);
    }

    #[test]
    fn a_write_that_leaves_no_trace_is_heard() {
        let mut fixture = Fixture::new();
        assert!(!fixture.look(Marks::written));
        assert_eq!(fixture.looks(), 5);
    }

    #[test]
    fn a_replacement_settles_at_once_heard_or_not() {
        let mut fixture = Fixture::new();
        fixture.replace("1");
        assert!(fixture.look(Marks::renamed));
        fixture.replace("1");
        assert!(fixture.look(|_| ()));
    }

    #[test]
    fn a_file_made_in_its_place_waits() {
        let mut fixture = Fixture::new();
        std::fs::remove_file(fixture.file()).expect("removed");
        assert!(!fixture.look(Marks::touched));
        assert!(!fixture.course.is_settled(None));
        assert!(!fixture.course.is_being_written(None));
        fixture.write("half");
        assert!(!fixture.look(Marks::written));
        fixture.write("whole");
        assert!(!fixture.look(Marks::written));
        assert_eq!(fixture.looks(), 5);
    }

    #[test]
    fn a_file_that_comes_back_the_same_is_not_reported() {
        let mut fixture = Fixture::new();
        let aside = fixture.dir.path().join("aside");
        // A link, not a rename, so that the time of change is the only trace.
        let seen = fixture.seen();
        assert!(!fixture.course.observe(fixture.now, None, Marks::default()));
        assert!(!fixture.course.observe(fixture.now, seen, Marks::default()));
        std::fs::rename(fixture.file(), &aside).expect("renamed");
        assert!(!fixture.look(Marks::touched));
        std::fs::rename(aside, fixture.file()).expect("renamed");
        assert!(
            fixture.look(Marks::renamed),
            "it may have been written elsewhere"
        );
    }

    #[test]
    fn a_missing_file_is_told_once() {
        let mut fixture = Fixture::new();
        std::fs::remove_file(fixture.file()).expect("removed");
        let told = |fixture: &mut Fixture| {
            assert!(!fixture.look(|_| ()));
            fixture.course.is_newly_missing(fixture.now)
        };
        let all: Vec<bool> = (0..10).map(|_| told(&mut fixture)).collect();
        assert_eq!(all.iter().position(|&told| told), Some(5));
        assert_eq!(all.iter().filter(|&&told| told).count(), 1);
    }

    #[test]
    fn unheard_replacements_without_end_do_not_starve() {
        let mut fixture = Fixture::new();
        let mut reported = 0;
        for round in 0..8 {
            // Made in one go, so that nothing shows that it was moved.
            std::fs::remove_file(fixture.file()).expect("removed");
            std::fs::write(fixture.file(), round.to_string()).expect("written");
            reported += usize::from(fixture.look(|_| ()));
        }
        assert_eq!(reported, 4, "every second look");
    }

    #[test]
    fn a_hurried_look_waits_for_nothing() {
        let mut fixture = Fixture::new();
        fixture.course.hurry();
        assert!(!fixture.look(|_| ()), "nothing new");
        fixture.write("1");
        assert!(!fixture.look(Marks::written));
        fixture.course.hurry();
        assert!(fixture.look(|_| ()));
    }
}
