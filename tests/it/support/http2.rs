//! HTTP/2: a client, an upstream, and bare frames for what no library sends.

pub(crate) mod client;
pub(crate) mod frames;
pub(crate) mod upstream;

use std::future::Future;
use std::time::Duration;

/// Runs a test's future on a runtime of its own, with a deadline.
#[track_caller]
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async { tokio::time::timeout(Duration::from_secs(60), future).await })
        .expect("done within a minute")
}
