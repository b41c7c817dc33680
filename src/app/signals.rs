//! Signals of the process. Until they are listened for, the system ends the process for
//! each of them: so all are, before anybody can know that the gate is there.

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT, as often as they arrive.
pub(super) struct Stops {
    terminate: Option<Signal>,
    interrupt: Option<Signal>,
}

impl Stops {
    pub(super) fn new() -> Self {
        // A file that may not grow (RLIMIT_FSIZE) is an error of the write, as a full disk
        // is, once somebody listens for this; otherwise it is the end of the process.
        listen(SignalKind::from_raw(Number::XFSZ.as_raw()));
        Self {
            terminate: listen(SignalKind::terminate()),
            interrupt: listen(SignalKind::interrupt()),
        }
    }

    pub(super) async fn next(&mut self) {
        tokio::select! {
            () = next(&mut self.terminate) => {}
            () = next(&mut self.interrupt) => {}
        }
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
