"""7. Memory of an idle connection: ten thousand that have each had one answer."""

import time

from harness import cpu
from harness.credentials import Job, tokens
from harness.hold import idle
from harness.process import Failed

TITLE = "Idle connections"
# Seconds until what is given up is given back, by whoever does that after a while.
SETTLED = 5
KINDS = ("HTTP/1.1", "TLS, HTTP/1.1", "TLS, HTTP/2")


def measure(run):
    count = 500 if run.quick else 10_000
    for kind in KINDS:
        job = Job(tokens(1), tls=kind.startswith("TLS"))
        for subject in [*run.gates(), *run.peers()]:
            with run.started("idle", [(kind, subject, job)]) as running:
                for one in running.values():
                    sample(run, kind, subject, one, count)


def sample(run, kind, subject, one, count):
    try:
        # Some connections come and go first, so that what is taken once is not counted.
        with idle(one, 200, http2="HTTP/2" in kind):
            pass
        time.sleep(SETTLED)
        before = cpu.memory(one.pid)
        with idle(one, count, http2="HTTP/2" in kind) as alive:
            time.sleep(SETTLED)
            during = cpu.memory(one.pid)
            gone = count - alive()
        if gone:
            raise Failed(f"{gone} of {count} connections did not stay")
    except (Failed, OSError) as error:
        run.fail("idle", kind, subject, error)
        return
    each = (during - before) / count / 1024
    run.results.add("idle", kind, subject.name, "kib", 0, each)
    run.say(f"  {kind:22} {subject.name:14} {each:8.1f} KiB each")
