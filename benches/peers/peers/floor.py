"""The floor: a relay that knows nothing of HTTP, and no proxy at all."""

from harness.process import Process, free_port
from harness import machine
from .base import Peer, Running


class Relay(Peer):
    """Copies bytes: what any proxy on this kernel has to pay."""

    name = "relay"
    does_the_job = False
    cannot = frozenset({"tls", "log", "h2", "reload"})

    def version(self):
        return "bare epoll relay (benches/peers/tools/src/bin/relay.rs)"

    def configure(self, folder, job, port, upstream):
        return [self.program, "--listen", f"127.0.0.1:{port}",
                "--upstream", f"127.0.0.1:{upstream}"]


class Direct(Peer):
    """No proxy: the upstream itself, for what a proxy adds."""

    name = "direct"
    does_the_job = False
    cannot = Relay.cannot

    def missing(self):
        return None

    def version(self):
        return "the upstream without a proxy"

    def start(self, work, job, upstream, cores=None):
        raise NotImplementedError("the upstream runs already")


def start_upstream(tools, work, cores=None):
    """The API behind all of them, with a thread on each of these cores."""
    cores = cores or machine.UPSTREAM
    port = free_port()
    work.mkdir(parents=True, exist_ok=True)
    command = [tools / "upstream", "--listen", f"127.0.0.1:{port}", "--threads", len(cores)]
    process = Process(machine.pinned(command, cores), work / "upstream.output")
    process.wait_for_port(port)
    return Running(None, None, port, process, work)
