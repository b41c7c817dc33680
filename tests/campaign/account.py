"""The account of a campaign: what was asked, what upstreams saw and did, what was in force.

Every request has a number. An answer is right when it carries that number and the body made
from it; anything else must be excused by something that is written down here.
"""

import asyncio
import collections
import hashlib
import itertools
import re
import time

now = time.monotonic

# Answers by which the gate says that an upstream, or its own room, failed.
FAILED = {502, 503, 504}
# No request of the campaign waits longer for its end.
PATIENCE = 60


def body_of(number, size):
    """The body that belongs to a request, of this size."""
    seed = hashlib.sha256(str(number).encode()).hexdigest().encode() + b"\n"
    return (seed * (size // len(seed) + 1))[:size]


class Request:
    """One request, from before its first byte was sent."""

    __slots__ = ("number", "method", "size", "sent", "key", "began", "kind", "attempts", "fates")

    def __init__(self, number, method, size, sent, key, kind):
        self.number, self.method, self.size, self.sent = number, method, size, sent
        self.key, self.kind, self.began = key, kind, now()
        self.attempts = 0
        self.fates = []

    @property
    def target(self):
        return f"/any/{self.number}?size={self.size}"


class Key:
    """Credentials, and the states in which they were: those which may have been in force."""

    def __init__(self, sid, secret, state, since=None):
        self.sid, self.secret = sid, secret
        # [called, answered, state]: between the two the state before may hold as well.
        self.versions = [[since or 0.0, since or 0.0, state]]

    @property
    def state(self):
        return self.versions[-1][2]

    def may_become(self, state):
        """A change is asked for; the version that is returned is told when it is answered."""
        self.versions.append([now(), float("inf"), state])
        return self.versions[-1]

    def possible(self, began, ended):
        """The states that may have judged a request that ran in this time."""
        states = set()
        for version, after in itertools.zip_longest(self.versions, self.versions[1:]):
            last = after[1] if after else float("inf")
            if version[0] <= ended and began <= last:
                states.add(version[2])
        return states

    def forget(self, before):
        """Drops what no request can meet any more."""
        while len(self.versions) > 1 and self.versions[1][1] < before:
            self.versions.pop(0)


class Account:
    def __init__(self):
        self.numbers = itertools.count(1)
        self.open = {}
        self.violations = []
        self.counts = collections.Counter()
        self.faults = collections.Counter()
        # When the gate was being killed or stopped, and was not yet back.
        self.outages = []
        self.done = asyncio.Event()

    def begin(self, method, size, key, kind, sent=0):
        request = Request(next(self.numbers), method, size, sent, key, kind)
        self.open[request.number] = request
        return request

    def violation(self, text):
        self.counts["violations"] += 1
        if len(self.violations) < 50:
            self.violations.append(text)
            print(time.strftime("%H:%M:%S", time.gmtime()), "VIOLATION:", text, flush=True)

    def outage(self):
        """Begins an outage; the list that is returned is told its end."""
        one = [now(), float("inf")]
        self.outages.append(one)
        return one

    def is_out(self, began, ended):
        return any(first <= ended and began <= last for first, last in self.outages[-50:])

    def seen(self, number, fate, method):
        """An upstream has read a request's head, and will do this to it."""
        request = self.open.get(number)
        if request is None:
            self.counts["seen after its client gave up"] += 1
            return
        request.attempts += 1
        request.fates.append(fate)
        if method != request.method:
            self.violation(f"{request.number}: {request.method} arrived as {method}")
        most = 2 if method in ("GET", "PUT") and request.sent == 0 else 1
        if request.attempts > most:
            self.violation(f"{request.number}: {method} arrived {request.attempts} times")
        if fate != "good":
            self.faults[fate] += 1

    def spoil(self, number, fate):
        """What was to be answered well is cut off after all."""
        request = self.open.get(number)
        if request is not None:
            request.fates.append(fate)

    def aborted(self, request):
        """Its client went away on purpose."""
        self.counts["aborted by their clients"] += 1
        del self.open[request.number]

    def ended(self, request, status=None, number=None, body=None, whole=True, why=""):
        """Judges what came of a request: an answer, whole or not, or none."""
        ended = now()
        del self.open[request.number]
        self.counts["requests"] += 1
        self.counts[f"requests: {request.kind}"] += 1
        excused = self.is_out(request.began, ended)
        faulty = any(fate != "good" for fate in request.fates)
        what = (
            f"{request.number} ({request.kind} {request.method}, fates {request.fates}): "
            f"{status} {why}"
        )
        if faulty:
            self.counts["requests that met a fault"] += 1
        if status is None:
            self.counts["closed without an answer"] += 1
            if not excused:
                self.violation(f"{what}: no answer")
            return
        self.counts[f"answered {status}"] += 1
        states = request.key.possible(request.began, ended) if request.key else {"wrong"}
        if status in (401, 403):
            if request.attempts:
                self.violation(f"{what}: refused, and seen by an upstream")
            expected = {401: {"wrong", "gone"}, 403: {"disabled"}}[status]
            if not states & expected:
                self.violation(f"{what}: refused while it was {states}")
            return
        code = "?"
        if status in FAILED and (found := re.search(rb'"code":"(\w+)"', body or b"")):
            code = found[1].decode()
        # Told before any credentials are read. The campaign stays below every bound, and the
        # gate has leaked where one is reached.
        if code == "overloaded":
            self.counts[f"answered {status} overloaded"] += 1
            if not excused:
                self.violation(f"{what}: no room")
            return
        # Everything else was admitted, which its credentials must have allowed.
        if "enabled" not in states:
            self.violation(f"{what}: admitted while it was {states}")
        if status in FAILED:
            seen = "seen by an upstream" if request.attempts else "not seen"
            self.counts[f"answered {status} {code}, {seen}"] += 1
            # A fault that an upstream committed, or nobody saw the request.
            if request.attempts and not faulty and not excused:
                self.violation(f"{what}: failed for no reason")
            return
        if status != 200:
            self.violation(f"{what}: not an answer of this campaign")
            return
        if not request.attempts:
            self.violation(f"{what}: answered, and no upstream saw it")
        if number is not None and number != request.number:
            self.violation(f"{what}: the answer is for {number}")
        expected = body_of(request.number, request.size)
        if whole and body != expected:
            self.violation(f"{what}: another body of {len(body)} bytes")
        elif not whole:
            self.counts["answers cut off"] += 1
            if not expected.startswith(bytes(body or b"")):
                self.violation(f"{what}: cut off, and another body")
            if not faulty and not excused:
                self.violation(f"{what}: cut off for no reason")
        elif request.fates and request.fates[-1] == "good":
            self.counts["answered whole"] += 1
