//! Child processes: bounded waits, signals, memory.

use std::io::Read as _;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};

/// Runs a command to its end; panics where it takes longer.
#[track_caller]
pub(crate) fn output(command: &mut Command, within: Duration) -> Output {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut err = child.stderr.take().unwrap();
    let stdout = thread::spawn(move || {
        let mut bytes = Vec::new();
        out.read_to_end(&mut bytes).map(|_| bytes)
    });
    let stderr = thread::spawn(move || {
        let mut bytes = Vec::new();
        err.read_to_end(&mut bytes).map(|_| bytes)
    });
    let status = wait(&mut child, within);
    if status.is_none() {
        end(&mut child);
    }
    Output {
        stdout: stdout.join().unwrap().unwrap(),
        stderr: stderr.join().unwrap().unwrap(),
        status: status.unwrap_or_else(|| panic!("{command:?} still runs after {within:?}")),
    }
}

/// Its exit status, where it ends in time.
pub(crate) fn wait(child: &mut Child, within: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Kills it, if it still runs.
pub(crate) fn end(child: &mut Child) {
    if matches!(child.try_wait(), Ok(None)) {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// Resident memory in bytes, from `/proc`, without the pages of the program's own file:
/// those come in as code is run for the first time.
pub(crate) fn resident(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .expect("a running process has a resident set");
    let kibibytes: u64 = line
        .trim()
        .trim_end_matches("kB")
        .trim()
        .parse()
        .expect("RssAnon is a number of KiB");
    kibibytes * 1024
}

/// User and system time so far, from `/proc`, in the kernel's ticks of 10 ms.
pub(crate) fn processor_time(child: &Child) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    // The command's name stands in parentheses and may hold spaces.
    let (_, fields) = stat
        .rsplit_once(')')
        .expect("a stat line names the command");
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().expect("utime and stime are numbers"))
        .sum();
    Duration::from_millis(ticks * 10)
}

pub(crate) fn limit_descriptors(child: &Child, most: u64) {
    // The hard limit stays, so that a test can take its limit back.
    let limit = Rlimit {
        current: Some(most),
        ..getrlimit(Resource::Nofile)
    };
    prlimit(Some(Pid::from_child(child)), Resource::Nofile, limit).unwrap();
}

pub(crate) fn limit_file_size(child: &Child, most: Option<u64>) {
    let limit = Rlimit {
        current: most,
        ..getrlimit(Resource::Fsize)
    };
    prlimit(Some(Pid::from_child(child)), Resource::Fsize, limit).unwrap();
}
