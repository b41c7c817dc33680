"""ffuf with lists of paths: words, and every spelling that has fooled a gate.

A 2xx is held against the rules, and the upstream's record against both."""

import itertools
import json
import re
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote, urlsplit

from surroundings import ALICE, ALLOWED, BOB, Gate, Recorder, basic

# Of the package dirb.
WORDS = Path("/usr/share/dirb/wordlists")

DOTS = ["..", ".", "%2e%2e", ".%2e", "%2E.", "..;", "%252e%252e", "..%00", "%c0%ae%c0%ae", "...", "..%5c"]
SLASHES = ["/", "//", "%2f", "%2F", "\\", "%5c", "/./", "/;/", ";/", "%252f", "%c0%af", "/%00/", "/%20/", "/%09/"]
TARGETS = ["admin/keys", "admin", "v1/tokens", "metrics", "v1/status", "v1/items/1", "ws/1", "open/x"]
ENDS = ["", "/", "/.", "/..", ";", ";x=y", "%20", "%09", "%00", "?", "#", "~", ".json", "%2e", "%23", "%3f", ".."]


def spellings():
    """Ways to say a path that is allowed or one that is not."""
    for dot, slash, target in itertools.product(DOTS, SLASHES, TARGETS):
        yield f"v1/items{slash}{dot}{slash}{target}"
        yield f"{dot}{slash}{target}"
    for target, end in itertools.product([*TARGETS, "v1/items"], ENDS):
        yield target + end
        yield "v1/items/" + target + end
        yield target.upper() + end
        yield target.replace("/", "%2f") + end
    for byte in range(256):
        yield f"v1/items/1%{byte:02x}"
        yield f"v1/items%{byte:02x}1"
        yield f"v1%{byte:02X}items/1"


def words(context):
    if context.quick:
        return []
    text = (WORDS / "common.txt").read_text(errors="replace")
    return [prefix + word for word in text.split() for prefix in ("", "v1/", "v1/items/")]


def run(context):
    findings, asked = [], 0
    every = list(dict.fromkeys([*spellings(), *words(context)]))
    upstream = Recorder()
    with Gate(context.binary, upstream.url) as gate:
        for who, methods in ((ALICE, ["GET", "POST", "HEAD"]), (BOB, ["POST"]), (None, ["GET"])):
            for method in methods:
                before = len(upstream.requests)
                results = ffuf(gate, who, method, every)
                asked += len(results)
                passed = [result for result in results if result["status"] // 100 == 2]
                sid = who and who[0]
                findings += [
                    f"{method} {result['url']} by {sid}: {result['status']}"
                    for result in passed
                    if not allowed(sid, method, result["url"])
                ]
                # What the tool gave up waiting for may have been served all the same.
                seen = len(upstream.requests) - before
                unanswered = len(every) - len(results)
                if not 0 <= seen - len(passed) <= unanswered:
                    findings.append(f"{method} by {sid}: {len(passed)} of 2xx, {seen} upstream")
                if who is not None and method in ("GET", "POST") and not passed:
                    findings.append(f"{method} by {sid}: nothing passed, the tool is of no use")
        findings += gate.alive()
    findings += upstream.findings
    upstream.close()
    return f"{asked} requests, {len(every)} paths", findings


def allowed(sid, method, url):
    """Whether a rule allows what stands in the path, in the form that the upstream gets."""
    # The tool tells of bytes as they were before it encoded them.
    path = quote(urlsplit(url).path, safe="%/-._~!$&'()*+,;=:@\\", errors="surrogateescape")
    # Unreserved characters may be encoded; nothing else may mean another path.
    path = re.sub(
        r"%([0-9a-fA-F]{2})",
        lambda m: c if (c := chr(int(m[1], 16))).isalnum() and c.isascii() or c in "-._~" else m[0].upper(),
        path,
    )
    rules = [rule for rule in ALLOWED if rule[0] in (sid, None)]
    return any(method == verb and pattern.fullmatch(path) for _, verb, pattern in rules)


def ffuf(gate, who, method, paths):
    """What it was answered, for each path."""
    with tempfile.TemporaryDirectory() as folder:
        listed, report = Path(folder, "paths"), Path(folder, "report")
        listed.write_text("\n".join(paths) + "\n")
        header = ["-H", f"Authorization: {basic(who)}"] if who else []
        output = subprocess.run(
            ["ffuf", "-w", listed, "-u", f"http://127.0.0.1:{gate.port}/FUZZ", "-X", method, *header]
            + ["-mc", "all", "-t", "20", "-s", "-of", "json", "-o", report],
            capture_output=True,
            text=True,
            timeout=1800,
            check=False,
            cwd=folder,
        )
        if not report.exists():
            raise RuntimeError(output.stderr[-800:])
        return json.loads(report.read_text())["results"]
