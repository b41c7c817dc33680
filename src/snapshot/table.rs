//! The token table: a persistent map from SID to token. A look-up follows three
//! pointers whatever the size; a change copies one page.
use crate::token::{Sid, Token};
use std::sync::Arc;
/// The tokens in force.
#[derive(Clone, Debug, Default)]
pub struct TokenTable {}
impl TokenTable {
    /// A table of these tokens; of two with one SID the later stays.
    #[must_use]
    pub fn new(_tokens: impl IntoIterator<Item = Arc<Token>>) -> Self {
        unimplemented!()
    }
    /// The token with this SID.
    #[must_use]
    pub fn find(&self, _sid: &[u8]) -> Option<&Arc<Token>> {
        unimplemented!()
    }
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        unimplemented!()
    }
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Token>> {
        std::iter::empty()
    }
    /// A table with these changes: a token put, or taken away. Shares all untouched pages.
    #[must_use]
    pub fn with(&self, _changes: impl IntoIterator<Item = (Sid, Option<Arc<Token>>)>) -> Self {
        unimplemented!()
    }
}
