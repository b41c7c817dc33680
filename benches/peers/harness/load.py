"""Load, and what it costs the proxy: every figure is taken around one run of a generator."""

import json
import re
import subprocess
import time
from dataclasses import dataclass

from . import cpu, machine
from .process import Failed
from .tools import HERE

LUA = HERE / "harness" / "requests.lua"
# Below this share of its core the proxy was waiting for load.
BUSY = 0.93


@dataclass
class Taken:
    """One run: requests that were answered, and what they took."""

    requests: int
    wall: float
    cpu: float
    refused: int = 0
    lost: int = 0
    bytes: int = 0

    @property
    def microseconds(self):
        """CPU time of the proxy for each request."""
        return self.cpu * 1e6 / max(1, self.requests)

    @property
    def rate(self):
        return self.requests / self.wall

    @property
    def busy(self):
        return self.cpu / self.wall


def around(pid, run):
    """Runs `run`, and takes the CPU time of the tree below `pid` around it."""
    before, begin = cpu.seconds(pid), time.monotonic()
    found = run()
    wall, used = time.monotonic() - begin, cpu.seconds(pid) - before
    return Taken(cpu=used, wall=wall, **found)


def run(command, seconds):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=seconds + 60)
    if done.returncode != 0:
        raise Failed(f"{command[3]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def wrk(port, requests, seconds, *, connections=64, kind="plain", body=None, tls=False,
        cores=None, threads=1):
    """A closed loop over HTTP/1.1 with keep-alive; wrong credentials by `kind`."""
    scheme = "https" if tls else "http"
    command = machine.pinned(
        ["wrk", "-t", threads, "-c", connections, "-d", f"{seconds}s", "--timeout", "10s",
         "-s", LUA, f"{scheme}://127.0.0.1:{port}/", "--", requests, kind],
        cores or machine.LOAD)
    if body is not None:
        command.append(str(body))
    found = re.search(r"^RESULT (.*)$", run(command, seconds), re.MULTILINE)
    result = json.loads(found.group(1))
    return {key: result[key] for key in ("requests", "refused", "lost", "bytes")}


def h2load(port, request, seconds, *, clients, streams=1, http1=False):
    """The same over TLS: HTTP/1.1, or HTTP/2 with so many streams on a connection."""
    method, target, authorization = request
    command = machine.pinned(
        ["h2load", "-t", 1, "-c", clients, "-m", streams, "-D", seconds,
         "-H", f"Authorization: {authorization}", "-H", f":method: {method}"]
        + (["--h1"] if http1 else [])
        + [f"https://127.0.0.1:{port}{target}"],
        machine.LOAD)
    text = run(command, seconds)
    counts = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored", text)
    protocol = re.search(r"Application protocol: (\S+)", text)
    wanted = "http/1.1" if http1 else "h2"
    if not protocol or protocol.group(1) != wanted:
        raise Failed(f"spoke {protocol and protocol.group(1)} where {wanted} was asked for")
    done, succeeded, _, errored = map(int, counts.groups())
    return {"requests": done, "refused": done - succeeded, "lost": errored}


def first_request(path):
    with open(path, encoding="ascii") as file:
        return file.readline().rstrip("\n").split(" ", 2)

