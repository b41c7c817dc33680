//! State that outlives snapshots, all of it bounded: slow verifications and their
//! successes, and wrong guesses.

mod guesses;
mod successes;
mod verifier;

pub use guesses::{Allowance, Guesses};
pub use verifier::{Overloaded, Verifier, VerifyError};
