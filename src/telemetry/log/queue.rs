//! Lines on their way to a slow writer: bounded, and never waited for.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Lines that may wait.
const CAPACITY: usize = 1024;

/// How long the end of the process waits for the last lines.
const FLUSH: Duration = Duration::from_secs(1);

/// Each `write` is one line: it is queued whole, or dropped and counted.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    sender: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Message {
    Line(Box<[u8]>),
    Flush(SyncSender<()>),
}

impl Queue {
    /// Starts the thread that writes.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(CAPACITY);
        let dropped = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&dropped);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(out, &receiver, &count))?;
        Ok(Self { sender, dropped })
    }

    /// Waits until all that was queued is written, or for a second.
    pub(super) fn flush(&self) {
        let deadline = Instant::now() + FLUSH;
        let (done, wait) = sync_channel(1);
        let mut message = Message::Flush(done);
        while let Err(TrySendError::Full(back)) = self.sender.try_send(message) {
            if Instant::now() >= deadline {
                return;
            }
            message = back;
            thread::sleep(Duration::from_millis(5));
        }
        // An answer that does not come is as good as one: nothing more can be done.
        let _ = wait.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.sender.try_send(Message::Line(line.into())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The thread's work. There is nobody to tell that the log itself cannot be written.
fn write_all(mut out: impl Write, receiver: &Receiver<Message>, dropped: &AtomicU64) {
    for message in receiver {
        let count = dropped.swap(0, Ordering::Relaxed);
        if count > 0 {
            let _ = writeln!(out, "{{\"level\":\"WARN\",\"dropped_log_lines\":{count}}}");
        }
        match message {
            Message::Line(line) => {
                let _ = out.write_all(&line);
            }
            Message::Flush(done) => {
                let _ = out.flush();
                let _ = done.try_send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_flush_waits_for_every_line() {
        let out = Shared::default();
        let mut queue = Queue::start(out.clone()).unwrap();
        for line in 0..500 {
            queue.write_all(format!("{line}\n").as_bytes()).unwrap();
        }
        Queue::flush(&queue);
        let expected: String = (0..500).map(|line| format!("{line}\n")).collect();
        assert_eq!(out.0.lock().unwrap().as_slice(), expected.as_bytes());
    }

    /// Holds the first write until it is released.
    struct Stuck {
        release: Receiver<()>,
        out: Shared,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.release.recv();
            self.out.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_writer_that_hangs_costs_lines_and_holds_nobody_up() {
        let (release, wait) = channel();
        let out = Shared::default();
        let stuck = Stuck {
            release: wait,
            out: out.clone(),
        };
        let mut queue = Queue::start(stuck).unwrap();
        for _ in 0..CAPACITY * 2 {
            queue.write_all(b"line\n").unwrap();
        }
        drop(release);
        Queue::flush(&queue);
        // The thread may have begun late, and told of some losses before it hung.
        let written = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        let told = |line: &str| {
            let (_, count) = line.split_once("\"dropped_log_lines\":")?;
            count.strip_suffix('}')?.parse::<usize>().ok()
        };
        let lost: usize = written.lines().filter_map(told).sum();
        let lines = written.lines().filter(|line| *line == "line").count();
        assert_eq!(lost + lines, CAPACITY * 2, "{written}");
        assert!(lost >= CAPACITY - 2, "{lost}");
    }
}
