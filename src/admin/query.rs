//! Query strings, strictly: `name=value` pairs, each name known and given once.

use std::fmt::Write;

use super::problem::{FieldFault, Problem};

/// The parameters of a request that are still to be taken, and the faults so far.
pub(super) struct Query {
    pairs: Vec<(String, String)>,
    faults: Vec<FieldFault>,
}

impl Query {
    /// Decodes a query as HTML forms write one (`application/x-www-form-urlencoded`).
    ///
    /// # Errors
    /// [`Problem::BadQuery`] where a percent sign is not followed by two hex digits, or the
    /// bytes are not UTF-8.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, Problem> {
        let pairs = query.unwrap_or_default().split('&');
        let pairs = pairs.filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        });
        Ok(Self {
            pairs: pairs.collect::<Result<_, Problem>>()?,
            faults: Vec::new(),
        })
    }

    /// Takes a parameter. One that is given twice is a fault.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.pairs.iter().position(|(given, _)| given == name)?;
        let value = self.pairs.remove(at).1;
        let before = self.pairs.len();
        self.pairs.retain(|(given, _)| given != name);
        if self.pairs.len() < before {
            self.fault(name, "is given more than once");
        }
        Some(value)
    }

    /// Takes a whole number within bounds.
    pub(super) fn number(&mut self, name: &str, least: usize, most: usize) -> Option<usize> {
        let text = self.take(name)?;
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = text.parse().ok().filter(|_| digits);
        let number = number.filter(|number| (least..=most).contains(number));
        if number.is_none() {
            let mut message = String::new();
            let _ = write!(message, "must be a whole number from {least} to {most}");
            self.fault(name, message);
        }
        number
    }

    /// Adds what is wrong with a parameter.
    pub(super) fn fault(&mut self, name: &str, message: impl Into<String>) {
        self.faults.push(FieldFault::new(name, message));
    }

    /// Ends the taking: whatever is left is not a parameter of the call.
    ///
    /// # Errors
    /// [`Problem::InvalidFields`] with every fault.
    pub(super) fn finish(mut self) -> Result<(), Problem> {
        let mut left: Vec<String> = self.pairs.drain(..).map(|(name, _)| name).collect();
        left.dedup();
        for name in left {
            self.fault(&name, "is not a parameter of this call");
        }
        if self.faults.is_empty() {
            Ok(())
        } else {
            Err(Problem::InvalidFields(self.faults))
        }
    }
}

fn decode(text: &str) -> Result<String, Problem> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = rest.split_first_chunk::<2>();
                let byte = digits.and_then(|(&[high, low], after)| {
                    rest = after;
                    Some(digit(high)? << 4 | digit(low)?)
                });
                let bad = "a percent sign in the query needs two hex digits after it";
                bytes.push(byte.ok_or_else(|| Problem::BadQuery(bad.into()))?);
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).map_err(|_| Problem::BadQuery("the query is not UTF-8".into()))
}

fn digit(hex: u8) -> Option<u8> {
    char::from(hex).to_digit(16).and_then(|d| d.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let mut query = Query::parse(Some("name=a+b%2Bc%C3%A9&state=&x")).expect("sound");
        assert_eq!(query.take("name").as_deref(), Some("a b+cé"));
        assert_eq!(query.take("state").as_deref(), Some(""));
        assert_eq!(query.take("limit"), None);
        assert_eq!(query.take("x").as_deref(), Some(""));
        assert_eq!(query.finish(), Ok(()));
        assert_eq!(Query::parse(None).expect("sound").finish(), Ok(()));
    }

    #[test]
    fn every_fault_is_told() {
        let mut query = Query::parse(Some("limit=0&a=1&a=2&b=1&c")).expect("sound");
        assert_eq!(query.number("limit", 1, 10), None);
        assert_eq!(query.take("a").as_deref(), Some("1"));
        let Err(Problem::InvalidFields(faults)) = query.finish() else {
            panic!("there are faults");
        };
        let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(fields, ["limit", "a", "b", "c"]);
    }

    #[test]
    fn numbers_are_plain() {
        for (text, number) in [
            ("limit=1", Some(1)),
            ("limit=10", Some(10)),
            ("limit=007", Some(7)),
            ("limit=11", None),
            ("limit=%2B1", None),
            ("limit=-1", None),
            ("limit=1.0", None),
            ("limit=", None),
            ("limit=99999999999999999999", None),
        ] {
            let mut query = Query::parse(Some(text)).expect("sound");
            assert_eq!(query.number("limit", 1, 10), number, "{text}");
        }
    }

    #[test]
    fn unsound_queries_are_refused() {
        for text in ["a=%", "a=%4", "a=%zz", "%=1", "a=%ff", "a=%c3"] {
            assert!(matches!(
                Query::parse(Some(text)),
                Err(Problem::BadQuery(_))
            ));
        }
    }
}
