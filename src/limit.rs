//! State that outlives snapshots, all of it bounded: slow verifications and their
//! successes, wrong guesses, and what tokens call.

mod guesses;
mod in_flight;
mod rate;
mod successes;
mod verifier;

pub use guesses::{Allowance, Guesses};
pub use in_flight::{InFlight, Place};
pub use rate::{Left, RateLimiter, Standing, Taking};
pub use verifier::{Overloaded, Verifier, VerifyError};
