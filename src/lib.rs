//! sidgate: a reverse proxy that stands before an HTTP API and lets each partner
//! call exactly the methods and paths that its API access token names.
//!
//! # Reading order
//!
//! The rooms, from the ground up; imports run downward only.
//!
//! 1. [`token`]: what a token is. [`catalog`]: what can be granted.
//! 2. [`snapshot`]: both together, swapped as one.
//! 3. [`auth`]: a snapshot and a request give a [`auth::Permit`] or a [`auth::Denial`]. No I/O.
//! 4. [`store`]: the token file, its watcher and the one writer of snapshots.
//! 5. [`net`]: what both hops share: transports, deadlines, TLS.
//! 6. [`proxy`]: a request's walk from its head to the upstream and back.
//! 7. [`server`]: sockets, one runtime per core, HTTP up to a handler.
//! 8. [`admin`]: the operators' side. [`telemetry`]: what is seen from outside.
//! 9. [`app`] wires the parts; [`cli`] is the command line.
//!
//! Leaves that every room may use: [`code`] names outcomes, [`fault`] places, [`config`]
//! settings, [`limit`] what is bounded and outlives a snapshot.

pub mod admin;
pub mod app;
pub mod auth;
pub mod catalog;
pub mod cli;
pub mod code;
pub mod config;
pub mod fault;
pub mod limit;
pub mod net;
pub mod proxy;
pub mod server;
pub mod snapshot;
pub mod store;
pub mod telemetry;
pub mod token;
