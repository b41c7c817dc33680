"""5. Latency at a fixed rate of half the slowest proxy's capacity: an open loop, each request
counted from the moment that it was meant for."""

import json

from harness import load, machine
from harness.credentials import Job, tokens, write_requests
from harness.pairs import rounds

TITLE = "Latency at half load, open loop"
METRICS = ("p50", "p99", "p999")


def measure(run):
    everybody = [*run.gates(), *run.peers(), run.relay]
    with run.started("latency", [("half load", s, Job(tokens(1))) for s in everybody]) as running:
        for one in running.values():
            write_requests(one.folder / "requests", one.job)
        rate = half_of_slowest(run, running)
        run.results.note("latency", "half load", "all",
                         f"{rate:,.0f} requests/s over 64 connections")
        targets = {key: (one.port, one.folder / "requests") for key, one in running.items()}
        # No proxy at all: what is left of a latency without it is what a proxy adds.
        some = next(iter(targets.values()))
        targets["half load", run.direct] = (run.upstream.port, some[1])
        for number, (case, subject) in rounds(targets, run.pairs):
            phases = open_loop(run, *targets[case, subject], rate, [0.5, 1.5 * run.seconds])
            found = phases[-1]
            if found["lost"] or found["refused"]:
                run.fail("latency", case, subject,
                         f"{found['lost']} lost, {found['refused']} refused")
                continue
            for metric in METRICS:
                run.results.add("latency", case, subject.name, metric, number, found[metric])
            run.say(f"  {case:22} {subject.name:14} {number + 1}: " + "  ".join(
                f"{metric} {found[metric]:8.1f} us" for metric in METRICS))


def half_of_slowest(run, running):
    """From the rates of scenario 1 where it was measured in this run, else from a second each."""
    known = [run.results.median("throughput", "1 token", subject.name, "rate")
             for _, subject in running if subject.does_the_job]
    if not known or None in known:
        known = []
        for (_, subject), one in running.items():
            if subject.does_the_job:
                taken = load.around(one.pid, lambda one=one: load.wrk(
                    one.port, one.folder / "requests", 1))
                known.append(taken.rate)
    return int(min(known) / 2)


def open_loop(run, port, requests, rate, phases, connections=64):
    """Runs the open loop: what it says of each phase."""
    text = load.run(machine.pinned(
        [run.programs / "openloop", "--address", f"127.0.0.1:{port}", "--requests", requests,
         "--rate", rate, "--connections", connections,
         "--phases", ",".join(map(str, phases))], machine.LOAD), sum(phases))
    return [json.loads(line) for line in text.splitlines()]
