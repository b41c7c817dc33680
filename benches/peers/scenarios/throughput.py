"""1. CPU per admitted request and requests per second: 64 connections, HTTP/1.1, kept
alive, one credential; then the same with the access log on."""

from harness.credentials import Job, tokens

TITLE = "Admitted requests, HTTP/1.1, 64 connections"


def measure(run):
    everything = [*run.gates(), *run.peers(), run.relay]
    run.closed_loop("throughput", "plain", everything, lambda _: Job(tokens(1)))
    # sidgate keeps a rate limit too: with log, metrics and a limit is how it is run.
    run.closed_loop("throughput", "access log", run.with_log(),
                    lambda _: Job(tokens(1), access_log=True, limit=True))
