//! What the suites stand on: the gate as a process, upstreams that record, clients that
//! send exactly the bytes they are told.

pub(crate) mod fixture;
pub(crate) mod gate;
pub(crate) mod http1;
pub(crate) mod http2;
pub(crate) mod ports;
pub(crate) mod programs;
pub(crate) mod recorder;
mod tests;
pub(crate) mod tls;
pub(crate) mod wait;

pub(crate) use fixture::{ALICE, BOB, CAROL, Who};
pub(crate) use gate::Gate;
pub(crate) use http1::{Client, Reply};
pub(crate) use recorder::{Recorder, Wire};
pub(crate) use wait::eventually;
