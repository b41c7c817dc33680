"""sslscan and testssl.sh against the TLS port: nothing above LOW, and only TLS 1.2 and 1.3."""

import json
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

from surroundings import Gate, Recorder

# What is said of any certificate of a test's own authority (nobody could revoke it), and of the
# openssl that the tool runs by.
OF_THE_TEST = {"cert_revocation", "DNS_CAArecord", "OCSP_stapling", "engine_problem"}
GRAVE = {"MEDIUM", "HIGH", "CRITICAL", "WARN", "FATAL"}


def run(context):
    upstream = Recorder()
    with Gate(context.binary, upstream.url, tls=True) as gate:
        tried, findings = sslscan(gate)
        told = f"sslscan: {tried} suites and groups"
        if not context.quick:
            checks, more = testssl(gate)
            findings += more
            told += f"; testssl.sh: {checks} checks"
        findings += gate.alive()
    findings += upstream.findings
    upstream.close()
    return told, findings


def sslscan(gate):
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        subprocess.run(
            ["sslscan", f"--xml={report}", f"127.0.0.1:{gate.port}"],
            capture_output=True,
            timeout=300,
            check=True,
        )
        test = ET.parse(report).getroot().find("ssltest")
    findings = []
    enabled = {
        f"{p.get('type')} {p.get('version')}" for p in test.findall("protocol") if p.get("enabled") == "1"
    }
    if enabled != {"tls 1.2", "tls 1.3"}:
        findings.append(f"sslscan: protocols {sorted(enabled)}")
    for item in [*test.findall("cipher"), *test.findall("group")]:
        if item.get("strength") not in ("strong", "acceptable", None) or int(item.get("bits") or 128) < 112:
            findings.append(f"sslscan: {item.attrib}")
    for name in ("compression", "heartbleed"):
        for item in test.findall(name):
            if item.get("supported", item.get("vulnerable")) != "0":
                findings.append(f"sslscan: {name} {item.attrib}")
    for item in test.findall("renegotiation"):
        if item.get("supported") == "1" and item.get("secure") != "1":
            findings.append(f"sslscan: renegotiation {item.attrib}")
    ciphers = test.findall("cipher")
    if not ciphers:
        findings.append("sslscan: no suite: the tool is of no use")
    return len(ciphers) + len(test.findall("group")), findings


def testssl(gate):
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        output = subprocess.run(
            ["testssl", "--quiet", "--color", "0", "--warnings", "batch", "--nodns", "none", "--ip", "127.0.0.1"]
            + ["--add-ca", gate.folder / "ca.pem", "--jsonfile", report, f"https://127.0.0.1:{gate.port}"],
            capture_output=True,
            text=True,
            timeout=1800,
            check=False,
        )
        if not report.exists():
            return 0, [f"testssl.sh: no report: {output.stdout[-400:]}{output.stderr[-400:]}"]
        checks = json.loads(report.read_text())
    grave = [c for c in checks if c["severity"] in GRAVE and c["id"].split()[0] not in OF_THE_TEST]
    return len(checks), [f"testssl.sh: {c['severity']} {c['id']}: {c['finding']}" for c in grave]
