//! What the upstream and the client see of each other.

mod bodies;
mod client_certificates;
mod connections;
mod expectation;
mod headers;
mod http2;
mod streaming;
mod target;
mod tls;
mod trailers;
mod upgrade;
