"""Results as JSON, and from the JSON tables and charts: every number on a page is computed."""

import json
import statistics
import time

from . import bars, charts, machine
from .pairs import Results

UNITS = {
    "cpu_us": "CPU, µs for each request",
    "rate": "requests/s",
    "cpu_us_mib": "CPU, µs for each MiB",
    "memory_mib": "memory of the processes, MiB",
    "kernel_mib": "memory of the kernel's socket buffers, MiB",
    "kib": "memory, KiB for each connection",
    "p50": "p50, µs",
    "p99": "p99, µs",
    "p999": "p99.9, µs",
    "imbalance": "the busiest worker's CPU time over the average one's",
    "seconds_to_force": "seconds until a new token was admitted",
    "p99_steady": "p99 before the reload, µs",
    "p99_during": "p99 in the second that the reload falls into, µs",
    "max_during": "longest from then on, µs",
    "lost": "requests lost or refused",
    "memory_before_mib": "resident before, MiB",
    "memory_peak_mib": "resident at the peak, MiB",
    "memory_after_mib": "resident after, MiB",
}
# (file, scenario, case, metric, title): one chart each.
CHARTS = [
    ("cpu", "throughput", "1 token", "cpu_us", "CPU for an admitted request, HTTP/1.1, 1 token"),
    ("tokens", "credentials", "10,000 tokens", "cpu_us",
     "CPU for an admitted request, 10,000 tokens"),
    ("refused", "credentials", "wrong auth token", "cpu_us", "CPU for a refused request"),
    ("rules", "rules", "191 rules", "cpu_us",
     "CPU for an admitted request, the 191 rules of a real API"),
    ("tls-http1", "tls", "HTTP/1.1, 64 connections", "cpu_us",
     "CPU for an admitted request, HTTPS, HTTP/1.1"),
    ("tls-http2", "tls", "HTTP/2, 16 x 16 streams", "cpu_us",
     "CPU for an admitted request, HTTPS, HTTP/2"),
    ("handshake", "tls", "full handshake", "cpu_us", "CPU for a full TLS 1.3 handshake"),
    ("latency", "latency", "half load", "p99", "Latency at half load, p99"),
    ("idle", "idle", "HTTP/1.1", "kib", "Memory of an idle connection, HTTP/1.1"),
    ("idle-http2", "idle", "TLS, HTTP/2", "kib", "Memory of an idle connection, HTTP/2 over TLS"),
]


def _read(folder):
    path = folder / "results.json"
    return json.loads(path.read_text()) if path.exists() else {"runs": {}}


def merge(folder, run, scenario, began, missing):
    """Puts the measures of one scenario in the place of those of an earlier run."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = _read(folder)
    stored["runs"][scenario] = {
        "date": time.strftime("%Y-%m-%d", time.gmtime(began)),
        "machine": machine.describe(),
        "pinned": {"proxy": machine.PROXY, "load": machine.LOAD,
                   "upstream": machine.UPSTREAM},
        "pairs": run.pairs,
        "seconds": run.seconds,
        "quick": run.quick,
        "gate": run.sidgates[0].name,
        "versions": {one.name: one.version()
                     for one in [*run.sidgates, *run.others, run.relay]},
        "missing": missing,
        **run.results.only(scenario).plain(),
    }
    (folder / "results.json").write_text(json.dumps(stored, indent=1) + "\n")
    for name, files in run.configurations.items():
        if not files:
            continue
        place = folder / "configurations" / name.replace(":", "-")
        place.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            (place / file).write_text(text)


def figure(value):
    if value is None:
        return ""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def table(head, rows, numbers=True):
    lines = ["| " + " | ".join(head) + " |",
             "| --- |" + (" ---: |" if numbers else " --- |") * (len(head) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def rewrite(folder):
    """Makes tables and charts anew from what is stored."""
    from scenarios import SCENARIOS

    stored = _read(folder)
    runs = {name: stored["runs"][name] for name in SCENARIOS if name in stored["runs"]}
    results = {name: Results.of_plain(run) for name, run in runs.items()}
    text = ["# sidgate and its peers, side by side\n",
            "Made by `benches/peers/run`; [how to read it](../NOTES.md), "
            "[every measure](results.json), [every configuration](configurations).\n"]
    if any(run["quick"] for run in runs.values()):
        text.append("**A quick run: it shows that everything works, and measures nothing.**\n")
    text.append(_setting(runs))
    text.append(_bars(runs, results))
    for name, run in runs.items():
        text.append(f"## {SCENARIOS[name].TITLE}\n")
        for chart in CHARTS:
            if chart[1] == name and _chart(folder, chart, run, results[name]):
                text.append(f"![{chart[4]}]({chart[0]}.svg)\n")
        text.append(_section(name, run, results[name]))
    (folder / "results.md").write_text("\n".join(text))


def _setting(runs):
    lines = {}
    for name, run in runs.items():
        at = run["machine"]
        line = (f"{run['date']}, {at['cores']} cores of {at['cpu']}, {at['memory_gib']} GiB, "
                f"{at['kernel']}; cores: proxy {run['pinned']['proxy'][0]}, load "
                f"{run['pinned']['load'][0]}, upstream {run['pinned']['upstream'][0]}; "
                f"{run['pairs']} rounds of {run['seconds']} s; "
                f"{at['wrk'].partition(' Copyright')[0]}, {at['h2load']}")
        lines.setdefault(line, []).append(name)
    versions, missing = {}, {}
    for scenario, run in runs.items():
        for name, version in run["versions"].items():
            versions.setdefault(name, {}).setdefault(version, []).append(scenario)
        missing.update(run["missing"])
    text = [f"- {', '.join(names)}: {line}" if len(lines) > 1 else f"- {line}"
            for line, names in lines.items()]
    text += [f"- not here: {name}: {why}" for name, why in missing.items()]
    # What was measured in several runs may have been built in between.
    rows = [[name, version + (f": {', '.join(of)}" if len(found) > 1 else "")]
            for name, found in versions.items() for version, of in found.items()]
    return "\n".join([*text, "", table(["proxy", "version"], rows, numbers=False)])


def _bars(runs, results):
    gates = {run["gate"] for run in runs.values()}
    if len(gates) != 1:
        return ""
    head = ["what", "against", "bar", "aim", "measured", "smallest to largest", ""]
    return ("## The bars\n\nRatios of the gate's figure to the other's, medians of the rounds; all "
            "are upper bounds.\n\n" + table(head, bars.rows(results, gates.pop())))


def _ordered(items):
    return list(dict.fromkeys(items))


def _chart(folder, chart, run, results):
    file, scenario, case, metric, title = chart
    values = []
    for subject in _ordered(one.subject for one in results.measures):
        found = list(results.values(scenario, case, subject, metric).values())
        if found:
            values.append((subject, statistics.median(found), min(found), max(found)))
    if not values:
        return False
    values.sort(key=lambda value: value[1])
    (folder / f"{file}.svg").write_text(charts.bars(title, UNITS[metric], values, run["gate"]))
    return True


def _section(scenario, run, results):
    """One table for each metric: subjects down, cases across, with the gate's ratio to each."""
    gate = run["gate"]
    subjects = _ordered(one.subject for one in results.measures)
    text = []
    for metric in _ordered(one.metric for one in results.measures):
        if metric == "busy":
            continue
        cases = _ordered(one.case for one in results.measures if one.metric == metric)
        rows = []
        for subject in subjects:
            cells = [_cell(results, scenario, case, gate, subject, metric) for case in cases]
            if any(cells):
                rows.append([subject, *cells])
        text.append(f"{UNITS.get(metric, metric)}; in parentheses {gate}'s over it: median, "
                    f"smallest and largest of the rounds, bold where {gate} loses\n")
        text.append(table(["", *cases], rows))
    return "\n".join([*text, *_notes(run["notes"]), ""])


def _notes(notes):
    """One line for each remark, with all that it is said of."""
    said = {}
    for one in notes:
        said.setdefault(one["note"], {}).setdefault(one["case"], []).append(one["subject"])
    for note, cases in said.items():
        of = "; ".join(f"{case}: {', '.join(subjects)}" for case, subjects in cases.items())
        yield f"- {note} ({of})"


def _cell(results, scenario, case, gate, subject, metric):
    text = figure(results.median(scenario, case, subject, metric))
    ratio = results.ratio((scenario, case, gate, metric), (scenario, case, subject, metric))
    if text and ratio and subject != gate:
        middle = f"{ratio[0]:.2f}"
        # Of requests per second more is better, of all else less; the floor is no peer.
        loses = ratio[0] < 1 if metric == "rate" else ratio[0] > 1
        if loses and subject not in ("relay", "direct"):
            middle = f"**{middle}**"
        text += f" ({middle}; {ratio[1]:.2f} to {ratio[2]:.2f})"
    return text
