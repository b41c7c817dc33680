"""Results as JSON, and from the JSON the tables: every number on a page is computed here."""

import json
import time

from . import bars, machine
from .pairs import Results

UNITS = {
    "cpu_us": "CPU µs/request",
    "rate": "requests/s",
    "busy": "of its core",
}


def _read(folder):
    path = folder / "results.json"
    return json.loads(path.read_text()) if path.exists() else {"runs": {}}


def merge(folder, run, scenario, began, missing):
    """Puts the measures of one scenario in the place of those of an earlier run."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = _read(folder)
    mine = Results([one for one in run.results.measures if one.scenario == scenario],
                   [one for one in run.results.notes if one["scenario"] == scenario])
    everybody = [*run.sidgates, *run.others, run.relay]
    stored["runs"][scenario] = {
        "date": time.strftime("%Y-%m-%d", time.gmtime(began)),
        "machine": machine.describe(),
        "pinned": {"proxy": machine.PROXY, "load": machine.LOAD},
        "pairs": run.pairs,
        "seconds": run.seconds,
        "quick": run.quick,
        "gate": run.sidgates[0].name,
        "versions": {one.name: one.version() for one in everybody},
        "missing": missing,
        **mine.plain(),
    }
    (folder / "results.json").write_text(json.dumps(stored, indent=1) + "\n")
    for name, files in run.configurations.items():
        place = folder / "configurations" / name.replace(":", "-")
        place.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            (place / file).write_text(text)


def figure(value):
    if value is None:
        return ""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 10 else f"{value:.1f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |",
             "| --- |" + " ---: |" * (len(head) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _ordered(items):
    return list(dict.fromkeys(items))


def _section(scenario, title, stored, results):
    """One table for each metric: subjects down, cases across; then ratios to the gate."""
    gate = stored["gate"]
    measures = results.measures
    cases = _ordered(one.case for one in measures)
    subjects = _ordered(one.subject for one in measures)
    text = [f"## {title}\n"]
    for metric in _ordered(one.metric for one in measures):
        if metric == "busy":
            continue
        with_it = [case for case in cases
                   if any(one.case == case and one.metric == metric for one in measures)]
        rows = []
        for subject in subjects:
            row = [subject]
            for case in with_it:
                value = results.median(scenario, case, subject, metric)
                ratio = results.ratio((scenario, case, gate, metric),
                                      (scenario, case, subject, metric))
                cell = figure(value)
                if ratio and subject != gate:
                    cell += f" ({ratio[0]:.2f}; {ratio[1]:.2f} to {ratio[2]:.2f})"
                row.append(cell)
            if any(row[1:]):
                rows.append(row)
        text.append(f"{UNITS.get(metric, metric)}; in parentheses, {gate}'s over it: "
                    "median, smallest and largest of the rounds\n")
        text.append(table(["", *with_it], rows))
    notes = [f"- {one['case']}: {one['subject']}: {one['note']}" for one in stored["notes"]]
    if notes:
        text.append("\n".join(_ordered(notes)) + "\n")
    return "\n".join(text)


def rewrite(folder):
    """Makes the tables anew from what is stored."""
    from scenarios import SCENARIOS

    stored = _read(folder)
    runs = {name: stored["runs"][name] for name in SCENARIOS if name in stored["runs"]}
    results = {name: Results.of_plain(run) for name, run in runs.items()}
    text = ["# sidgate and its peers, side by side\n",
            "Made by `benches/peers/run`; [how to read it](../NOTES.md), "
            "[every measure](results.json).\n"]
    if any(run["quick"] for run in runs.values()):
        text.append("**A quick run: it shows that everything works, and measures nothing.**\n")
    text.append(_setting(runs))
    text.append(bars.render(results, runs))
    for name, run in runs.items():
        text.append(_section(name, SCENARIOS[name].TITLE, run, results[name]))
    (folder / "results.md").write_text("\n".join(text))


def _setting(runs):
    lines = []
    for name, run in runs.items():
        at = run["machine"]
        lines.append(f"{run['date']}, {at['cores']} cores of {at['cpu']}, {at['kernel']}; "
                     f"proxy on core {run['pinned']['proxy'][0]}, load and upstream on core "
                     f"{run['pinned']['load'][0]}; {run['pairs']} rounds of {run['seconds']} s; "
                     f"{at['wrk'].partition(' Copyright')[0]}, {at['h2load']}")
    versions = {}
    for run in runs.values():
        versions.update(run["versions"])
    text = [*(f"- {line}" for line in _ordered(lines)), "",
            table(["proxy", "version"], [[k, v] for k, v in versions.items()])]
    return "\n".join(text)
