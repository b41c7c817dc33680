//! Reads catalog.toml.
use super::Catalog;
use crate::fault::Faults;
use std::path::Path;
impl Catalog {
    /// Reads a catalogue. Numbers given by `previous` stay as they are.
    ///
    /// # Errors
    /// All faults of the text.
    pub fn parse(_file: &Path, _text: &str, _previous: Option<&Self>) -> Result<Self, Faults> {
        unimplemented!()
    }
    /// The number of a scope that this catalogue has.
    #[must_use]
    pub fn scope_number(&self, _id: &str) -> Option<ScopeId> {
        unimplemented!()
    }
    /// The scope with this number, if this catalogue has it.
    #[must_use]
    pub fn scope(&self, _number: ScopeId) -> Option<&Arc<Scope>> {
        unimplemented!()
    }
    /// The version named so, if this catalogue has it.
    #[must_use]
    pub fn version_number(&self, _id: &str) -> Option<VersionId> {
        unimplemented!()
    }
    /// The version with this number; `None` for the latest.
    #[must_use]
    pub fn version(&self, _number: Option<VersionId>) -> Option<&Arc<ApiVersion>> {
        unimplemented!()
    }
}
use super::{ApiVersion, Scope, VersionId};
use crate::token::ScopeId;
use std::sync::Arc;
