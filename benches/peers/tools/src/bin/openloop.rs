//! Load at a fixed rate: each request has its moment, whether the ones before it have been
//! answered or not, and its latency counts from that moment. A proxy that stalls is charged
//! for all requests that it kept waiting (no coordinated omission).
//!
//! openloop --address HOST:PORT --requests FILE --rate PER_SECOND --connections COUNT
//!          --phases SECONDS[,SECONDS]...
//!
//! Prints one line of JSON for each phase; a request belongs to the phase of its moment.
//! Between moments the thread sleeps: the core is shared with the upstream.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;

use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use peers_tools::arguments::Arguments;
use peers_tools::{Got, read, requests, write};
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};

const TIMER: Token = Token(usize::MAX);
/// How long answers are waited for after the last moment.
const DRAIN: u64 = 2_000_000_000;

struct Connection {
    socket: TcpStream,
    /// The request on it, and the moment it was meant for.
    running: Option<u64>,
    received: Vec<u8>,
}

#[derive(Default)]
struct Phase {
    end: u64,
    /// Nanoseconds of each answer with 200.
    latencies: Vec<u64>,
    refused: u64,
    lost: u64,
}

struct Load {
    poll: Poll,
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    connections: Vec<Connection>,
    free: Vec<usize>,
    waiting: VecDeque<u64>,
    phases: Vec<Phase>,
    sent: usize,
}

fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn main() -> io::Result<()> {
    let arguments = Arguments::read();
    let address: SocketAddr = arguments.value("address");
    let file: PathBuf = arguments.value("requests");
    let rate: f64 = arguments.value("rate");
    let count: usize = arguments.value("connections");
    let phases: String = arguments.value("phases");

    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?;
    let mut load = Load {
        poll: Poll::new()?,
        address,
        requests: requests::load(&file, &address.to_string())?,
        connections: Vec::new(),
        free: Vec::new(),
        waiting: VecDeque::new(),
        phases: Vec::new(),
        sent: 0,
    };
    for number in 0..count {
        let connection = load.connect(number)?;
        load.connections.push(connection);
        load.free.push(number);
    }
    load.poll
        .registry()
        .register(&mut SourceFd(&timer.as_raw_fd()), TIMER, Interest::READABLE)?;

    let begin = now() + 50_000_000;
    let mut end = begin;
    for seconds in phases.split(',') {
        let seconds: f64 = seconds.parse().map_err(io::Error::other)?;
        end += (seconds * 1e9) as u64;
        load.phases.push(Phase {
            end,
            ..Phase::default()
        });
    }
    load.run(&timer, begin, end, rate)?;
    load.report();
    Ok(())
}

impl Load {
    fn connect(&self, number: usize) -> io::Result<Connection> {
        let socket = std::net::TcpStream::connect(self.address)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        let mut socket = TcpStream::from_std(socket);
        self.poll
            .registry()
            .register(&mut socket, Token(number), Interest::READABLE)?;
        Ok(Connection {
            socket,
            running: None,
            received: Vec::new(),
        })
    }

    fn run(&mut self, timer: &impl AsFd, begin: u64, end: u64, rate: f64) -> io::Result<()> {
        let moment = |number: u64| begin + (number as f64 * 1e9 / rate) as u64;
        let mut events = Events::with_capacity(1024);
        let mut buffer = vec![0; 64 << 10];
        let mut number = 0;
        loop {
            let at = now();
            while moment(number) <= at && moment(number) < end {
                self.waiting.push_back(moment(number));
                number += 1;
            }
            self.send();
            let all_sent = moment(number) >= end;
            let all_answered = self.waiting.is_empty() && self.free.len() == self.connections.len();
            if at > end + DRAIN || (all_sent && all_answered) {
                break;
            }
            arm(
                timer,
                if all_sent {
                    end + DRAIN + 1
                } else {
                    moment(number)
                },
            )?;
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                if event.token() != TIMER {
                    self.receive(event.token().0, &mut buffer)?;
                }
            }
        }
        // What was never sent, and what was never answered.
        let unanswered = self.connections.iter().filter_map(|one| one.running);
        let late: Vec<_> = self.waiting.iter().copied().chain(unanswered).collect();
        for moment in late {
            self.phase(moment).lost += 1;
        }
        Ok(())
    }

    fn phase(&mut self, moment: u64) -> &mut Phase {
        let last = self.phases.len() - 1;
        let place = self.phases.iter().position(|phase| moment < phase.end);
        self.phases
            .get_mut(place.unwrap_or(last))
            .expect("there is a phase for each length that was given")
    }

    fn send(&mut self) {
        while let Some(&moment) = self.waiting.front() {
            let Some(number) = self.free.pop() else {
                return;
            };
            self.waiting.pop_front();
            // Steps without a pattern, so that neighbours are not asked for in a row.
            self.sent = self.sent.wrapping_add(7919);
            let place = self.sent % self.requests.len();
            let (Some(connection), Some(request)) =
                (self.connections.get_mut(number), self.requests.get(place))
            else {
                return;
            };
            connection.running = Some(moment);
            // A head of some hundred bytes always fits; one that does not is a lost connection,
            // which is noticed when it is read.
            let _ = write(&mut connection.socket, request);
        }
    }

    fn receive(&mut self, number: usize, buffer: &mut [u8]) -> io::Result<()> {
        loop {
            let Some(connection) = self.connections.get_mut(number) else {
                return Ok(());
            };
            let (count, more) = match read(&mut connection.socket, buffer) {
                Got::Full(count) => (count, true),
                Got::Last(count) => (count, false),
                Got::Empty => return Ok(()),
                Got::End => return self.replace(number),
            };
            let bytes = buffer.get(..count).unwrap_or_default();
            connection.received.extend_from_slice(bytes);
            if let Some(answer) = answer(&connection.received) {
                connection.received.clear();
                if let Some(moment) = connection.running.take() {
                    let latency = now().saturating_sub(moment);
                    let phase = self.phase(moment);
                    if answer.status == 200 {
                        phase.latencies.push(latency);
                    } else {
                        phase.refused += 1;
                    }
                    if answer.closes {
                        return self.replace(number);
                    }
                    self.free.push(number);
                }
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// Another connection in the place of one that has ended; what ran on it is lost.
    fn replace(&mut self, number: usize) -> io::Result<()> {
        let fresh = self.connect(number)?;
        let Some(connection) = self.connections.get_mut(number) else {
            return Ok(());
        };
        let was_free = connection.running.is_none() && self.free.contains(&number);
        let lost = connection.running;
        *connection = fresh;
        if let Some(moment) = lost {
            self.phase(moment).lost += 1;
        }
        if !was_free {
            self.free.push(number);
        }
        Ok(())
    }

    fn report(&mut self) {
        for phase in &mut self.phases {
            phase.latencies.sort_unstable();
            let all = &phase.latencies;
            let at = |share: f64| {
                let place = (all.len() as f64 * share) as usize;
                let last = all.len().saturating_sub(1);
                all.get(place.min(last)).copied().unwrap_or(0) as f64 / 1e3
            };
            println!(
                "{{\"answered\": {}, \"refused\": {}, \"lost\": {}, \"p50\": {:.1}, \"p90\": {:.1}, \"p99\": {:.1}, \"p999\": {:.1}, \"max\": {:.1}}}",
                all.len(),
                phase.refused,
                phase.lost,
                at(0.5),
                at(0.9),
                at(0.99),
                at(0.999),
                at(1.0),
            );
        }
    }
}

fn arm(timer: &impl AsFd, at: u64) -> io::Result<()> {
    let time = Timespec {
        tv_sec: (at / 1_000_000_000) as i64,
        tv_nsec: (at % 1_000_000_000) as i64,
    };
    let zero = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let value = Itimerspec {
        it_interval: zero,
        it_value: time,
    };
    timerfd_settime(timer, TimerfdTimerFlags::ABSTIME, &value)?;
    Ok(())
}

struct Answer {
    status: u16,
    closes: bool,
}

/// The answer, once it is whole; all that are asked for state their length.
fn answer(bytes: &[u8]) -> Option<Answer> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut fields);
    let Ok(httparse::Status::Complete(length)) = head.parse(bytes) else {
        return None;
    };
    let mut body = 0;
    let mut closes = false;
    for field in head.headers.iter() {
        let value = std::str::from_utf8(field.value).unwrap_or_default();
        if field.name.eq_ignore_ascii_case("content-length") {
            body = value.parse().ok()?;
        } else if field.name.eq_ignore_ascii_case("connection") {
            closes = value.eq_ignore_ascii_case("close");
        }
    }
    (bytes.len() >= length + body).then_some(Answer {
        status: head.code.unwrap_or(0),
        closes,
    })
}
