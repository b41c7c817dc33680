"""The bars: ratios that sidgate set itself, and whether it keeps them. Computed here from the
stored measures, never written by hand. All are upper bounds."""

import statistics
from dataclasses import dataclass

# Stands for the sidgate that was measured, whatever name its build was given.
GATE = "the gate"


@dataclass(frozen=True)
class Bar:
    """`over` and `under` are (scenario, case, subject, metric); without `under` the figure
    itself is bounded. With `less`, that figure is taken off both first."""

    what: str
    against: str
    over: tuple
    under: tuple | None
    bound: float | None
    aim: float | None = None
    less: tuple | None = None
    unit: str = ""


def cpu(scenario, case, subject=GATE):
    return (scenario, case, subject, "cpu_us")


def against(what, scenario, case, peers, *, mine=None, metric="cpu_us", less=None):
    """The same figure of several peers: {peer: (bound, aim)}."""
    return [
        Bar(what, peer, (scenario, mine or case, GATE, metric), (scenario, case, peer, metric),
            bound, aim, less)
        for peer, (bound, aim) in peers.items()
    ]


BARS = [
    *against("CPU per admitted request, 10,000 tokens in each", "credentials", "10,000 tokens",
             {"haproxy": (0.75, None), "nginx": (0.10, None), "envoy": (0.27, None)}),
    *against("the same, sidgate with 10,000 tokens, the other with one", "throughput", "1 token",
             {"haproxy": (1.00, 0.90), "nginx": (0.90, 0.80), "relay": (1.50, 1.40)},
             mine="10,000 tokens"),
    Bar("access log, metrics and a limit on", "off", cpu("throughput", "log on"),
        cpu("throughput", "log off"), 1.10, 1.05),
    Bar("1,000,000 tokens", "10 tokens", cpu("credentials", "1,000,000 tokens"),
        cpu("credentials", "10 tokens"), 1.05),
    Bar("10,000 rules", "10 rules", cpu("rules", "10,000 rules"), cpu("rules", "10 rules"), 1.05),
    *against("a refused request: wrong auth token", "credentials", "wrong auth token",
             {"haproxy": (0.75, 0.65)}),
    *against("a refused request: unknown SID", "credentials", "unknown SID",
             {"haproxy": (0.75, 0.65)}),
    *against("HTTPS, HTTP/1.1", "tls", "HTTP/1.1, 64 connections",
             {"nginx": (0.90, None), "haproxy": (1.00, 0.85)}),
    *against("HTTPS, HTTP/2", "tls", "HTTP/2, 16 x 16 streams",
             {"nginx": (1.00, None), "haproxy": (None, 1.00)}),
    *against("full TLS handshake", "tls", "full handshake", {"nginx": (0.80, 0.60)}),
    *(bar for metric in ("p50", "p99", "p999")
      for bar in against(f"added latency at half load, {metric}", "latency", "half load",
                         {"haproxy": (1.00, None)}, metric=metric,
                         less=("latency", "half load", "direct", metric))),
    *(bar for way in ("down", "up")
      for bar in against(f"16 MiB bodies {way}, CPU per byte", "bodies", f"16 MiB {way}",
                         {"nginx": (1.00, None)}, metric="cpu_us_mib")),
    Bar("idle connection, HTTP/1.1", "", ("idle", "HTTP/1.1", GATE, "kib"), None, 8, 4,
        unit=" KiB"),
    *(bar for kind in ("TLS, HTTP/1.1", "TLS, HTTP/2")
      for bar in against(f"idle connection, {kind}", "idle", kind, {"envoy": (0.50, None)},
                         metric="kib")),
    Bar("reload of 100,000 tokens under load: requests lost", "",
        ("reload", "100,000 tokens", GATE, "lost"), None, 0),
    Bar("the same: p99 during it", "steady", ("reload", "100,000 tokens", GATE, "p99_during"),
        ("reload", "100,000 tokens", GATE, "p99_steady"), 2.0, 1.1),
    Bar("the same: memory at its peak", "before",
        ("reload", "100,000 tokens", GATE, "memory_peak_mib"),
        ("reload", "100,000 tokens", GATE, "memory_before_mib"), 2.5),
    Bar("CPU per request, one worker a core", "one worker", cpu("scaling", "a worker a core"),
        cpu("scaling", "1 worker"), 1.10),
]


def measured(bar, results, gate):
    """Median, smallest and largest; None where it was not measured."""

    def values(of):
        scenario, case, subject, metric = of
        found = results.get(scenario)
        return found.values(scenario, case, gate if subject == GATE else subject, metric) \
            if found else {}

    over = values(bar.over)
    if bar.under is None:
        ratios = list(over.values())
    else:
        under = values(bar.under)
        less = values(bar.less) if bar.less else {}
        ratios = []
        for number in over.keys() & under.keys():
            above, below = over[number], under[number]
            # What no proxy at all takes is no proxy's doing. Where noise leaves nothing to
            # divide by, the two are compared as they are.
            if number in less and min(above, below) > less[number]:
                above, below = above - less[number], below - less[number]
            if below > 0:
                ratios.append(above / below)
    if not ratios:
        return None
    return statistics.median(ratios), min(ratios), max(ratios)


def verdict(bar, value):
    """What a reader asks: is it kept?"""
    if bar.bound is None:
        return "aim met" if value <= bar.aim else "aim missed"
    if value > bar.bound:
        return "**missed**"
    if bar.aim is None:
        return "met"
    return "met, aim met" if value <= bar.aim else "met, aim missed"


def rows(results, gate):
    """One row for each bar: texts."""

    def plain(number):
        return "" if number is None else f"{number:g}{bar.unit}"

    found = []
    for bar in BARS:
        value = measured(bar, results, gate)
        shown = "not measured" if value is None else f"{value[0]:.2f}{bar.unit}"
        spread = "" if value is None else f"{value[1]:.2f} to {value[2]:.2f}"
        found.append([bar.what, bar.against, plain(bar.bound), plain(bar.aim), shown, spread,
                      "" if value is None else verdict(bar, value[0])])
    return found
