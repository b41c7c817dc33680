//! The catalogue of inputs that a gate before an API must survive, by class and number.
//!
//! [`table`] says how a case is written down, [`bench`] sends it in every way (whole, cut at
//! every byte, over TLS, before and behind a good request, over HTTP/2), [`oracle`] knows
//! what may reach the upstream. A file for each class has its table, and what no table can
//! say: floods, times, memory. [`index`] leads from every number to its tests.
//!
//! Every case has legal twins, so that a gate that refuses everything does not pass.

mod abort;
mod bench;
mod credentials;
mod exhaustion;
mod framing;
mod guessing;
mod headers;
mod host;
mod http2;
mod http2_floods;
mod http2_frames;
mod index;
mod operations;
mod oracle;
mod properties;
mod secrecy;
mod table;
mod target;
mod timing;
mod upgrade;
