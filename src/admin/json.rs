//! JSON bodies, strictly: RFC 8259, UTF-8, no name twice in an object, bounded depth.
//!
//! A body becomes a [`Value`] first and its fields are taken from there one by one, so
//! that all that is wrong with it can be told at once.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::problem::Problem;

/// Objects and arrays within one another. The deepest body of this API has two.
const DEPTH: usize = 16;

/// Any JSON value. Numbers are not kept: no field of this API is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number,
    Text(String),
    List(Vec<Value>),
    Object(Vec<(String, Value)>),
}

/// Reads a whole body.
///
/// # Errors
/// [`Problem::BadJson`] with the place and what is wrong there.
pub(super) fn parse(body: &[u8]) -> Result<Value, Problem> {
    let text =
        std::str::from_utf8(body).map_err(|_| Problem::BadJson("the body is not UTF-8".into()))?;
    let bad = |error: serde_json::Error| Problem::BadJson(error.to_string());
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Within(DEPTH).deserialize(&mut deserializer).map_err(bad)?;
    deserializer.end().map_err(bad)?;
    Ok(value)
}

impl Value {
    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// Reads one value that may hold this many levels.
#[derive(Clone, Copy)]
struct Within(usize);

impl Within {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.0.checked_sub(1) {
            Some(left) => Ok(Self(left)),
            None => Err(E::custom(format_args!("more than {DEPTH} levels"))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Within {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Within {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let within = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(within)? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let within = self.deeper()?;
        let mut seen = std::collections::HashSet::new();
        let mut object = Vec::new();
        while let Some(name) = entries.next_key::<String>()? {
            if !seen.insert(name.clone()) {
                return Err(A::Error::custom(format_args!(
                    "the name {name:?} stands twice in one object"
                )));
            }
            object.push((name, entries.next_value_seed(within)?));
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sound_values_are_read() {
        let text = r#" {"a": null, "b": [true, -1, 1e9, "é\u00e9\ud83d\ude00"], "c": {}} "#;
        let list = vec![
            Value::Bool(true),
            Value::Number,
            Value::Number,
            Value::Text("éé😀".into()),
        ];
        let object = vec![
            ("a".to_owned(), Value::Null),
            ("b".to_owned(), Value::List(list)),
            ("c".to_owned(), Value::Object(vec![])),
        ];
        assert_eq!(parse(text.as_bytes()), Ok(Value::Object(object)));
    }

    #[test]
    fn unsound_bodies_are_refused() {
        let deep = "[".repeat(DEPTH + 1) + &"]".repeat(DEPTH + 1);
        for body in [
            &b""[..],
            b" ",
            b"{",
            b"{} {}",
            b"{}x",
            b"{'a': 1}",
            b"{\"a\": 1,}",
            b"[1,]",
            b"{\"a\": 01}",
            b"NaN",
            b"// c\n{}",
            b"\xef\xbb\xbf{}",
            b"{\"a\": \"\xff\"}",
            b"{\"a\": \"\\ud800\"}",
            b"{\"a\": \"\n\"}",
            b"{\"a\": 1, \"a\": 2}",
            b"{\"a\": 1, \"\\u0061\": 2}",
            b"{\"a\": {\"b\": 1, \"b\": 1}}",
            b"{\"a\": 1e999}",
            deep.as_bytes(),
        ] {
            assert!(
                matches!(parse(body), Err(Problem::BadJson(_))),
                "{}",
                String::from_utf8_lossy(body)
            );
        }
        let fits = "[".repeat(DEPTH) + &"]".repeat(DEPTH);
        assert!(parse(fits.as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn agrees_with_a_lenient_reader_on_what_is_json(
            body in proptest::collection::vec(prop_oneof![
                Just("{"), Just("}"), Just("["), Just("]"), Just(":"), Just(","), Just("\"a\""),
                Just("\"b\""), Just("1"), Just("null"), Just(" "), Just("\\"), Just("é"),
            ], 0..24).prop_map(|pieces| pieces.concat())
        ) {
            // The lenient reader takes a name twice; all else is judged alike.
            let strict = parse(body.as_bytes()).is_ok();
            let lenient = serde_json::from_str::<serde_json::Value>(&body).is_ok();
            prop_assert!(lenient || !strict);
            prop_assert!(strict || !lenient || body.matches('"').count() >= 4);
        }
    }
}
