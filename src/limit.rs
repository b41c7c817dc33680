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

use std::time::Duration;

/// A wait in whole seconds, as clients are told it: none of them too early, so rounded up,
/// and at least 1.
#[must_use]
pub fn whole_seconds(wait: Duration) -> u64 {
    let begun = u64::from(wait.subsec_nanos() > 0);
    wait.as_secs().saturating_add(begun).max(1)
}
