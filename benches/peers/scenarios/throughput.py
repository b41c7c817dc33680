"""1. CPU per admitted request and requests per second: 64 connections, HTTP/1.1, kept
alive; then with the access log on."""

import dataclasses

from harness.credentials import Job, tokens

TITLE = "Admitted requests: HTTP/1.1, 64 connections"


def measure(run):
    many = Job(tokens(10_000), requests=10_000)
    one = Job(tokens(1), requests=many.requests)
    run.closed_loop("throughput", [
        *(("1 token", subject, one) for subject in [*run.gates(), *run.peers(), run.relay]),
        *(("10,000 tokens", gate, many) for gate in run.gates()),
    ])
    # sidgate keeps a rate limit too: log, metrics and a limit are how it is run.
    logged = dataclasses.replace(one, access_log=True, limit=True)
    run.closed_loop("throughput", [
        *(("log off", gate, one) for gate in run.gates()),
        *(("log on", subject, logged) for subject in [*run.gates(), *run.peers()]),
    ])
