//! What resolving needs at every key: bounds, paths, and the list of faults.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;

use super::load::{open, unreadable};
use super::raw::{Count, Given};
use super::units::{Size, Time};
use crate::fault::{Fault, Faults};

/// No deadline that someone means is longer than a year.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// Collects faults while a file is resolved, so that all are told together.
pub(super) struct Checker {
    directory: PathBuf,
    faults: BTreeMap<(usize, usize), String>,
    cut: BTreeSet<String>,
}

impl Checker {
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            faults: BTreeMap::new(),
            cut: BTreeSet::new(),
        }
    }

    /// Notes a fault at a place of the text.
    pub(super) fn fault(&mut self, place: &Range<usize>, message: impl Into<String>) {
        let nth = self.faults.len();
        self.faults.insert((place.start, nth), message.into());
    }

    /// Remembers a key that was cut out because it could not be read.
    pub(super) fn note_cut(&mut self, key: String) {
        self.cut.insert(key);
    }

    /// Whether a key was there and could not be read: what follows from its absence is
    /// then no fault of its own.
    pub(super) fn was_cut(&self, key: &str) -> bool {
        self.cut.contains(key)
    }

    pub(super) fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    pub(super) fn into_faults(self, path: &Path, text: &str) -> Faults {
        let faults = self.faults.into_iter();
        Faults(
            faults
                .map(|((offset, _), message)| Fault::at(path, text, offset, message))
                .collect(),
        )
    }

    /// A key without which nothing works.
    pub(super) fn needed<T>(
        &mut self,
        given: Given<T>,
        table: &Range<usize>,
        key: &str,
    ) -> Option<Spanned<T>> {
        if given.is_none() && !self.was_cut(key) {
            self.fault(table, format!("`{key}` is needed here"));
        }
        given
    }

    /// A whole number within bounds; `None` where it is not given or out of them.
    pub(super) fn count(
        &mut self,
        given: Given<Count>,
        bounds: RangeInclusive<u64>,
    ) -> Option<u64> {
        let given = given?;
        let number = given.get_ref().0;
        if bounds.contains(&number) {
            return Some(number);
        }
        let (least, most) = bounds.into_inner();
        self.fault(
            &given.span(),
            format!("expected a number from {least} to {most}"),
        );
        None
    }

    /// A size within bounds; `None` where it is not given or out of them.
    pub(super) fn size(&mut self, given: Given<Size>, bounds: RangeInclusive<u64>) -> Option<u64> {
        let given = given?;
        let bytes = given.get_ref().0;
        if bounds.contains(&bytes) {
            return Some(bytes);
        }
        let (least, most) = (Size(*bounds.start()), Size(*bounds.end()));
        self.fault(
            &given.span(),
            format!("expected a size from {least} to {most}"),
        );
        None
    }

    /// A duration within bounds; `None` where it is not given or out of them.
    pub(super) fn time(
        &mut self,
        given: Given<Time>,
        bounds: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let given = given?;
        let time = given.get_ref().0;
        if bounds.contains(&time) {
            return Some(time);
        }
        let (least, most) = (Time(*bounds.start()), Time(*bounds.end()));
        self.fault(
            &given.span(),
            format!("expected a duration from {least} to {most}"),
        );
        None
    }

    /// A deadline that cannot be left off.
    pub(super) fn deadline(&mut self, given: Given<Time>, default: Duration) -> Duration {
        self.time(given, Duration::from_millis(1)..=LONGEST)
            .unwrap_or(default)
    }

    /// A deadline that "0s" turns off.
    pub(super) fn optional_deadline(
        &mut self,
        given: Given<Time>,
        default: Option<Duration>,
    ) -> Option<Duration> {
        match self.time(given, Duration::ZERO..=LONGEST) {
            Some(Duration::ZERO) => None,
            Some(time) => Some(time),
            None => default,
        }
    }

    /// A path of the file, relative to the file's directory.
    pub(super) fn path(&mut self, given: &Spanned<String>) -> PathBuf {
        self.path_in(given.get_ref(), &given.span())
    }

    /// The same for a path that is part of a value.
    pub(super) fn path_in(&mut self, path: &str, place: &Range<usize>) -> PathBuf {
        if path.is_empty() || path.contains('\0') {
            self.fault(place, "expected a path");
        }
        self.directory.join(path)
    }

    /// The path of a file that must be readable now. Its content is judged by who uses
    /// it, and of a private key as little as possible is brought into memory here.
    pub(super) fn readable(&mut self, given: &Spanned<String>) -> PathBuf {
        let path = self.path(given);
        let first = open(&path).and_then(|mut file| file.read(&mut [0]).map_err(unreadable));
        let message = match first {
            Ok(0) => "is empty".to_owned(),
            Ok(_) => return path,
            Err(message) => message,
        };
        self.fault(&given.span(), format!("{}: {message}", path.display()));
        path
    }
}

/// A bounded number in the width that its user needs.
pub(super) fn narrow<T: TryFrom<u64>>(number: Option<u64>, default: T) -> T {
    number.and_then(|n| T::try_from(n).ok()).unwrap_or(default)
}
