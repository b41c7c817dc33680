//! The admin API over real sockets: every call, role and error.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod audit;
mod connections;
mod documentation;
mod monitoring;
mod operators;
mod reading;
mod repeating;
mod revealing;
mod roles;
mod schema;
mod storing;
mod support;
mod tokens;
mod walls;
