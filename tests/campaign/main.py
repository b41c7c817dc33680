"""Mixed faults and load, and an account of every request.

Clients of every kind ask a real `sidgate serve` before servers that misbehave, while files are
edited and spoilt, tokens changed, signals sent, descriptors withheld, and the process is killed
and started again. Each request ends in the answer that belongs to it, or in an error that
something which was done to it explains: see account.py.

Usage: main.py BINARY SECONDS [SEED]. Exit code 1 where anything was violated.
"""

import asyncio
import logging
import pathlib
import random
import signal
import subprocess
import sys
import tempfile

from account import Account, now
from clients import Clients
from gate import Gate
from upstream import Upstream

# Resident memory that the gate may ever have beside its program's file, in KiB.
MEMORY = 128 << 10


async def every(account, seconds, what):
    """Does something again and again, after pauses of about this long."""
    while not account.done.is_set():
        pause = random.uniform(0.5, 1.5) * seconds
        try:
            await asyncio.wait_for(account.done.wait(), pause)
        except asyncio.TimeoutError:
            result = what()
            if asyncio.iscoroutine(result):
                await result


async def watch_the_machine(account):
    """A machine so busy that this program itself stands still excuses what runs then."""
    while not account.done.is_set():
        began = now()
        await asyncio.sleep(0.1)
        if now() - began > 1:
            account.counts["times that the campaign itself stood still"] += 1
            account.outages.append([began - 5, now() + 1])


def troubles(account, gate):
    """What is done to the gate, and how many seconds lie between."""
    dice = random.Random(4)

    async def end():
        async with gate.ordeal, gate.changing:
            kind = dice.choice((signal.SIGKILL, signal.SIGTERM))
            account.faults[f"the gate: {kind.name}"] += 1
            await gate.restart(kind)

    async def hang_up():
        async with gate.ordeal:
            account.faults["storm of SIGHUP"] += 1
            gate.configure(dice.choice(("2500ms", "3s", "3500ms")))
            for _ in range(50):
                gate.process.send_signal(signal.SIGHUP)
                await asyncio.sleep(dice.uniform(0, 0.01))

    async def starve():
        async with gate.ordeal:
            account.faults["no descriptors left"] += 1
            gate.limit_descriptors(gate.descriptors() + dice.randint(0, 4))
            await asyncio.sleep(dice.uniform(0.5, 2))
            gate.limit_descriptors(None)

    async def kill_in_a_change():
        # Without the lock: the change that runs is cut short.
        async with gate.ordeal:
            account.faults["the gate: SIGKILL in a change"] += 1
            await gate.restart(signal.SIGKILL)

    return [
        (0.3, lambda: gate.change(dice)),
        (15, gate.edit),
        (10, lambda: gate.spoil(dice)),
        (30, end),
        (45, kill_in_a_change),
        (7, hang_up),
        (12, starve),
        (1, gate.look),
        (1, lambda: forget(gate)),
    ]


def forget(gate):
    keys = [gate.edited, *(key for keys in gate.flickering for key in keys)]
    for key in keys:
        key.forget(now() - 150)


async def check_at_the_end(account, gate):
    """Nothing is left behind, and the gate is as it should be."""
    while gate.ordeal.locked() or gate.changing.locked():
        await asyncio.sleep(0.1)
    await asyncio.sleep(2)
    status, state = await gate.admin("GET", "/v1/status")
    if status != 200 or state["fault"] is not None:
        account.violation(f"the status at the end: {status} {state}")
    for keys in gate.flickering:
        key = keys[-1]
        status, token = await gate.admin("GET", f"/v1/tokens/{key.sid}")
        if status != 200 or token["state"] != key.state:
            account.violation(f"{key.sid} is {token}, and was made {key.state}")
    # Its clients have gone: what is still counted as open has leaked.
    for name in ("sidgate_connections_open", "sidgate_tunnels_open", "sidgate_requests_in_flight"):
        by = now() + 10
        while (left := await gate.series(name)) and now() < by:
            await asyncio.sleep(0.1)
        if left:
            account.violation(f"{name} is {left} with no client")
    # Idle connections to upstreams, listeners, files.
    if gate.descriptors() > 300:
        account.violation(f"{gate.descriptors()} descriptors are open at the end")
    gate.process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(gate.process.wait(), 30)
    log = gate.path("log").read_text(errors="replace")
    if "panicked" in log:
        account.violation("a panic: " + log[log.index("panicked") - 200 :][:1000])
    audit = subprocess.run(
        [gate.binary, "audit", "verify", gate.path("audit.jsonl")], capture_output=True, text=True
    )
    if audit.returncode:
        account.violation(f"the audit: {audit.stdout} {audit.stderr}")
    left = [path.name for path in gate.folder.iterdir() if ".sidgate-" in path.name]
    if left:
        account.violation(f"left behind: {left}")
    if gate.memory > MEMORY:
        account.violation(f"{gate.memory} KiB of memory")


async def campaign(binary, seconds, seed, folder):
    random.seed(seed)
    account = Account()
    upstreams = [Upstream(account, seed * 10 + number) for number in range(3)]
    for upstream in upstreams:
        await upstream.listen()
    gate = Gate(account, binary, folder, upstreams)
    gate.lay()
    await gate.start()
    clients = Clients(account, gate, seed)
    kinds = [
        *[("kept connection", clients.small)] * 4,
        *[("new connection", clients.small)] * 2,
        *[("upload", clients.upload)] * 2,
        ("download", clients.download),
        ("pipelined", clients.pipelined),
        ("abort", clients.abort),
        *[("tunnel", clients.tunnel)] * 2,
        ("slow head", clients.slow),
    ]
    asking = [asyncio.create_task(clients.asks(kind, once)) for kind, once in kinds]
    asking += [asyncio.create_task(clients.streams()) for _ in range(2)]
    doing = [asyncio.create_task(upstream.run()) for upstream in upstreams]
    for pause, what in troubles(account, gate):
        doing.append(asyncio.create_task(every(account, pause, what)))
    doing.append(asyncio.create_task(watch_the_machine(account)))
    running = asyncio.gather(*asking, *doing)
    # A task that fails ends the campaign.
    await asyncio.wait([running], timeout=seconds)
    account.done.set()
    await asyncio.wait_for(running, 120)
    for request in account.open.values():
        account.violation(f"{request.number} ({request.kind}) was never accounted for")
    await check_at_the_end(account, gate)
    return account, gate


def main():
    binary, seconds = str(pathlib.Path(sys.argv[1]).resolve()), float(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    began = now()
    # Connections are cut everywhere, and asyncio has a word for each.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        account, gate = asyncio.run(campaign(binary, seconds, seed, folder))
        if account.violations:
            print(pathlib.Path(folder, "log").read_text(errors="replace")[-3000:])
    print(f"seed {seed}, {now() - began:.0f} s, at most {gate.memory >> 10} MiB of memory")
    for title, counts in (("requests", account.counts), ("faults", account.faults)):
        print(f"{title}:")
        for what, count in sorted(counts.items()):
            print(f"  {count:>9,}  {what}")
    print(f"{account.counts['violations']} violations, {sum(account.faults.values()):,} faults")
    sys.exit(bool(account.violations))


if __name__ == "__main__":
    main()
