"""What a tree of processes has used: CPU time and memory, from /proc."""

import os
from contextlib import suppress
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def _stat(path):
    # The name in parentheses may hold spaces: fields are counted from behind it.
    return Path(path).read_text().rpartition(")")[2].split()


def tree(pid):
    """The process and all that descend from it, as they are now."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                children.setdefault(int(_stat(f"/proc/{entry}/stat")[1]), []).append(int(entry))
            except (OSError, IndexError):
                continue
    found, open_ends = [], [pid]
    while open_ends:
        one = open_ends.pop()
        found.append(one)
        open_ends.extend(children.get(one, []))
    return found


def seconds(pid):
    """User and system time of the tree, with that of its children that have ended.

    Linux scales the ticks to what the scheduler has counted: the sum is exact to a tick,
    10 ms, which over a run of three seconds is 0.3 %.
    """
    total = 0
    for one in tree(pid):
        try:
            fields = _stat(f"/proc/{one}/stat")
        except OSError:
            continue
        total += sum(int(field) for field in fields[11:15])
    return total / TICK


def by_thread(pid):
    """CPU seconds of every thread of the tree, from the scheduler's own nanoseconds."""
    found = {}
    for one in tree(pid):
        try:
            for thread in os.listdir(f"/proc/{one}/task"):
                text = Path(f"/proc/{one}/task/{thread}/schedstat").read_text()
                found[int(thread)] = int(text.split()[0]) / 1e9
        except OSError:
            continue
    return found


def _kept(pid, file, field):
    """The bytes that a field of a process's file says; 0 where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{field}:"))


def memory(pid):
    """Bytes: the tree's proportional set size, so that shared pages count once."""
    return sum(_kept(one, "smaps_rollup", "Pss") for one in tree(pid))


def resident(pids):
    """Bytes that these processes have in memory, shared pages counted in each: less exact
    than `memory`, and cheap enough to look at often without holding a process up."""
    total = 0
    for one in pids:
        try:
            total += int(Path(f"/proc/{one}/statm").read_text().split()[1])
        except (OSError, IndexError):
            continue
    return total * os.sysconf("SC_PAGE_SIZE")


def forget_peak(pid):
    """Lets the kernel's memory of a process's peak begin anew (proc_pid_clear_refs(5)). Where
    that is not allowed, or it has ended, the peak is that since its start."""
    with suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak(pid):
    """The most bytes that a process has had resident since."""
    return _kept(pid, "status", "VmHWM")


def socket_memory():
    """Bytes that the kernel holds for TCP, of all programs of this machine."""
    for line in Path("/proc/net/sockstat").read_text().splitlines():
        if line.startswith("TCP:"):
            return int(line.split()[-1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def idle_share(cores, before, after):
    """Which part of the time between two looks these cores had nothing to do."""
    idle = busy = 0
    for core in cores:
        then, now = before[core], after[core]
        idle += now[0] - then[0]
        busy += now[1] - then[1]
    return idle / max(1, idle + busy)


def look():
    """(idle, busy) ticks of every core."""
    found = {}
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name != "cpu":
            ticks = [int(field) for field in fields[:8]]
            idle = ticks[3] + ticks[4]
            found[int(name[3:])] = (idle, sum(ticks) - idle)
    return found
