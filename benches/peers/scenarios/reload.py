"""8. Reload of many tokens under load: how long until a new token is in force, what becomes of
latency and memory meanwhile, and whether anything is lost."""

import http.client
import os
import threading
import time

from harness import cpu
from harness.credentials import Job, path_of, token, tokens, write_requests
from harness.process import Failed
from .latency import open_loop

TITLE = "Reload under load"
# What every one of them can carry, nginx's list of users included.
RATE = 2_000
PEERS = ("nginx", "haproxy", "envoy", "traefik", "apache")
# Seconds: before the change; of that into which it falls, so short that p99 tells of just that
# time; until nobody is waited for any more.
STEADY, DURING, AFTER = 3, 1, 3
# Where in its phase the change is: the generator takes a moment to start.
INTO = 0.3


def measure(run):
    for count in (10_000, 100_000):
        if run.quick:
            count //= 10
        case = f"{count:,} tokens"
        job = Job(tokens(count))
        for subject in [*run.gates(), *run.peers(*PEERS)]:
            gate = subject in run.gates()
            if count == 100_000 and subject.name in ("nginx", "haproxy", "traefik"):
                run.results.note("reload", case, subject.name, "cannot carry the load with so many")
                continue
            with run.started("reload", [(case, subject, job)]) as running:
                for one in running.values():
                    for number in range(run.pairs if gate else 1):
                        sample(run, case, subject, one, number)


def resident(one):
    return cpu.resident(cpu.tree(one.pid))


class Watch(threading.Thread):
    """Looks at the memory, and asks for the new token from the change until it is let in.
    What it does itself gives way to everything else."""

    def __init__(self, one, new):
        super().__init__()
        self.one, self.new = one, new
        self.peaks, self.in_force = {}, None
        self.changed, self.over = threading.Event(), threading.Event()
        for pid in cpu.tree(one.pid):
            cpu.forget_peak(pid)

    def run(self):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        looked = 0
        # Often enough to be exact to some tens of milliseconds, where cores have time to spare.
        while not self.over.wait(0.02):
            if time.monotonic() - looked > 0.5:
                looked = time.monotonic()
                self.look()
            if self.changed.is_set() and self.in_force is None and admitted(self.one, self.new):
                self.in_force = time.monotonic()

    def look(self):
        """The kernel remembers the peak of each process. A reload may start some, and end others."""
        for pid in cpu.tree(self.one.pid):
            self.peaks[pid] = max(self.peaks.get(pid, 0), cpu.peak(pid))

    def end(self):
        self.over.set()
        self.join()
        self.look()


def admitted(one, new):
    connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=5)
    try:
        connection.request("GET", path_of(one.job.rules[0], new.sid),
                           headers={"Authorization": new.authorization})
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def sample(run, case, subject, one, number):
    count = len(one.job.tokens)
    requests = write_requests(one.folder / "requests", one.job)
    # The new one lies beyond all that were there, and each round adds another.
    new = token(count + number)
    changed = (*one.job.tokens, *(token(count + more) for more in range(number + 1)))
    # What it takes to write the files is not what a reload takes.
    put = subject.prepare_tokens(one.folder, changed)
    found = []
    load = threading.Thread(target=lambda: found.extend(
        open_loop(run, one.port, requests, RATE, [1, STEADY, DURING, AFTER])))
    before = resident(one)
    watch = Watch(one, new)
    load.start()
    watch.start()
    try:
        time.sleep(1 + STEADY + INTO)
        began = time.monotonic()
        put()
        subject.reload(one)
        watch.changed.set()
        load.join()
    finally:
        watch.end()
    time.sleep(1)
    after = resident(one)
    try:
        report(run, case, subject, number, found, watch, began, (before, after))
    except Failed as error:
        run.fail("reload", case, subject, error)


def report(run, case, subject, number, found, watch, began, memory):
    if watch.in_force is None:
        raise Failed(f"the new token was not admitted within {DURING + AFTER} s")
    if len(found) != 4:
        raise Failed("the load did not run to its end")
    if watch.in_force - began > DURING - INTO:
        raise Failed(f"the new token was in force later than p99 was taken of: after "
                     f"{watch.in_force - began:.2f} s")
    _, steady, during, after_it = found
    before, after = memory
    figures = {
        "seconds_to_force": watch.in_force - began,
        "p99_steady": steady["p99"],
        "p99_during": during["p99"],
        "max_during": max(during["max"], after_it["max"]),
        "lost": sum(phase["lost"] + phase["refused"] for phase in found),
        "memory_before_mib": before / 2**20,
        "memory_peak_mib": max(before, sum(watch.peaks.values())) / 2**20,
        "memory_after_mib": after / 2**20,
    }
    for metric, value in figures.items():
        run.results.add("reload", case, subject.name, metric, number, value)
    run.say(f"  {case:22} {subject.name:14} {number + 1}: "
            + "  ".join(f"{name} {value:.4g}" for name, value in figures.items()))
