"""hydra, guessing auth tokens: it finds none, and where guesses are counted it is stopped.

That it finds the one that it is given shows that it can."""

import subprocess
import tempfile
from pathlib import Path

from surroundings import ALICE, BOB, Gate, Recorder

SIDS = ["alice", "bob", "carol", "Alice", "admin", "root", "ops"]


def near(secret):
    """What is almost the right auth token."""
    yield from (secret[:-1], secret[1:], secret + "x", secret + " ", secret.upper(), secret * 2)
    yield from (secret[:length] for length in range(1, len(secret), 3))
    for at in range(len(secret)):
        yield secret[:at] + chr(ord(secret[at]) ^ 1) + secret[at + 1 :]


def run(context):
    words = list(dict.fromkeys([*near(ALICE[1]), *near(BOB[1]), *plain(context)]))
    sids = SIDS[:2] if context.quick else SIDS
    upstream = Recorder()
    findings = []
    with Gate(context.binary, upstream.url) as gate:
        found, tried = hydra(gate, sids, words)
        findings += [f"found: {line}" for line in found]
        seen = len(upstream.requests)
        if seen:
            findings.append(f"{seen} requests reached the upstream")
        found, _ = hydra(gate, ["alice"], [*words[:5], ALICE[1]])
        if len(found) != 1:
            findings.append(f"the right auth token was not found: the tool is of no use: {found}")
        findings += gate.alive()
    before = len(upstream.requests)
    # Where loopback is not left alone, an address is stopped after some guesses: also with the
    # right auth token, which it can then not tell from a wrong one. Others are served.
    counted = '[guessing]\nfailures = 50\nwindow = "1h"\nexempt = []\n'
    with Gate(context.binary, upstream.url, counted) as gate:
        found, more = hydra(gate, ["alice"], [*words[:80], ALICE[1]], connections=1)
        findings += [f"found although stopped: {line}" for line in found]
        if len(upstream.requests) != before:
            findings.append("a stopped address reached the upstream")
        if gate.ask(source="127.0.0.9") != 200:
            findings.append("the owner at another address is locked out")
        findings += gate.alive()
    findings += upstream.findings
    upstream.close()
    return f"{tried + more} guesses, {len(sids)} SIDs", findings


def plain(context):
    """Words that have nothing to do with any token."""
    return (f"guess-{number:05}" for number in range(10 if context.quick else 2_000))


def hydra(gate, sids, words, connections=16):
    """The lines of what it found, and how much it tried."""
    with tempfile.TemporaryDirectory() as folder:
        names, passwords = Path(folder, "names"), Path(folder, "passwords")
        names.write_text("\n".join(sids) + "\n")
        passwords.write_text("\n".join(words) + "\n")
        output = subprocess.run(
            ["hydra", "-L", names, "-P", passwords, "-t", str(connections), "-I", "-q"]
            + ["-s", str(gate.port), "127.0.0.1", "http-get", "/v1/items/1"],
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
            cwd=folder,
        )
    found = [line for line in output.stdout.splitlines() if "login:" in line]
    if "valid password" not in output.stdout:
        found.append(f"no verdict: {output.stdout[-400:]}{output.stderr[-400:]}")
    return found, len(sids) * len(words)
