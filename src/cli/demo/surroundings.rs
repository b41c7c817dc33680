//! What the demo's gate stands before and hears: the upstream, and the terminal's signals.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::echo;

/// Both live on a thread of their own, as long as the process does.
pub(super) struct Surroundings {
    /// Where the upstream listens.
    pub(super) upstream: SocketAddr,
    /// Resolves at SIGINT, SIGTERM or SIGHUP: a closed terminal ends the demo too.
    pub(super) signal: oneshot::Receiver<()>,
}

impl Surroundings {
    /// Starts them; when this returns, the upstream listens and no signal is missed.
    pub(super) fn start() -> io::Result<Self> {
        let (report, started) = sync_channel(1);
        thread::Builder::new()
            .name("upstream".to_owned())
            .spawn(move || live(&report))?;
        started
            .recv()
            .map_err(|_| io::Error::other("the upstream's thread died"))?
    }
}

/// The thread's life.
fn live(report: &SyncSender<io::Result<Surroundings>>) {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.and_then(|runtime| {
        runtime.block_on(async {
            let (listener, upstream) = echo::listen().await?;
            let signals = Signals::register()?;
            let (tell, signal) = oneshot::channel();
            // The demo waits for this report, and then for the signal; where it does
            // neither any more, nobody needs them.
            let _ = report.send(Ok(Surroundings { upstream, signal }));
            tokio::spawn(async move {
                signals.first().await;
                let _ = tell.send(());
            });
            echo::serve(listener).await;
            Ok(())
        })
    });
    if let Err(error) = result {
        let _ = report.send(Err(error));
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn register() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn first(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
