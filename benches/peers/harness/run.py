"""One run: who takes part, how long each piece takes, and the loops that scenarios share."""

import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from peers.floor import Direct, Relay, start_upstream

from . import cpu, load, machine, tools
from .credentials import write_requests
from .pairs import Results, rounds
from .process import Failed
from .verify import verify


@dataclass
class Run:
    """What the command line asked for, and what was found."""

    sidgates: list
    others: list
    pairs: int
    seconds: int
    quick: bool
    programs: Path
    work: Path
    results: Results = field(default_factory=Results)
    # Rendered configurations by subject, for the report.
    configurations: dict = field(default_factory=dict)

    def __post_init__(self):
        self.relay = Relay(self.programs / "relay")
        self.direct = Direct(self.programs / "upstream")
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        self.upstream = start_upstream(self.programs, self.work)

    def close(self):
        self.upstream.stop()

    def say(self, text):
        print(text, file=sys.stderr, flush=True)

    # Who takes part.

    def gates(self):
        return list(self.sidgates)

    def peers(self, *names, without=()):
        """The chosen peers, or of these the named ones."""
        return [one for one in self.others
                if (not names or one.name in names) and one.name not in without]

    # Starting.

    @contextmanager
    def wide_upstream(self):
        """An upstream on all cores of the load, where more than one proxy's core is busy."""
        usual = self.upstream
        self.upstream = start_upstream(self.programs, self.work / "wide", machine.MANY_LOAD)
        try:
            yield
        finally:
            self.upstream.stop()
            self.upstream = usual

    @contextmanager
    def started(self, scenario, entries, *, cores=None, check=True):
        """Starts every (case, subject, job): pairs of (case, subject) and what runs. Who
        cannot be started, or does not do the job, is noted and left out."""
        running = {}
        try:
            for case, subject, job in entries:
                why = unfit(subject, job)
                if why:
                    self.results.note(scenario, case, subject.name, why)
                    continue
                folder = self.work / f"{scenario}-{case}".replace(" ", "-").replace(",", "")
                try:
                    one = subject.start(folder, job, self.upstream.port, cores)
                    running[case, subject] = one
                    if check and subject.does_the_job:
                        verify(one)
                    self.keep_configuration(subject, one)
                except (Failed, OSError) as error:
                    self.fail(scenario, case, subject, error)
                    broken = running.pop((case, subject), None)
                    if broken:
                        broken.stop()
            yield running
        finally:
            for one in running.values():
                one.stop()

    def fail(self, scenario, case, subject, error):
        self.say(f"  ! {scenario}, {case}: {subject.name}: {error}")
        self.results.note(scenario, case, subject.name, f"failed: {error}")

    def keep_configuration(self, subject, running):
        # The plainest job's: with thousands of tokens or rules it would be a list of these.
        if len(running.job.tokens) * len(running.job.rules) > 1:
            return
        if subject.name not in self.configurations:
            self.configurations[subject.name] = {
                path.name: path.read_text().replace(str(self.work), "WORK")
                .replace(str(tools.BUILT), "BUILT")
                for path in subject.configuration(running.folder)
            }

    # Measuring.

    def closed_loop(self, scenario, entries, *, generate=None, refused=False, kind="plain",
                    check=True, pairs=None, seconds=None, per=None):
        """CPU per request of each (case, subject, job), round by round, side by side.

        `generate(running, requests, seconds)` makes the load: wrk with 64 connections where
        nothing is said. `per` names and computes a further figure of what was taken.
        """
        seconds = seconds or self.seconds
        generate = generate or (lambda one, requests, seconds: load.wrk(
            one.port, requests, seconds, kind=kind))
        with self.started(scenario, entries, check=check) as running:
            for key, one in list(running.items()):
                requests = one.folder / "requests"
                write_requests(requests, one.job)
                try:
                    generate(one, requests, 1)
                except (Failed, OSError, subprocess.TimeoutExpired) as error:
                    self.fail(scenario, *key, error)
                    running.pop(key).stop()
            for number, (case, subject) in rounds(running, pairs or self.pairs):
                one = running[case, subject]
                self.sample(scenario, case, subject, number, one, refused, per,
                            lambda one=one: generate(one, one.folder / "requests", seconds))

    def sample(self, scenario, case, subject, number, one, refused, per, run):
        """One run of the load, and its figures; what was answered wrongly does not count."""
        before = cpu.look()
        try:
            taken = load.around(one.pid, run)
        except (Failed, OSError, subprocess.TimeoutExpired) as error:
            self.fail(scenario, case, subject, error)
            return
        full = cpu.idle_share(machine.LOAD, before, cpu.look()) < 0.02
        wrong = taken.requests - taken.refused if refused else taken.refused
        if wrong or taken.lost or not taken.requests:
            self.fail(scenario, case, subject,
                      f"{wrong} of {taken.requests} answered wrongly, {taken.lost} lost")
            return
        figures = {"cpu_us": taken.microseconds, "rate": taken.rate, "busy": taken.busy}
        if per:
            figures[per[0]] = per[1](taken)
        for metric, value in figures.items():
            self.results.add(scenario, case, subject.name, metric, number, value)
        self.say(f"  {case:22} {subject.name:14} {number + 1}: "
                 f"{taken.microseconds:9.2f} us {taken.rate:9.0f}/s  "
                 f"proxy {100 * taken.busy:3.0f} %" + ("  load's core full" if full else ""))
        if full and taken.busy < load.BUSY:
            self.results.note(scenario, case, subject.name,
                              "the load's core was full before the proxy's")


def unfit(subject, job):
    """Why a proxy is not asked to do this; None where it is."""
    if len(job.tokens) > subject.most_tokens:
        return subject.why_not_more
    if len(job.rules) > subject.most_rules:
        return f"not measured with more than {subject.most_rules} rules"
    if job.tls and "tls" in subject.cannot:
        return "no TLS"
    return None
