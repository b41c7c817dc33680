//! The gate between programs that other people wrote.

mod curl;
mod demo;
mod grpc;
mod nginx;
mod sslscan;
mod websocket;
