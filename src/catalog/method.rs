//! Sets of methods as bits, so that a subtree without a rule for a method is passed over
//! in one instruction.

use http::Method;

use super::template::Methods;

/// A set of methods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MethodSet(u64);

/// Which bit is which method: the usual ones at compile time, the others as rules name
/// them. The highest bit is every method that no rule names.
#[derive(Clone, Debug, Default)]
pub(super) struct MethodNumbers {
    others: Vec<Method>,
}

const USUAL: u32 = 7;
const UNNAMED: u32 = u64::BITS - 1;

impl MethodSet {
    pub(super) const ALL: Self = Self(u64::MAX);

    pub(super) fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl MethodNumbers {
    /// How many methods beside the usual ones the rules of one catalogue may name.
    pub(super) const MAX_OTHERS: usize = (UNNAMED - USUAL) as usize;

    /// The methods of a rule; `None` when they would be too many.
    pub(super) fn add(&mut self, methods: &Methods) -> Option<MethodSet> {
        let Methods::Listed(methods) = methods else {
            return Some(MethodSet::ALL);
        };
        let mut set = MethodSet::default();
        for method in methods {
            if usual(method).is_none() && !self.others.contains(method) {
                if self.others.len() == Self::MAX_OTHERS {
                    return None;
                }
                self.others.push(method.clone());
            }
            set = set.union(self.set(method));
        }
        Some(set)
    }

    /// The set of one request's method; empty for those that are never forwarded.
    pub(super) fn set(&self, method: &Method) -> MethodSet {
        let bit = usual(method).unwrap_or_else(|| self.other(method));
        MethodSet(if bit > UNNAMED { 0 } else { 1 << bit })
    }

    #[cold]
    fn other(&self, method: &Method) -> u32 {
        if matches!(*method, Method::CONNECT | Method::TRACE) {
            return u32::MAX;
        }
        (USUAL..)
            .zip(&self.others)
            .find_map(|(bit, other)| (other == method).then_some(bit))
            .unwrap_or(UNNAMED)
    }
}

fn usual(method: &Method) -> Option<u32> {
    match *method {
        Method::GET => Some(0),
        Method::POST => Some(1),
        Method::PUT => Some(2),
        Method::PATCH => Some(3),
        Method::DELETE => Some(4),
        Method::HEAD => Some(5),
        Method::OPTIONS => Some(6),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method(name: &str) -> Method {
        Method::from_bytes(name.as_bytes()).expect("a token")
    }

    #[test]
    fn a_method_is_in_the_sets_that_name_it() {
        let mut numbers = MethodNumbers::default();
        let mut add = |text: &str| numbers.add(&text.parse().expect(text)).expect("room");
        let (get, purge, any) = (add("GET"), add("PURGE,get"), add("*"));
        for (name, in_get, in_purge, in_any) in [
            ("GET", true, false, true),
            ("get", false, true, true),
            ("PURGE", false, true, true),
            ("HEAD", false, false, true),
            ("REPORT", false, false, true),
            ("CONNECT", false, false, false),
            ("TRACE", false, false, false),
        ] {
            let set = numbers.set(&method(name));
            let found = [get, purge, any].map(|rule| rule.intersects(set));
            assert_eq!(found, [in_get, in_purge, in_any], "{name}");
        }
    }

    #[test]
    fn methods_beyond_the_room_are_refused_not_confused() {
        let mut numbers = MethodNumbers::default();
        let mut sets = Vec::new();
        for at in 0..MethodNumbers::MAX_OTHERS {
            let one = Methods::Listed(vec![method(&format!("M{at}"))]);
            sets.push(numbers.add(&one).expect("room"));
        }
        assert_eq!(numbers.add(&Methods::Listed(vec![method("MORE")])), None);
        let unnamed = numbers.set(&method("MORE"));
        assert!(!unnamed.is_empty() && sets.iter().all(|set| !set.intersects(unnamed)));
        for (at, set) in sets.iter().enumerate() {
            assert!(
                sets.iter()
                    .skip(at + 1)
                    .all(|other| !set.intersects(*other))
            );
        }
    }
}
