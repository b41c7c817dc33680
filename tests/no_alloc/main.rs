//! What a request takes from the allocator: nothing for the decision, and no more than is
//! written down for all of it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod decision;
mod request;
