"""slowhttptest in every mode, and a client at another address that must be served throughout."""

import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from surroundings import Gate, Probe, Recorder

# The tool's own probe comes from the address that attacks: its connections stay below what one
# address may hold, so that what is measured is the gate and not that bound.
MODES = {
    "slow heads": ["-H", "-i", "2", "-x", "24", "/v1/items/1"],
    "slow bodies, nobody's": ["-B", "-i", "2", "-s", "8192", "-x", "10", "/v1/items"],
    "slow bodies, a public rule's": ["-B", "-i", "2", "-s", "8192", "-x", "10", "/open/body"],
    "ranges": ["-R", "-t", "GET", "-a", "1", "-b", "3000", "/open/large"],
    "slow reading": ["-X", "-w", "10", "-y", "20", "-n", "2", "-z", "32", "-k", "3", "/open/large"],
}


def run(context):
    seconds = 6 if context.quick else 30
    tried, findings, growth = 0, [], 0
    upstream = Recorder()
    with Gate(context.binary, upstream.url) as gate:
        before = gate.memory()
        with Probe(gate) as probe, ThreadPoolExecutor(len(MODES)) as pool:
            # Quick: all at once, and fewer connections of each.
            share = 40 if context.quick else 200
            work = [lambda mode=mode: slowhttptest(gate, share, seconds, mode) for mode in MODES]
            if context.quick:
                results = list(pool.map(lambda job: job(), work))
            else:
                results = [job() for job in work]
        growth = max(0, gate.memory() - before)
        for connections, found in results:
            tried += connections
            findings += found
        if gate.ask() != 200:
            findings.append("not served afterwards")
        findings += probe.findings + gate.alive()
    findings += upstream.findings
    upstream.close()
    told = f"{tried} connections in {len(MODES)} modes, {probe.asked} probes served"
    return f"{told}, the longest {probe.longest:.2f} s; {growth >> 20} MiB of growth", findings


def slowhttptest(gate, connections, seconds, mode):
    *flags, path = MODES[mode]
    with tempfile.TemporaryDirectory() as folder:
        output = subprocess.run(
            ["slowhttptest", *flags, "-c", str(connections), "-r", str(connections // 2)]
            + ["-l", str(seconds), "-p", "3", "-u", f"http://127.0.0.1:{gate.port}{path}"]
            + ["-g", "-o", f"{folder}/report"],
            capture_output=True,
            text=True,
            timeout=seconds + 60,
            check=False,
        ).stdout
        report = Path(f"{folder}/report.csv")
        lines = report.read_text().splitlines()[1:] if report.exists() else []
    # Seconds, Closed, Pending, Connected, Service Available: the last is 0 where it was not.
    unavailable = [line for line in lines if line.split(",")[4:5] == ["0"]]
    findings = [f"{mode}: not available: {line}" for line in unavailable]
    plain = re.sub(r"\x1b\[[0-9;]*[mJHK]", "", output)
    if "service available:   YES" not in plain or not lines:
        findings.append(f"{mode}: no verdict: {plain[-600:]!r}")
    return connections, findings

