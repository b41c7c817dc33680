//! The gate as its users meet it: the real binary, real sockets, a module per behaviour.
//!
//! Each test starts a gate of its own with [`support::Gate`], mostly before a
//! [`support::Recorder`] that writes down every byte the gate sends on. Nothing here
//! knows the inside of the crate: what is asserted is the contract.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says on standard error what it skipped"
)]

mod support;

mod bounds;
mod clock;
mod decision;
mod dialect;
mod durability;
mod faults;
mod forwarding;
mod guide;
mod impact;
mod limits;
mod observed;
mod paths;
mod programs;
mod reload;
mod revocation;
mod security;
mod soak;
mod starting;
mod versions;
