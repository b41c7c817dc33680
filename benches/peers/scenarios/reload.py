"""8. Reload of many tokens under load: how long until a new token is in force, what becomes of
latency and memory meanwhile, and whether anything is lost."""

import http.client
import threading
import time

from harness import cpu
from harness.credentials import Job, path_of, token, tokens, write_requests
from harness.process import Failed
from .latency import open_loop

TITLE = "Reload under load"
# What every one of them can carry, HAProxy's list of users included.
RATE = 500
PEERS = ("nginx", "haproxy", "envoy", "traefik", "apache")
STEADY, DURING = 3, 4


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
    """Asks for the new token until it is let in, and looks at the memory meanwhile."""

    def __init__(self, one, new):
        super().__init__()
        self.one, self.new = one, new
        self.in_force, self.peak = None, 0
        self.over = threading.Event()

    def run(self):
        while not self.over.is_set():
            # A reload may start processes of its own.
            self.peak = max(self.peak, resident(self.one))
            if self.in_force is None and self.admitted():
                self.in_force = time.monotonic()
            # Often enough to be exact to some milliseconds, and no load of its own.
            self.over.wait(0.02)

    def admitted(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.one.port, timeout=5)
        try:
            connection.request("GET", path_of(self.one.job.rules[0], self.new.sid),
                               headers={"Authorization": self.new.authorization})
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
    found = []
    load = threading.Thread(target=lambda: found.extend(
        open_loop(run, one.port, requests, RATE, [1, STEADY, DURING])))
    before = resident(one)
    watch = Watch(one, new)
    load.start()
    # The steady phase has ended when the files change.
    time.sleep(1 + STEADY + 0.3)
    subject.write_tokens(one.folder, changed)
    began = time.monotonic()
    subject.reload(one)
    watch.start()
    load.join()
    watch.over.set()
    watch.join()
    time.sleep(1)
    after = resident(one)
    try:
        report(run, case, subject, number, found, watch, began, (before, after))
    except Failed as error:
        run.fail("reload", case, subject, error)


def report(run, case, subject, number, found, watch, began, memory):
    if watch.in_force is None:
        raise Failed(f"the new token was not admitted within {DURING} s")
    if len(found) != 3:
        raise Failed("the load did not run to its end")
    _, steady, during = found
    before, after = memory
    figures = {
        "seconds_to_force": watch.in_force - began,
        "p99_steady": steady["p99"],
        "p99_during": during["p99"],
        "max_during": during["max"],
        "lost": sum(phase["lost"] + phase["refused"] for phase in found),
        "memory_before_mib": before / 2**20,
        "memory_peak_mib": max(watch.peak, before) / 2**20,
        "memory_after_mib": after / 2**20,
    }
    for metric, value in figures.items():
        run.results.add("reload", case, subject.name, metric, number, value)
    run.say(f"  {case:22} {subject.name:14} {number + 1}: "
            + "  ".join(f"{name} {value:.4g}" for name, value in figures.items()))
