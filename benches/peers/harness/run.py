"""One run: who takes part, how long each piece takes, and the loops that scenarios share."""

import shutil
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

    def with_log(self):
        """Gates and peers: who can write an access log."""
        return [one for one in [*self.gates(), *self.others] if "log" not in one.cannot]

    # The loops.

    @contextmanager
    def started(self, scenario, case, subjects, job, *, cores=None, check=True):
        """Starts all of them; who cannot be started or does not do the job is noted, and
        left out. `job` is asked for each subject; None leaves it out."""
        running = {}
        try:
            for subject in subjects:
                wanted = job(subject)
                if wanted is None:
                    continue
                why = self.unfit(subject, wanted)
                if why:
                    self.results.note(scenario, case, subject.name, why)
                    continue
                try:
                    one = subject.start(self.work, wanted, self.upstream.port, cores)
                    running[subject] = one
                    if check and subject.does_the_job:
                        verify(one)
                    self.keep_configuration(subject, one)
                except (Failed, OSError) as error:
                    self.fail(scenario, case, subject, error)
                    broken = running.pop(subject, None)
                    if broken:
                        broken.stop()
            yield running
        finally:
            for one in running.values():
                one.stop()

    def unfit(self, subject, job):
        if len(job.tokens) > subject.most_tokens:
            return subject.why_not_more
        if len(job.rules) > subject.most_rules:
            return f"not measured with more than {subject.most_rules} rules"
        if job.tls and "tls" in subject.cannot:
            return "no TLS"
        return None

    def fail(self, scenario, case, subject, error):
        self.say(f"  ! {scenario}, {case}: {subject.name}: {error}")
        self.results.note(scenario, case, subject.name, f"failed: {error}")

    def keep_configuration(self, subject, running):
        if subject.name not in self.configurations:
            self.configurations[subject.name] = {
                path.name: path.read_text().replace(str(self.work), "WORK")
                .replace(str(tools.BUILT), "BUILT")
                for path in subject.configuration(running.folder)
            }

    def closed_loop(self, scenario, case, subjects, job, *, refused=False, kind="plain",
                    generate=None, check=True, settle=1, pairs=None, seconds=None):
        """CPU per request of each, round by round, with the proxies side by side.

        `generate(running, requests, seconds)` makes the load: wrk with 64 connections where
        nothing is said. Rounds in which requests are lost, or are refused where they should
        not be, do not count.
        """
        seconds = seconds or self.seconds
        generate = generate or (lambda one, requests, seconds: load.wrk(
            one.port, requests, seconds, kind=kind))
        with self.started(scenario, case, subjects, job, check=check) as running:
            files = {}
            for subject, one in running.items():
                files[subject] = write_requests(
                    self.work / f"{subject.name.replace(':', '-')}.requests", one.job)
                generate(one, files[subject], settle)
            for number, subject in rounds(running, pairs or self.pairs) if running else ():
                one = running[subject]
                self.sample(scenario, case, subject, number, one, refused,
                            lambda: generate(one, files[subject], seconds))

    def sample(self, scenario, case, subject, number, one, refused, run):
        before = cpu.look()
        try:
            taken = load.around(one.pid, run)
        except (Failed, OSError, TimeoutError) as error:
            self.fail(scenario, case, subject, error)
            return
        after = cpu.look()
        wrong = taken.requests - taken.refused if refused else taken.refused
        if wrong or taken.lost or not taken.requests:
            self.fail(scenario, case, subject,
                      f"{wrong} of {taken.requests} answered wrongly, {taken.lost} lost")
            return
        add = self.results.add
        add(scenario, case, subject.name, "cpu_us", number, taken.microseconds)
        add(scenario, case, subject.name, "rate", number, taken.rate)
        add(scenario, case, subject.name, "busy", number, taken.busy)
        full = cpu.idle_share(machine.LOAD, before, after) < 0.02
        self.say(f"  {case:24} {subject.name:14} round {number + 1}: "
                 f"{taken.microseconds:8.2f} us  {taken.rate:9.0f}/s  "
                 f"proxy {100 * taken.busy:3.0f} %" + ("  load saturated" if full else ""))
        if taken.busy < load.BUSY and full:
            self.results.note(scenario, case, subject.name,
                              "the load generator was saturated before the proxy")
