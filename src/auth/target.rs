//! The one canonical form of a request's path, on which rules are matched and which goes
//! upstream. Rules are written in the same form, so the code lies with the catalogue.

pub use crate::catalog::path::{BadPath, canonical};
