"""The command line: what to measure, with whom, and where the results go."""

import argparse
import fcntl
import os
import signal
import sys
import time
import traceback
from pathlib import Path

from peers import PEERS, Sidgate
from scenarios import SCENARIOS

from . import machine, report, tools
from .run import Run


def options():
    parser = argparse.ArgumentParser(
        prog="benches/peers/run",
        description="Measures sidgate and its peers side by side, on pinned cores, in pairs.",
        epilog="Scenarios: " + "; ".join(f"{name}: {module.TITLE}"
                                         for name, module in SCENARIOS.items()))
    parser.add_argument("scenario", nargs="*", metavar="SCENARIO",
                        help=f"{', '.join(SCENARIOS)}; all of them where none is named")
    parser.add_argument("--quick", action="store_true",
                        help="one short round of everything: does it work at all?")
    parser.add_argument("--pairs", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("--seconds", type=int, default=2, help="of load in a round (default 2)")
    parser.add_argument("--peers", default=",".join(PEERS),
                        help="of these: %(default)s; or none")
    parser.add_argument("--sidgate", action="append", default=[], metavar="[NAME=]PATH",
                        help="a built sidgate; given with names, several builds are compared")
    parser.add_argument("--nice", type=int, default=0,
                        help="of all that is started; below 0 where the machine is not idle")
    parser.add_argument("--out", type=Path,
                        help="where results go; a scenario's earlier results there are replaced")
    parser.add_argument("--report", action="store_true",
                        help="measure nothing: write tables and charts of the results anew")
    given = parser.parse_args()
    for name in given.scenario:
        if name not in SCENARIOS:
            parser.error(f"no such scenario: {name}")
    if given.quick:
        given.pairs, given.seconds = 1, min(given.seconds, 1)
    several = len(given.sidgate) > 1 or any("=" in text for text in given.sidgate)
    whole = not (given.quick or given.scenario or several)
    given.out = given.out or (tools.HERE / "results" if whole or given.report
                              else tools.BUILT / "results")
    return given


def gates(given):
    found = []
    for text in given.sidgate:
        name, separator, path = text.rpartition("=")
        found.append(Sidgate(Path(path).resolve(), f"sidgate:{name}" if separator else "sidgate"))
    return found


def prepare(given):
    """Installs and builds what is needed: the run, and who cannot take part in it."""
    names = [name for name in given.peers.split(",") if name and name != "none"]
    tools.install_programs(["wrk", "h2load", "taskset", "openssl", "htdbm", *names,
                            *(["apache2"] if "apache" in names else [])])
    tools.install_packages(names)
    machine.raise_open_files()
    if given.nice:
        machine.favour(given.nice)
    programs = tools.build("tools")
    sidgates = gates(given)
    others, missing = [], {}
    for name in names:
        peer = PEERS[name]()
        why = peer.missing()
        if why:
            missing[name] = why
        else:
            others.append(peer)
    run = Run(sidgates, others, given.pairs, given.seconds, given.quick, programs,
              tools.BUILT / "work")
    return run, missing


def measure(given, run, missing):
    began = time.time()
    for name in given.scenario or SCENARIOS:
        run.say(f"== {name}: {SCENARIOS[name].TITLE}")
        at = time.monotonic()
        try:
            SCENARIOS[name].measure(run)
        except Exception:
            # The other scenarios are worth having; what was measured of this one too.
            traceback.print_exc()
            run.results.note(name, "all", "all", "cut short by a fault of the benchmark")
        run.say(f"   {time.monotonic() - at:.0f} s")
        report.merge(given.out, run, name, began, missing)


def main():
    given = options()
    if given.report:
        report.rewrite(given.out)
        return 0
    tools.BUILT.mkdir(parents=True, exist_ok=True)
    # Before the lock: a build is trained by a run of its own.
    given.sidgate = given.sidgate or [str(tools.build_sidgate())]
    with open(tools.BUILT / "lock", "w", encoding="ascii") as lock:
        try:
            # Two runs at once would measure each other.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            sys.exit("another run is under way")
        # Whoever ends this ends what it has started: each program has a session of its own.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        run, missing = prepare(given)
        try:
            # What this program does itself must not be done on the proxy's core.
            os.sched_setaffinity(0, machine.LOAD)
            measure(given, run, missing)
        finally:
            run.close()
    report.rewrite(given.out)
    print((given.out / "results.md").read_text())
    return 0
