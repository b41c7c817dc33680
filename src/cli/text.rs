//! Texts for people: aligned columns, ages, and nothing that a terminal would obey.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use jiff::Timestamp;
use unicode_width::UnicodeWidthStr;

pub(super) use crate::fault::printable;

/// Writes rows in columns, each as wide as its widest cell is on a terminal.
///
/// # Errors
/// Those of `out`.
pub(super) fn write_table<const N: usize>(
    out: &mut impl Write,
    rows: &[[Cow<'_, str>; N]],
) -> io::Result<()> {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.width().max(*width);
        }
    }
    let mut line = String::new();
    for row in rows {
        line.clear();
        for (width, cell) in widths.iter().zip(row) {
            line.push_str(cell);
            let gap = width.saturating_sub(cell.width()) + 2;
            write!(line, "{:gap$}", "").map_err(io::Error::other)?;
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A count and what is counted.
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// How long ago something was, in its largest unit: `42s`, `5m`, `7h`, `3d`, `2y`.
pub(super) fn age(since: Timestamp, now: Timestamp) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    const YEAR: i64 = 365 * DAY;
    let seconds = now.duration_since(since).as_secs().max(0);
    let (unit, letter) = match seconds {
        ..MINUTE => (1, 's'),
        MINUTE..HOUR => (MINUTE, 'm'),
        HOUR..DAY => (HOUR, 'h'),
        // "1y" would hide too much of a second year.
        s if s < 2 * YEAR => (DAY, 'd'),
        _ => (YEAR, 'y'),
    };
    format!("{}{letter}", seconds / unit)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn columns_align_by_displayed_width() {
        let rows = [
            ["SID", "NAME", "AGE"],
            ["a", "日本", "3d"],
            ["abcd", "e\u{301}tude", "-"],
            ["b", "", ""],
        ]
        .map(|row| row.map(Cow::Borrowed));
        let mut out = Vec::new();
        write_table(&mut out, &rows).expect("a buffer takes all");
        assert_eq!(
            String::from_utf8(out).expect("UTF-8"),
            "SID   NAME   AGE\n\
             a     日本   3d\n\
             abcd  e\u{301}tude  -\n\
             b\n"
        );
    }

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().expect("a time");
        for (seconds, told) in [
            (-5, "0s"),
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3599, "59m"),
            (3600, "1h"),
            (86_399, "23h"),
            (86_400, "1d"),
            (729 * 86_400, "729d"),
            (730 * 86_400, "2y"),
        ] {
            assert_eq!(age(now - SignedDuration::from_secs(seconds), now), told);
        }
    }
}
