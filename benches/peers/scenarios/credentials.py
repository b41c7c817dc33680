"""2. How many tokens there are; and refusals, of credentials that are never twice the same."""

from harness.credentials import Job, tokens

TITLE = "Many tokens, and refusals"


def measure(run):
    run.closed_loop("credentials", [
        ("10,000 tokens", subject, Job(tokens(10_000)))
        for subject in [*run.gates(), *run.peers()]
    ])
    million = 100_000 if run.quick else 1_000_000
    run.closed_loop("credentials", [
        (f"{count:,} tokens", gate, Job(tokens(count), requests=million))
        for count in (10, million) for gate in run.gates()
    ])
    # bcrypt is meant to be slow: Caddy takes a second for each wrong auth token.
    peers = run.peers(without=("caddy",))
    for case, kind, others in [
        ("wrong auth token", "changing", peers),
        ("unknown SID", "strangers", [one for one in peers if one.name in CHEAP]),
    ]:
        run.closed_loop("credentials", [
            (case, subject, Job(tokens(1))) for subject in [*run.gates(), *others]
        ], refused=True, kind=kind)


# Who comes near: the others are named for one kind of refusal, and would cost minutes.
CHEAP = ("nginx", "haproxy", "envoy")
