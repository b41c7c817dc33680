//! Durations and sizes as the files write them: `"250ms"`, `"5m"`, `"8KiB"`.
//!
//! Strings only: a bare number does not say whether it counts seconds or milliseconds,
//! and a guess in either direction is a deadline that is wrong by a factor of 1,000.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Visitor};

const UNITS_OF_TIME: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

const UNITS_OF_SIZE: [(&str, u64); 4] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// A duration: a whole number and `ms`, `s`, `m`, `h` or `d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Duration);

/// A number of bytes: a whole number and `B`, `KiB`, `MiB` or `GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// A text that is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(r#"expected a duration in quotes, like "250ms", "2s", "5m", "1h" or "30d""#)]
pub struct BadTime;

/// A text that is no size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(r#"expected a size in quotes, like "512B", "8KiB", "1MiB" or "2GiB""#)]
pub struct BadSize;

impl FromStr for Time {
    type Err = BadTime;

    fn from_str(text: &str) -> Result<Self, BadTime> {
        let millis = product(text, &UNITS_OF_TIME).ok_or(BadTime)?;
        Ok(Self(Duration::from_millis(millis)))
    }
}

impl FromStr for Size {
    type Err = BadSize;

    fn from_str(text: &str) -> Result<Self, BadSize> {
        product(text, &UNITS_OF_SIZE).map(Self).ok_or(BadSize)
    }
}

/// In the largest unit that divides it, so that it reads as it would be written.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        // Zero is divisible by a day; "0s" is how people say it.
        let millis_or_second = if millis == 0 { 1_000 } else { millis };
        let (unit, factor) = largest(millis_or_second, &UNITS_OF_TIME);
        write!(f, "{}{unit}", millis / factor)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = largest(self.0.max(1), &UNITS_OF_SIZE);
        write!(f, "{}{unit}", self.0 / factor)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Quoted(BadTime))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Quoted(BadSize))
    }
}

/// Reads a quoted value of which the error says the grammar.
struct Quoted<E>(E);

impl Visitor<'_> for Quoted<BadTime> {
    type Value = Time;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        expecting(&self.0, f)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Time, E> {
        text.parse().map_err(E::custom)
    }
}

impl Visitor<'_> for Quoted<BadSize> {
    type Value = Size;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        expecting(&self.0, f)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Size, E> {
        text.parse().map_err(E::custom)
    }
}

/// serde puts "expected" before what is expected; the errors here have it already.
fn expecting(error: &impl fmt::Display, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let text = error.to_string();
    f.write_str(text.strip_prefix("expected ").unwrap_or(&text))
}

/// The value of digits and a unit; `None` for any other form and on overflow.
fn product(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn largest<'a>(value: u64, units: &[(&'a str, u64)]) -> (&'a str, u64) {
    let fitting = units
        .iter()
        .rev()
        .find(|(_, factor)| value.is_multiple_of(*factor));
    *fitting.expect("the smallest unit is 1, which divides all")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_in_every_unit() {
        for (text, millis) in [
            ("250ms", 250),
            ("2s", 2_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("30d", 2_592_000_000),
            ("0s", 0),
        ] {
            assert_eq!(text.parse(), Ok(Time(Duration::from_millis(millis))));
        }
    }

    #[test]
    fn sizes_are_read_in_every_unit() {
        for (text, bytes) in [
            ("512B", 512),
            ("8KiB", 8_192),
            ("1MiB", 1_048_576),
            ("2GiB", 2_147_483_648),
            ("0B", 0),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)));
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "", "5", "s", "-5s", "+5s", "1.5s", "5 s", " 5s", "5S", "5sec", "1h30m", "٣s",
        ] {
            assert_eq!(text.parse::<Time>(), Err(BadTime), "{text:?}");
        }
        for text in [
            "", "8", "KiB", "-8KiB", "8kb", "8KB", "8K", "8 KiB", "1.5MiB",
        ] {
            assert_eq!(text.parse::<Size>(), Err(BadSize), "{text:?}");
        }
        assert_eq!("18446744073709551615d".parse::<Time>(), Err(BadTime));
        assert_eq!("18446744073709551615KiB".parse::<Size>(), Err(BadSize));
        assert_eq!("18446744073709551616B".parse::<Size>(), Err(BadSize));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(millis in 0..=u64::MAX, bytes in 0..=u64::MAX) {
            let time = Time(Duration::from_millis(millis));
            prop_assert_eq!(time.to_string().parse(), Ok(time));
            prop_assert_eq!(Size(bytes).to_string().parse(), Ok(Size(bytes)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,24}") {
            let _: Result<Time, _> = text.parse();
            let _: Result<Size, _> = text.parse();
        }
    }
}
