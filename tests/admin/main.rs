//! The admin API over real sockets: every call, role and error.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod connections;
mod monitoring;
mod operators;
mod reading;
mod support;
mod walls;
