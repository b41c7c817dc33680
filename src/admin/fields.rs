//! The fields of a token, from a body to a mutation. The rules themselves stand with the
//! mutation; here each field has the right type, and `null` its meaning.

use super::body::{Body, Field};
use super::problem::Problem;
use crate::store::mutation::{Change, Fields, MutationError, Patch};

/// The fields of a new token. `null` is as if the field were not there.
pub(super) fn new_token(body: &mut Body) -> Fields {
    Fields {
        name: body.needed_text("name").unwrap_or_default(),
        description: body.text("description").given().unwrap_or_default(),
        api_version: body.text("api_version").given(),
        primary_contact: body.text("primary_contact").given().unwrap_or_default(),
        developer_emails: body.texts("developer_emails").given().unwrap_or_default(),
        scopes: body.texts("scopes").given().unwrap_or_default(),
    }
}

/// The fields of a merge patch (RFC 7396). `null` takes a field away, which leaves it empty;
/// a token without a name or a version there is not.
pub(super) fn patch(body: &mut Body) -> Patch {
    Patch {
        name: body.lasting_text("name"),
        description: body.text("description").or_empty(),
        api_version: body.lasting_text("api_version"),
        primary_contact: body.text("primary_contact").or_empty(),
        developer_emails: body.texts("developer_emails").or_empty(),
        scopes: body.texts("scopes").or_empty(),
    }
}

/// Ends the taking of a body's fields: what is wrong with their types and what breaks their
/// rules is told together. `applied` is what becomes of the mutation by the tokens in
/// force; the writer judges it again by those that are then.
///
/// # Errors
/// [`Problem::InvalidFields`] with every fault.
pub(super) fn judged(
    mut body: Body,
    applied: &Result<Change, MutationError>,
) -> Result<(), Problem> {
    if let Err(MutationError::Fields(faults)) = applied {
        body.broken_rules(faults);
    }
    body.finish()
}

impl<T> Field<T> {
    fn given(self) -> Option<T> {
        match self {
            Self::Absent | Self::Null => None,
            Self::Value(value) => Some(value),
        }
    }
}

impl<T: Default> Field<T> {
    fn or_empty(self) -> Option<T> {
        match self {
            Self::Absent => None,
            Self::Null => Some(T::default()),
            Self::Value(value) => Some(value),
        }
    }
}
