//! State that outlives snapshots, all of it bounded: slow verifications and their successes.

mod successes;
mod verifier;

pub use verifier::{Overloaded, Verifier, VerifyError};
