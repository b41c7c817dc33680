"""6. Bodies in each direction, and memory while many slow readers hold large answers."""

import time

from harness import cpu, load
from harness.credentials import Job, tokens
from harness.hold import slow_readers
from harness.process import Failed

TITLE = "Bodies"
SIZES = {"1 KiB": (1 << 10, 64), "64 KiB": (64 << 10, 32), "16 MiB": (16 << 20, 4)}
READERS, HELD = 1000, 1 << 20


def measure(run):
    # Bodies cost seconds: those that come near are measured.
    some = [*run.gates(), *run.peers("nginx", "haproxy", "envoy", "pingora")]
    job = Job(tokens(1))
    for name, (size, connections) in SIZES.items():
        # The bars are of the largest; the others take shape in less.
        most = {} if size > 1 << 20 else {"pairs": min(3, run.pairs), "seconds": 1}
        # From what was moved, so that what was cut off at the end counts too.
        run.closed_loop("bodies", [(f"{name} down", s, job) for s in some],
                        generate=down(size, connections),
                        per=("cpu_us_mib", lambda taken: taken.cpu * 1e6 / (taken.bytes / 2**20)),
                        **most)
        run.closed_loop("bodies", [(f"{name} up", s, job) for s in some],
                        generate=up(size, connections),
                        per=("cpu_us_mib",
                             lambda taken, size=size: taken.microseconds / (size / 2**20)),
                        **most)
    for subject in [*run.gates(), *run.peers()]:
        hold(run, subject, job)


def down(size, connections):
    def generate(one, requests, seconds):
        method, target, authorization = load.first_request(requests)
        sized = requests.with_name("sized")
        sized.write_text(f"{method} {target}?size={size} {authorization}\n")
        return load.wrk(one.port, sized, seconds, connections=connections)
    return generate


def up(size, connections):
    # GET may have a body, and the rule is one of GET: all of them pass it on.
    return lambda one, requests, seconds: load.wrk(
        one.port, requests, seconds, connections=connections, body=size)


def hold(run, subject, job):
    case = f"{READERS:,} slow readers of 1 MiB"
    with run.started("bodies", [(case, subject, job)]) as running:
        for one in running.values():
            before = cpu.memory(one.pid), cpu.socket_memory()
            try:
                with slow_readers(one, READERS, HELD):
                    # As much as a proxy wants to take in has come by then.
                    time.sleep(2)
                    during = cpu.memory(one.pid), cpu.socket_memory()
            except (Failed, OSError) as error:
                run.fail("bodies", case, subject, error)
                continue
            own, kernel = ((now - then) / 2**20 for now, then in zip(during, before))
            run.results.add("bodies", case, subject.name, "memory_mib", 0, own)
            run.results.add("bodies", case, subject.name, "kernel_mib", 0, kernel)
            run.say(f"  {case:22} {subject.name:14} {own:8.1f} MiB, kernel {kernel:.0f} MiB")
