"""3. How many rules there are: 10, the 191 of a real API, 10,000. Each request names another."""

from harness.credentials import Job, rules, tokens

TITLE = "Many rules"


def measure(run):
    holders = tokens(10)
    run.closed_loop("rules", [
        (f"{count:,} rules", gate, Job(holders, rules(count), requests=10_000))
        for count in (10, 10_000) for gate in run.gates()
    ])
    run.closed_loop("rules", [
        ("191 rules", subject, Job(holders, rules(191)))
        for subject in [*run.gates(), *run.peers()]
    ])
    # Patterns that are tried one by one cost what they cost: two rounds show it.
    run.closed_loop("rules", [
        ("10,000 rules", subject, Job(holders, rules(10_000)))
        for subject in run.peers("nginx", "haproxy", "envoy", "pingora")
    ], pairs=min(2, run.pairs))
