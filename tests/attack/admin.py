"""schemathesis on the admin API: every call of its description, sound and unsound."""

import re
import subprocess
import sys
from pathlib import Path

from surroundings import OPERATOR, Gate, Recorder


def run(context):
    upstream = Recorder()
    with Gate(context.binary, upstream.url) as gate:
        output = subprocess.run(
            [Path(sys.executable).with_name("schemathesis"), "run"]
            + [f"http://127.0.0.1:{gate.admin}/openapi.json", f"--auth={':'.join(OPERATOR)}"]
            + ["--checks=all", f"--max-examples={10 if context.quick else 100}"]
            + [f"--seed={context.seed}", "--no-color"],
            capture_output=True,
            text=True,
            timeout=1800,
            check=False,
            cwd=gate.folder,
        )
        findings = gate.alive()
    if output.returncode != 0:
        findings.append(output.stdout[-3000:])
    if upstream.requests:
        findings.append(f"the admin asked the upstream: {upstream.requests[:3]}")
    upstream.close()
    calls = re.search(r"(\d+) generated", output.stdout)
    if not calls:
        findings.append("no calls were made: the tool is of no use")
    return f"{calls and calls[1]} calls", findings
