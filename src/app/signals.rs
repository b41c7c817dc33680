//! Signals of the process.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ends when SIGTERM or SIGINT arrives.
pub(super) async fn stop() {
    let (mut terminate, mut interrupt) = (
        listen(SignalKind::terminate()),
        listen(SignalKind::interrupt()),
    );
    tokio::select! {
        () = next(&mut terminate) => {}
        () = next(&mut interrupt) => {}
    }
}

/// SIGHUP, as often as it arrives.
pub(super) struct Hangup(Option<Signal>);

impl Hangup {
    pub(super) fn new() -> Self {
        Self(listen(SignalKind::hangup()))
    }

    pub(super) async fn next(&mut self) {
        next(&mut self.0).await;
    }
}

fn listen(kind: SignalKind) -> Option<Signal> {
    signal(kind)
        .inspect_err(|e| tracing::error!(error = %e, "cannot listen for a signal"))
        .ok()
}

/// Waits for ever where the signal cannot be had.
async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            if signal.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
        }
        None => std::future::pending().await,
    }
}
