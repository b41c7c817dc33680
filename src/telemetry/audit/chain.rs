//! Whether an audit is whole.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;

/// A longer line is no record.
const LINE_MAX: usize = 16 << 20;

/// An audit whose chain holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many records.
    pub records: u64,
    /// The number of the first one: above 1 where older files were not given.
    pub first: u64,
    /// The number of the last one.
    pub last: u64,
    /// The hash of the last line: kept elsewhere, it shows later that nothing was cut off.
    pub head: String,
}

/// An audit whose chain does not hold.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// A file cannot be read.
    #[error("{}: cannot be read", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// A line is not what its neighbours say it was.
    #[error("{}:{line}: {why}", file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        why: &'static str,
    },
}

/// Verifies the chain over these files, the oldest first.
///
/// # Errors
/// The first place where it does not hold.
pub fn verify(files: &[impl AsRef<Path>]) -> Result<Verified, Broken> {
    let mut verified = Verified {
        records: 0,
        first: 0,
        last: 0,
        head: String::new(),
    };
    for path in files {
        let path = path.as_ref();
        let unreadable = |error| Broken::Unreadable(path.to_owned(), error);
        let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
        let mut number = 0;
        let mut line = Vec::new();
        loop {
            line.clear();
            let limit = u64::try_from(LINE_MAX).unwrap_or(u64::MAX);
            let bounded = &mut io::Read::take(&mut file, limit);
            if bounded.read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
                break;
            }
            number += 1;
            verified.add(&mut line).map_err(|why| Broken::Line {
                file: path.to_owned(),
                line: number,
                why,
            })?;
        }
    }
    Ok(verified)
}

impl Verified {
    fn add(&mut self, line: &mut Vec<u8>) -> Result<(), &'static str> {
        if line.pop() != Some(b'\n') {
            return Err("the line is cut short");
        }
        let record: Value = serde_json::from_slice(line).map_err(|_| "this is no record")?;
        let number = record.get("seq").and_then(Value::as_u64);
        let number = number.ok_or("the record has no number")?;
        let previous = record.get("prev").and_then(Value::as_str);
        let previous = previous.ok_or("the record is not chained")?;
        if self.records == 0 {
            self.first = number;
        } else if previous != self.head {
            return Err("the line before is not the one that this record was chained to");
        } else if Some(number) != self.last.checked_add(1) {
            return Err("the number does not follow the one before");
        }
        self.records += 1;
        self.last = number;
        self.head = hash(line);
        Ok(())
    }
}

/// The hash of a line, its end apart, in hex.
pub(super) fn hash(line: &[u8]) -> String {
    let digest = digest(&SHA256, line);
    let hex = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    hex.collect()
}
