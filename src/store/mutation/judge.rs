//! Holds the fields of a request against their rules.

use std::fmt;

use super::{FieldFault, MutationError};
use crate::catalog::{Catalog, VersionId};
use crate::token::rules::{self, BadText};
use crate::token::{ScopeSet, Token};

/// Holds fields against their rules and gathers what is wrong.
#[derive(Default)]
pub(super) struct Judge(Vec<FieldFault>);

impl Judge {
    pub(super) fn fault(&mut self, field: impl Into<String>, message: impl fmt::Display) {
        self.0.push(FieldFault {
            field: field.into(),
            message: message.to_string(),
        });
    }

    pub(super) fn done(self, token: Token) -> Result<Token, MutationError> {
        if self.0.is_empty() {
            Ok(token)
        } else {
            Err(MutationError::Fields(self.0))
        }
    }

    pub(super) fn text(
        &mut self,
        field: &str,
        text: &str,
        rule: fn(&str) -> Result<(), BadText>,
    ) -> Box<str> {
        if let Err(bad) = rule(text) {
            self.fault(field, bad);
        }
        text.into()
    }

    pub(super) fn contact(&mut self, text: &str) -> Box<str> {
        self.text("primary_contact", text, rules::email_or_empty)
    }

    pub(super) fn emails(&mut self, texts: &[String]) -> Box<[Box<str>]> {
        if texts.len() > rules::EMAILS_MAX {
            self.fault("developer_emails", BadText::TooManyEmails);
            return Box::default();
        }
        let texts = texts.iter().enumerate();
        texts
            .map(|(at, text)| self.text(&format!("developer_emails[{at}]"), text, rules::email))
            .collect()
    }

    pub(super) fn scopes(&mut self, catalog: &Catalog, ids: &[String]) -> ScopeSet {
        let mut numbers = Vec::new();
        for (at, id) in ids.iter().enumerate() {
            match catalog.scope_number(id) {
                Some(number) => numbers.push(number),
                None => self.fault(format!("scopes[{at}]"), "the catalogue has no such scope"),
            }
        }
        numbers.into_iter().collect()
    }

    pub(super) fn version(
        &mut self,
        catalog: &Catalog,
        field: &str,
        id: &str,
    ) -> Option<VersionId> {
        let number = catalog.version_number(id);
        if number.is_none() {
            self.fault(field, "the catalogue has no such version");
        }
        number
    }
}
