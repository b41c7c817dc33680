//! The main file as serde reads it.
