//! A JSON object taken apart field by field; what is wrong is gathered, not told one by one.

use super::json::{self, Value};
use super::problem::{FieldFault, Problem};
use crate::store::mutation;

/// The fields of a body that are still to be taken, and the faults so far.
pub(super) struct Body {
    fields: Vec<(String, Value)>,
    faults: Vec<FieldFault>,
}

/// A field of a merge patch (RFC 7396): not there, `null`, or a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field<T> {
    /// Leave as it is.
    Absent,
    /// Take away.
    Null,
    /// Put.
    Value(T),
}

impl Body {
    /// Takes a body; none at all is an empty object.
    ///
    /// # Errors
    /// [`Problem::InvalidFields`] where it is another value than an object.
    pub(super) fn new(value: Option<Value>) -> Result<Self, Problem> {
        match value {
            None => Ok(Self::of(Vec::new())),
            Some(Value::Object(fields)) => Ok(Self::of(fields)),
            Some(other) => Err(Problem::InvalidFields(vec![FieldFault::new(
                "",
                format!("must be an object, not {}", other.kind()),
            )])),
        }
    }

    /// Reads a body; one without a byte is an empty object.
    ///
    /// # Errors
    /// [`Problem::BadJson`], and as [`new`](Self::new).
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        if bytes.is_empty() {
            return Self::new(None);
        }
        Self::new(Some(json::parse(bytes)?))
    }

    fn of(fields: Vec<(String, Value)>) -> Self {
        Self {
            fields,
            faults: Vec::new(),
        }
    }

    /// Takes a text.
    pub(super) fn text(&mut self, name: &str) -> Field<String> {
        match self.take(name) {
            None => Field::Absent,
            Some(Value::Null) => Field::Null,
            Some(Value::Text(text)) => Field::Value(text),
            Some(other) => {
                self.fault(name, format!("must be a string, not {}", other.kind()));
                Field::Absent
            }
        }
    }

    /// Takes a text that must be there; `None`, and a fault, where it is not.
    pub(super) fn needed_text(&mut self, name: &str) -> Option<String> {
        let before = self.faults.len();
        match self.text(name) {
            Field::Value(text) => return Some(text),
            Field::Null => self.fault(name, "must be a string, not null"),
            Field::Absent if self.faults.len() == before => self.fault(name, "is needed"),
            Field::Absent => {}
        }
        None
    }

    /// Takes a text that may be absent, and may not be taken away.
    pub(super) fn lasting_text(&mut self, name: &str) -> Option<String> {
        match self.text(name) {
            Field::Value(text) => return Some(text),
            Field::Null => self.fault(name, "cannot be taken away"),
            Field::Absent => {}
        }
        None
    }

    /// Takes a yes or no; no where it is absent or `null`.
    pub(super) fn flag(&mut self, name: &str) -> bool {
        match self.take(name) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(value)) => value,
            Some(other) => {
                let message = format!("must be true or false, not {}", other.kind());
                self.fault(name, message);
                false
            }
        }
    }

    /// Takes a list of texts.
    pub(super) fn texts(&mut self, name: &str) -> Field<Vec<String>> {
        let items = match self.take(name) {
            None => return Field::Absent,
            Some(Value::Null) => return Field::Null,
            Some(Value::List(items)) => items,
            Some(other) => {
                self.fault(
                    name,
                    format!("must be a list of strings, not {}", other.kind()),
                );
                return Field::Absent;
            }
        };
        let mut texts = Vec::with_capacity(items.len());
        for (at, item) in items.into_iter().enumerate() {
            match item {
                Value::Text(text) => texts.push(text),
                other => self.fault(
                    format!("{name}[{at}]"),
                    format!("must be a string, not {}", other.kind()),
                ),
            }
        }
        Field::Value(texts)
    }

    /// Adds what is wrong with a field.
    pub(super) fn fault(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.faults.push(FieldFault::new(field, message));
    }

    /// Adds rules that fields break. A field that has not the right type is not judged by
    /// its rules too, nor a list with such an item by what is left of it.
    pub(super) fn broken_rules(&mut self, faults: &[mutation::FieldFault]) {
        let root = |field: &str| field.split('[').next().unwrap_or_default().to_owned();
        let mistyped: Vec<_> = self.faults.iter().map(|fault| root(&fault.field)).collect();
        for fault in faults {
            if !mistyped.contains(&root(&fault.field)) {
                self.fault(&*fault.field, &*fault.message);
            }
        }
    }

    /// Ends the taking: whatever is left is not a field of the call.
    ///
    /// # Errors
    /// [`Problem::InvalidFields`] with every fault.
    pub(super) fn finish(mut self) -> Result<(), Problem> {
        for (name, _) in std::mem::take(&mut self.fields) {
            self.fault(name, "is not a field of this call");
        }
        if self.faults.is_empty() {
            Ok(())
        } else {
            Err(Problem::InvalidFields(self.faults))
        }
    }

    /// As [`finish`](Self::finish), with what was taken: it is there where nothing is wrong.
    pub(super) fn finish_with<T>(self, taken: Option<T>) -> Result<T, Problem> {
        self.finish()?;
        taken.ok_or(Problem::Internal)
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.fields.iter().position(|(field, _)| field == name)?;
        Some(self.fields.remove(at).1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::json;
    use super::*;

    fn body(text: &str) -> Body {
        Body::new(Some(json::parse(text.as_bytes()).expect("JSON"))).expect("an object")
    }

    #[test]
    fn every_fault_is_told() {
        let mut body = body(r#"{"a": 1, "b": ["x", null, {}], "c": "x", "z": true, "d": null}"#);
        assert_eq!(body.text("a"), Field::Absent);
        assert_eq!(body.texts("b"), Field::Value(vec!["x".into()]));
        assert_eq!(body.texts("c"), Field::Absent);
        assert_eq!(body.needed_text("d"), None);
        assert_eq!(body.needed_text("e"), None);
        assert_eq!(body.text("f"), Field::Absent);
        let Err(Problem::InvalidFields(faults)) = body.finish() else {
            panic!("there are faults");
        };
        let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(fields, ["a", "b[1]", "b[2]", "c", "d", "e", "z"]);
    }

    #[test]
    fn null_is_neither_absent_nor_empty() {
        let mut body = body(r#"{"a": null, "b": "", "c": null, "d": []}"#);
        assert_eq!(body.text("a"), Field::Null);
        assert_eq!(body.text("b"), Field::Value(String::new()));
        assert_eq!(body.texts("c"), Field::Null);
        assert_eq!(body.texts("d"), Field::Value(vec![]));
        assert_eq!(body.finish(), Ok(()));
    }

    #[test]
    fn only_an_object_is_a_body() {
        for text in ["[]", "1", "null", "\"a\""] {
            assert!(Body::new(Some(json::parse(text.as_bytes()).expect("JSON"))).is_err());
        }
        assert_eq!(Body::new(None).expect("empty").finish(), Ok(()));
    }
}
