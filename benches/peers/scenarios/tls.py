"""4. TLS 1.3 under a P-256 certificate: HTTP/1.1, HTTP/2, and handshakes."""

import json

from harness import load, machine
from harness.credentials import Job, tokens

TITLE = "TLS 1.3"


def measure(run):
    everybody = [*run.gates(), *run.peers()]
    job = Job(tokens(1), tls=True)

    def http(http1, clients, streams):
        return lambda one, requests, seconds: load.h2load(
            one.port, load.first_request(requests), seconds,
            clients=clients, streams=streams, http1=http1)

    run.closed_loop("tls", [("HTTP/1.1, 64 connections", s, job) for s in everybody],
                    generate=http(True, 64, 1))
    run.closed_loop("tls", [("HTTP/2, 16 x 16 streams", s, job) for s in everybody],
                    generate=http(False, 16, 16))

    def shake(resume):
        def generate(one, _, seconds):
            text = load.run(machine.pinned(
                [run.programs / "handshakes", "--address", f"127.0.0.1:{one.port}",
                 "--seconds", seconds, "--threads", 8, "--resume", resume], machine.LOAD), seconds)
            found = json.loads(text)
            wanted, other = ("resumed", "full") if resume == "yes" else ("full", "resumed")
            # The first of each thread has nothing to resume.
            excess = max(0, found[other] - 8)
            return {"requests": found[wanted] + found[other], "lost": found["failed"],
                    "refused": excess}
        return generate

    # One for each of the libraries: Caddy and Traefik have Go's, httpd and pingora nginx's.
    several = [*run.gates(), *run.peers("nginx", "haproxy", "envoy", "caddy")]
    for case, resume in (("full handshake", "no"), ("resumed handshake", "yes")):
        run.closed_loop("tls", [(case, s, job) for s in several], generate=shake(resume))
