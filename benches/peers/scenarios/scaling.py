"""9. From one worker to one a core, and how evenly workers share few connections.

On a small machine the load runs on the same cores as the proxy, for one worker as for many:
the figure is CPU per request, and requests per second only where cores are left for the load.
"""

import dataclasses

from harness import cpu, load, machine
from harness.credentials import Job, tokens, write_requests
from harness.pairs import rounds

TITLE = "Workers"
PEERS = ("nginx", "haproxy", "envoy")
CONNECTIONS = (2, 8, 64)


def measure(run):
    with run.wide_upstream():
        compare(run)


def compare(run):
    job = Job(tokens(1))
    many = dataclasses.replace(job, workers=len(machine.MANY_PROXY))
    subjects = [*run.gates(), *run.peers(*PEERS)]
    entries = [(name, subject, wanted) for subject in subjects
               for name, wanted in (("1 worker", job), ("a worker a core", many))]
    with run.started("scaling", entries, cores=machine.MANY_PROXY) as running:
        for one in running.values():
            write_requests(one.folder / "requests", one.job)
            generate(one, 64, 1)
        for number, (case, subject) in rounds(running, run.pairs):
            one = running[case, subject]
            run.sample("scaling", case, subject, number, one, False, None,
                       lambda one=one: generate(one, 64, run.seconds))
        for count in CONNECTIONS:
            spread = [key for key in running if key[0] != "1 worker"]
            for number, (case, subject) in rounds(spread, run.pairs):
                share(run, f"{count} connections", subject, running[case, subject], count, number)


def generate(one, connections, seconds):
    return load.wrk(one.port, one.folder / "requests", seconds, connections=connections,
                    cores=machine.MANY_LOAD, threads=min(connections, len(machine.MANY_LOAD)))


def share(run, case, subject, one, connections, number):
    """The busiest worker's CPU time over that of the average one: 1 is even."""
    workers = one.job.workers
    before = cpu.by_thread(one.pid)
    generate(one, connections, 1)
    after = cpu.by_thread(one.pid)
    used = sorted((after[thread] - before.get(thread, 0) for thread in after), reverse=True)
    busiest = used[:workers]
    uneven = busiest[0] * workers / max(1e-9, sum(busiest))
    run.results.add("scaling", case, subject.name, "imbalance", number, uneven)
    run.say(f"  {case:22} {subject.name:14} {number + 1}: {uneven:5.2f} times the average")
