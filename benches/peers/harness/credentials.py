"""Tokens, rules and the requests that use them: the same for every proxy.

All are made from a counter, so that two runs measure the same thing.
"""

import base64
import functools
import hashlib
import string
from dataclasses import dataclass
from pathlib import Path

LETTERS = string.digits + string.ascii_letters
# The rule of all scenarios but that of rules.
ONE_RULE = ("GET", "/Mediapartners/{sid}/Ads")


def _text(seed, length):
    digest = hashlib.sha512(seed.encode()).digest()
    return "".join(LETTERS[byte % 62] for byte in digest[:length])


@dataclass(frozen=True)
class Token:
    sid: str
    secret: str

    @property
    def authorization(self):
        return "Basic " + base64.b64encode(f"{self.sid}:{self.secret}".encode()).decode()


def token(number):
    # Without the prefix of generated auth tokens: a wrong one is then not refused by its
    # checksum alone, but costs the look-up and the digest that it costs everywhere else.
    return Token("IR" + _text(f"sid {number}", 32), _text(f"secret {number}", 40))


@functools.cache
def tokens(count):
    return tuple(token(number) for number in range(count))


def rules(count):
    """So many rules; 191 are those of a real API: its methods and paths."""
    if count == 191:
        lines = (Path(__file__).parent / "api.rules").read_text().splitlines()
        return tuple(tuple(line.split(" ", 1)) for line in lines)
    return tuple(("GET", f"/v1/accounts/{{sid}}/things{number}/{{id}}")
                 for number in range(count))


@dataclass
class Job:
    """What a proxy is started for."""

    tokens: tuple
    rules: tuple = (ONE_RULE,)
    tls: bool = False
    access_log: bool = False
    # A rate limit that no run reaches: what keeping its count costs (sidgate alone).
    limit: bool = False
    workers: int = 1
    # At least so many requests, where jobs are compared with each other: what it costs the
    # load generator to pick one must not differ. Each has a number of its own in its query,
    # for the generator keeps what is equal once.
    requests: int = 1


def path_of(rule, sid, item=17):
    """A path that the rule admits for this token."""
    segments = rule[1].split("/")
    named = {"{sid}": sid}
    return "/".join(
        named.get(segment, f"{item}" if segment.startswith("{") else segment)
        for segment in segments
    )


def write_requests(path, job, most=100_000):
    """Lines `METHOD TARGET AUTHORIZATION`, spread evenly over all tokens and rules."""
    count = min(max(len(job.tokens), len(job.rules), job.requests), most)
    # Steps that visit every token and every rule, in an order without neighbours.
    with open(path, "w", encoding="ascii") as file:
        for number in range(count):
            one = job.tokens[number * 7919 % len(job.tokens)] if count > 1 else job.tokens[0]
            rule = job.rules[number * 104_729 % len(job.rules)]
            query = f"?n={number:06}" if job.requests > 1 else ""
            file.write(f"{rule[0]} {path_of(rule, one.sid)}{query} {one.authorization}\n")
    return path
