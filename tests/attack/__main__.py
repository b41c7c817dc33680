"""Attacks on a gate by tools that others wrote: one line for each, and what they found.

Started by `scripts/attack`, which installs the tools and builds the gate."""

import argparse
import importlib
import os
import shutil
import sys
import time
import traceback

# By the module's name: the tool, the programs that it takes, and whether a quick run has it.
ATTACKS = {
    "slow": ("slowhttptest", ["slowhttptest"], True),
    "guessing": ("hydra", ["hydra"], True),
    "paths": ("ffuf", ["ffuf"], True),
    "frames": ("h2, hpack, hyperframe", [], True),
    "websocket": ("kosoku (Autobahn)", [], True),
    "tls": ("sslscan, testssl.sh", ["openssl", "sslscan", "testssl"], True),
    # A quick run of it is among the tests.
    "admin": ("schemathesis", [], False),
}


def main():
    parser = argparse.ArgumentParser(prog="scripts/attack", description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("--quick", action="store_true", help="what takes a minute in all")
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn at random")
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", help=", ".join(ATTACKS))
    context = parser.parse_intermixed_args()
    chosen = context.attacks or [
        name for name, (_, _, quick) in ATTACKS.items() if quick or not context.quick
    ]
    if unknown := set(chosen) - ATTACKS.keys():
        parser.error(f"no such attack: {', '.join(sorted(unknown))}")
    print(f"{'attack':<10} {'by':<22} {'seconds':>7} {'findings':>8}  tried", flush=True)
    found = 0
    for name in chosen:
        tool, programs, _ = ATTACKS[name]
        if missing := [program for program in programs if not shutil.which(program)]:
            # Under CI nothing may be skipped.
            found += "CI" in os.environ
            print(f"{name:<10} {tool:<22} SKIPPED: {', '.join(missing)} is missing", flush=True)
            continue
        began = time.monotonic()
        try:
            tried, findings = importlib.import_module(name).run(context)
        except Exception:  # An attack that could not be made has shown nothing.
            tried, findings = "not all of it", [traceback.format_exc()]
        took = time.monotonic() - began
        print(f"{name:<10} {tool:<22} {took:>7.0f} {len(findings):>8}  {tried}", flush=True)
        for finding in findings[:20]:
            print(f"    {finding}", flush=True)
        found += len(findings)
    return 1 if found else 0


sys.exit(main())
