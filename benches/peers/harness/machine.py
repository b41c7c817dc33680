"""The machine: its cores and who gets which, and what a report says of it."""

import contextlib
import os
import platform
import resource
import subprocess
from pathlib import Path

# The proxy alone on the first core, load and upstream on the next, or on one each: what the load
# takes is then not taken from the proxy. Further cores stay idle, but for scaling.
CORES = sorted(os.sched_getaffinity(0))
PROXY = CORES[:1]
LOAD = CORES[1:2] or CORES[:1]
UPSTREAM = CORES[2:3] or LOAD
NICE = 0
# When workers are compared, half of the cores are for the load, where there is such a half.
MANY_PROXY = CORES[: len(CORES) // 2] if len(CORES) > 2 else CORES
MANY_LOAD = CORES[len(CORES) // 2 :] if len(CORES) > 2 else CORES


def raise_open_files(wanted=65536):
    """Ten thousand connections are twenty thousand sockets where both ends are here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in ((wanted, max(wanted, hard)), (hard, hard)):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, limit)
            return
        except (ValueError, OSError):
            continue


def open_files():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def favour(nice):
    """Makes all that is started from here on nicer, or less nice, to other programs."""
    global NICE
    os.nice(nice)
    NICE = nice
    favour_session(os.getpid())


def favour_session(pid):
    """Linux shares the CPU between sessions first, each with a niceness of its own
    (sched(7): autogroup)."""
    if NICE:
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/autogroup").write_text(str(NICE))


def pinned(command, cores):
    return ["taskset", "--cpu-list", ",".join(map(str, cores)), *map(str, command)]


def first_line(*command):
    """The first line that a program says of itself, wherever it says it."""
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                              timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return (done.stdout + done.stderr).strip().partition("\n")[0]


def describe():
    cpu = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": cpu,
        "cores": len(CORES),
        "memory_gib": round(pages / 2**30, 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "wrk": first_line("wrk", "-v"),
        "h2load": first_line("h2load", "--version"),
    }
