//! One JSON line for each request, written by a thread of its own.
//!
//! A worker never waits for it: it formats into a buffer that only it has, and hands full
//! buffers over. What does not fit into the bytes that may wait is dropped and counted.
//! There is no place for a query, which may hold secrets, nor for credentials.

mod record;
mod writer;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use record::Formatter;
pub use record::Record;
use writer::{Message, Sink};

use crate::config;

/// A buffer of so many bytes is handed over without waiting for [`WorkerLog::flush`]; a
/// quarter of what may wait is enough where that is less.
const HAND_OVER: usize = 64 << 10;

/// For how long a stop waits until what was handed over is written.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// The access log. Dropping it writes what was handed over, for at most two seconds: drop
/// the workers' logs first.
#[derive(Debug)]
pub struct AccessLog {
    shared: Arc<Shared>,
    sender: Sender<Message>,
    finished: Receiver<()>,
}

/// One worker's end of the access log. Dropping it hands over what it holds.
#[derive(Debug)]
pub struct WorkerLog {
    shared: Arc<Shared>,
    sender: Sender<Message>,
    formatter: Formatter,
    buffer: Vec<u8>,
    records: u64,
}

/// What workers, writer and owner see.
#[derive(Debug)]
struct Shared {
    /// Whether records go anywhere; where not, none is formatted.
    enabled: AtomicBool,
    /// Bytes that may wait.
    bound: AtomicUsize,
    /// Bytes that wait: the capacity of every buffer handed over and not yet written.
    waiting: AtomicUsize,
    dropped: AtomicU64,
}

impl AccessLog {
    /// Opens the target and starts the writer.
    ///
    /// # Errors
    /// When the file cannot be opened for appending, or no thread can be started.
    pub fn start(settings: &config::AccessLog) -> io::Result<Self> {
        let sink = Sink::open(settings.target.as_ref())?;
        let shared = Arc::new(Shared {
            enabled: AtomicBool::new(settings.target.is_some()),
            bound: AtomicUsize::new(settings.buffer),
            waiting: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
        });
        let (sender, messages) = channel();
        let (finish, finished) = channel();
        let seen = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || {
                writer::run(sink, &messages, &seen);
                // Nobody listens when the owner has given up waiting.
                let _ = finish.send(());
            })?;
        Ok(Self {
            shared,
            sender,
            finished,
        })
    }

    /// An end for one more worker.
    #[must_use]
    pub fn worker(&self) -> WorkerLog {
        WorkerLog {
            shared: Arc::clone(&self.shared),
            sender: self.sender.clone(),
            formatter: Formatter::default(),
            buffer: Vec::new(),
            records: 0,
        }
    }

    /// Opens the file again, after it was moved away by a log rotation. Where that fails,
    /// the old file is written on, and the process's log says so.
    pub fn reopen(&self) {
        self.tell(Message::Reopen);
    }

    /// Takes over another target and bound.
    ///
    /// # Errors
    /// When the new target cannot be opened; the old one then stays.
    pub fn reconfigure(&self, settings: &config::AccessLog) -> io::Result<()> {
        let sink = Sink::open(settings.target.as_ref())?;
        self.tell(Message::Replace(sink));
        self.shared.bound.store(settings.buffer, Ordering::Relaxed);
        self.shared
            .enabled
            .store(settings.target.is_some(), Ordering::Relaxed);
        Ok(())
    }

    /// Records that were not written: there was no room, or the target took none.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    fn tell(&self, message: Message) {
        // The writer ends only when it is told to, which only dropping `self` does.
        let _ = self.sender.send(message);
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.tell(Message::Stop);
        if self.finished.recv_timeout(LAST_WRITE) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the access log's target takes nothing: its last records are lost");
        }
    }
}

impl WorkerLog {
    /// Whether records go anywhere: one that does not need not be made.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.shared.enabled.load(Ordering::Relaxed)
    }

    /// Notes a request.
    pub fn record(&mut self, record: &Record<'_>) {
        if !self.is_enabled() {
            return;
        }
        let bound = self.shared.bound.load(Ordering::Relaxed);
        let full = HAND_OVER.min(bound >> 2);
        if self.buffer.capacity() == 0 {
            self.buffer.reserve(full + (full >> 2));
        }
        self.formatter.write(record, &mut self.buffer);
        self.records += 1;
        if self.buffer.len() >= full {
            self.flush();
        }
    }

    /// Hands over what was noted. To be called every 100 ms or so, so that a record of a
    /// quiet hour is seen when it happens.
    pub fn flush(&mut self) {
        if self.records == 0 {
            return;
        }
        let records = std::mem::take(&mut self.records);
        // A few records of a quiet time wait in what they need.
        if self.buffer.len() < self.buffer.capacity() >> 1 {
            self.buffer.shrink_to_fit();
        }
        let size = self.buffer.capacity();
        // Whole capacities are counted, so that the bound is one of memory. Two workers may
        // pass it together: by one buffer each.
        let waiting = self.shared.waiting.load(Ordering::Relaxed);
        let bound = self.shared.bound.load(Ordering::Relaxed);
        if waiting.saturating_add(size) > bound {
            self.buffer.clear();
            self.shared.dropped.fetch_add(records, Ordering::Relaxed);
            return;
        }
        let bytes = std::mem::take(&mut self.buffer);
        self.shared.waiting.fetch_add(size, Ordering::Relaxed);
        if self
            .sender
            .send(Message::Records { bytes, records })
            .is_err()
        {
            self.shared.waiting.fetch_sub(size, Ordering::Relaxed);
            self.shared.dropped.fetch_add(records, Ordering::Relaxed);
        }
    }
}

impl Drop for WorkerLog {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests;
