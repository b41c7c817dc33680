//! What the process needs of the system before it can start, so that what is missing has a
//! name: further on, the allocator and the runtime end the process where they get nothing.

use std::fs::File;
use std::io;

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// What a start takes at the least: stacks, buffers, a small file of tokens.
const MEMORY: usize = 64 << 20;

/// Descriptors that a runtime which listens for signals takes: its poll and its waker, a
/// pair of sockets for the process, and a copy of one of them.
const FOR_SIGNALS: usize = 8;

/// Descriptors that are left for connections and files at the least when all is started.
const TO_SPARE: usize = 8;

/// Lets the process open as many files as it may at all: the usual soft limit of 1,024 is
/// for programs that call select(2), and far below `limits.connections`.
pub(super) fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    // Nothing but a system that forbids the call itself refuses this.
    let _ = setrlimit(Resource::Nofile, raised);
}

/// Keeps what is in memory out of core dumps, and from other programs of the same user.
pub fn keep_memory_private() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // Each alone is enough, and a system that forbids both is left as it is: what a gate does
    // does not depend on it.
    let _ = setrlimit(Resource::Core, none);
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Makes sure that there is memory to start with. None of it is touched.
///
/// # Errors
/// When there is less.
pub(super) fn prove_memory() -> io::Result<()> {
    let mut memory: Vec<u8> = Vec::new();
    memory
        .try_reserve_exact(MEMORY)
        .map_err(|_| io::Error::new(io::ErrorKind::OutOfMemory, "there are not even 64 MiB"))
}

/// Makes sure that signals can be listened for: without descriptors for that, the runtime
/// panics.
///
/// # Errors
/// When there are none left.
pub(super) fn prove_signals() -> io::Result<()> {
    prove_descriptors(FOR_SIGNALS)
}

/// Makes sure that a gate which is about to serve could accept anybody.
///
/// # Errors
/// When it could not.
pub(super) fn prove_spare() -> io::Result<()> {
    prove_descriptors(TO_SPARE)
}

fn prove_descriptors(count: usize) -> io::Result<()> {
    let open = || File::open("/dev/null");
    let probes: io::Result<Vec<File>> = (0..count).map(|_| open()).collect();
    probes.map(drop)
}
