//! Scopes as bits.

/// A scope's number: stable for the life of the process, so that a catalogue that
/// changes does not touch a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeId(pub u32);

/// A set of scopes. Up to 128 of them lie inline; more need one allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeSet(Words);

/// Invariant: `Many` only where a bit of 128 or above is set, without trailing zero
/// words; so equal sets are equal values.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Words {
    Few([u64; 2]),
    Many(Box<[u64]>),
}

impl Default for ScopeSet {
    fn default() -> Self {
        Self(Words::Few([0; 2]))
    }
}

impl ScopeSet {
    fn words(&self) -> &[u64] {
        match &self.0 {
            Words::Few(words) => words,
            Words::Many(words) => words,
        }
    }

    fn from_words(mut words: Vec<u64>) -> Self {
        while words.len() > 2 && words.last() == Some(&0) {
            words.pop();
        }
        match *words.as_slice() {
            [] => Self::default(),
            [a] => Self(Words::Few([a, 0])),
            [a, b] => Self(Words::Few([a, b])),
            _ => Self(Words::Many(words.into_boxed_slice())),
        }
    }

    /// Whether the scope is in the set.
    #[must_use]
    pub fn contains(&self, scope: ScopeId) -> bool {
        let word = usize::try_from(scope.0 / 64).unwrap_or(usize::MAX);
        self.words()
            .get(word)
            .is_some_and(|bits| bits & (1 << (scope.0 % 64)) != 0)
    }

    /// The scopes, lowest number first.
    pub fn iter(&self) -> impl Iterator<Item = ScopeId> + '_ {
        (0u32..).zip(self.words()).flat_map(|(at, &word)| {
            (0..64)
                .filter(move |bit| word & (1 << bit) != 0)
                .map(move |bit| ScopeId(at * 64 + bit))
        })
    }

    /// Adds every scope of another set.
    pub fn union_with(&mut self, other: &Self) {
        if let (Words::Few(to), Words::Few(from)) = (&mut self.0, &other.0) {
            for (to, from) in to.iter_mut().zip(from) {
                *to |= from;
            }
            return;
        }
        let mut words = self.words().to_vec();
        words.resize(words.len().max(other.words().len()), 0);
        for (to, from) in words.iter_mut().zip(other.words()) {
            *to |= from;
        }
        *self = Self::from_words(words);
    }

    /// Whether nothing is granted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words().iter().all(|&word| word == 0)
    }
}

impl FromIterator<ScopeId> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = ScopeId>>(scopes: I) -> Self {
        let mut words: Vec<u64> = Vec::new();
        for ScopeId(id) in scopes {
            let word = usize::try_from(id / 64).expect("a u32 fits a usize");
            if words.len() <= word {
                words.resize(word + 1, 0);
            }
            if let Some(bits) = words.get_mut(word) {
                *bits |= 1 << (id % 64);
            }
        }
        Self::from_words(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_was_put_in_and_nothing_else() {
        for ids in [vec![], vec![0], vec![127], vec![3, 64, 128], vec![1000, 5]] {
            let set: ScopeSet = ids.iter().copied().map(ScopeId).collect();
            let mut sorted = ids.clone();
            sorted.sort_unstable();
            assert_eq!(set.iter().map(|s| s.0).collect::<Vec<_>>(), sorted);
            for id in 0..1100 {
                assert_eq!(set.contains(ScopeId(id)), ids.contains(&id), "{ids:?} {id}");
            }
            assert_eq!(set.is_empty(), ids.is_empty());
        }
    }

    #[test]
    fn a_union_holds_both() {
        let mut set: ScopeSet = [ScopeId(1)].into_iter().collect();
        set.union_with(&[ScopeId(300)].into_iter().collect());
        assert_eq!(set.iter().collect::<Vec<_>>(), [ScopeId(1), ScopeId(300)]);
    }
}
