"""What every proxy of the comparison has: a name, a configuration, a start."""

import base64
import hashlib
import shutil

from harness import machine
from harness.process import Process, free_port


class Running:
    """A proxy that listens."""

    def __init__(self, peer, job, port, process, folder):
        self.peer, self.job, self.port = peer, job, port
        self.process, self.folder = process, folder

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        self.process.stop(self.peer.patience if self.peer else 0)


class Peer:
    """Subclasses write files and say how to start; all else is the same for all."""

    name = ""
    # The most tokens that it is measured with, and why not more.
    most_tokens = 1_000_000
    why_not_more = ""
    # The same for rules.
    most_rules = 10_000
    # What it cannot do at all: "tls", "log", "h2", "reload".
    cannot = frozenset()
    does_the_job = True
    # Seconds that it has for an end of its own; what it has measured is known by then.
    patience = 0

    def __init__(self, program=None):
        self.program = program or shutil.which(self.name)

    def missing(self):
        """Why it cannot be measured here; None where it can."""
        return None if self.program else f"{self.name} is not installed"

    def version(self):
        return machine.first_line(self.program, "-v")

    def configure(self, folder, job, port, upstream):
        """Writes what it reads into the folder: the command that starts it."""
        raise NotImplementedError

    def write_tokens(self, folder, tokens):
        """Writes the credentials alone."""
        self.prepare_tokens(folder, tokens)()

    def prepare_tokens(self, folder, tokens):
        """Makes the files of credentials ready: a function that puts them in their place, so
        that a change while it runs is a move, and no work beside the load."""
        raise NotImplementedError

    def reload(self, running):
        """Makes it read the credentials again, its own way."""
        raise NotImplementedError

    def environment(self, job):
        return {}

    def start(self, work, job, upstream, cores=None):
        folder = work / self.name.replace(":", "-")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        # Some of them serve as a user of their own.
        folder.chmod(0o755)
        port = free_port()
        command = self.configure(folder, job, port, upstream)
        process = Process(machine.pinned(command, cores or machine.PROXY), folder / "output",
                          environment=self.environment(job), folder=folder)
        running = Running(self, job, port, process, folder)
        try:
            process.wait_for_port(port, 120)
        except BaseException:
            running.stop()
            raise
        return running

    def configuration(self, folder):
        """The files worth keeping beside the results: the configuration, not the credentials."""
        return []


def sha1(token):
    """An htpasswd line of {SHA}: the fastest digest that Envoy, Traefik and httpd read."""
    digest = base64.b64encode(hashlib.sha1(token.secret.encode()).digest()).decode()
    return f"{token.sid}:{{SHA}}{digest}"


def regex(rule, sid="[^/]+"):
    """A template as a regular expression over the whole path."""
    segments = (sid if s == "{sid}" else "[^/]+" if s.startswith("{") else s
                for s in rule[1].split("/"))
    return "^" + "/".join(segments) + "$"


def by_pattern(rules):
    """The methods of each pattern; those with literals first, as they are tried in turn."""
    found = {}
    for rule in sorted(rules, key=lambda rule: [s.startswith("{") for s in rule[1].split("/")]):
        found.setdefault(regex(rule), []).append(rule[0])
    return found
