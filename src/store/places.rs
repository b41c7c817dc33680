//! Byte offsets become lines and columns: all of them in one walk over the text, for a
//! text may be large and hold a fault in every line.

use std::collections::BTreeMap;
use std::path::Path;

use crate::fault::{Fault, Faults};

/// A fault at a byte of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) offset: usize,
    pub(super) message: String,
    /// Another byte that the message speaks of; its line and column are appended.
    pub(super) see: Option<usize>,
}

impl Flaw {
    pub(super) fn new(offset: usize, message: impl Into<String>) -> Self {
        Self {
            offset,
            message: message.into(),
            see: None,
        }
    }

    /// The same flaw of a piece of text as one of the whole.
    pub(super) fn moved(self, by: usize) -> Self {
        Self {
            offset: self.offset + by,
            see: self.see.map(|see| see + by),
            ..self
        }
    }
}

/// Tells flaws in the order of their places; of more than `most`, the rest as a number.
pub(super) fn tell(path: &Path, text: &str, mut flaws: Vec<Flaw>, most: usize) -> Faults {
    flaws.sort_by_key(|flaw| flaw.offset);
    let more = flaws.len().saturating_sub(most);
    flaws.truncate(most);
    let offsets = flaws.iter().flat_map(|flaw| [Some(flaw.offset), flaw.see]);
    let places = walk(text, offsets.flatten());
    let place = |offset| places.get(&offset).copied().unwrap_or((1, 1));
    let mut faults: Vec<Fault> = flaws
        .into_iter()
        .map(|flaw| {
            let mut message = flaw.message;
            if let Some((line, column)) = flaw.see.map(place) {
                message.push_str(&format!(" {line}:{column}"));
            }
            Fault {
                file: path.to_owned(),
                place: Some(place(flaw.offset)),
                message,
            }
        })
        .collect();
    if more > 0 {
        faults.push(Fault::new(path, format!("has at least {more} more")));
    }
    Faults(faults)
}

/// Line and column of each offset, counted from 1; columns count characters.
fn walk(text: &str, offsets: impl Iterator<Item = usize>) -> BTreeMap<usize, (usize, usize)> {
    let mut places: BTreeMap<usize, (usize, usize)> = offsets.map(|at| (at, (1, 1))).collect();
    let (mut line, mut line_start, mut done) = (1, 0, 0);
    for (&offset, place) in &mut places {
        let mut at = offset.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let passed = text.get(done..at).unwrap_or_default();
        line += passed.bytes().filter(|&b| b == b'\n').count();
        if let Some(last) = passed.rfind('\n') {
            line_start = done + last + 1;
        }
        done = at;
        let column = text.get(line_start..at).unwrap_or_default().chars().count() + 1;
        *place = (line, column);
    }
    places
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn faults_are_told_in_order_and_bounded() {
        let flaws = vec![
            Flaw {
                see: Some(0),
                ..Flaw::new(3, "b, see")
            },
            Flaw::new(0, "a"),
            Flaw::new(4, "c"),
        ];
        let faults = tell(Path::new("f"), "x\néy", flaws, 2);
        assert_eq!(
            faults.to_string(),
            "f:1:1: a\nf:2:1: b, see 1:1\nf:1:1: has at least 1 more"
        );
    }

    proptest! {
        /// One walk gives the places that looking for each alone gives.
        #[test]
        fn agrees_with_single_faults(text in "(a|é|\n){0,30}", offsets in prop::collection::vec(0usize..40, 0..8)) {
            let path = Path::new("f");
            let flaws = offsets.iter().map(|&at| Flaw::new(at, "x")).collect();
            let mut single: Vec<_> = offsets.iter().map(|&at| Fault::at(path, &text, at, "x")).collect();
            single.sort_by_key(|fault| fault.place);
            prop_assert_eq!(tell(path, &text, flaws, 99), Faults(single));
        }
    }
}
