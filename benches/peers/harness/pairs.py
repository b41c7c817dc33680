"""Measures, and the order they are taken in.

Within a round every subject runs once, one after the other, so that a ratio compares
neighbours in time; a round begins with another subject than the one before, so that none
is always first. A ratio is taken within each round; what is told is the median of the
ratios, with the smallest and the largest.
"""

import statistics
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Measure:
    """One figure of one subject in one round."""

    scenario: str
    case: str
    subject: str
    metric: str
    round: int
    value: float


@dataclass
class Results:
    """All measures of a run, and what could not be measured."""

    measures: list = field(default_factory=list)
    notes: list = field(default_factory=list)

    def add(self, scenario, case, subject, metric, round_, value):
        self.measures.append(Measure(scenario, case, subject, metric, round_, value))

    def note(self, scenario, case, subject, text):
        entry = {"scenario": scenario, "case": case, "subject": subject, "note": text}
        if entry not in self.notes:
            self.notes.append(entry)

    def values(self, scenario, case, subject, metric):
        """By round."""
        return {
            one.round: one.value
            for one in self.measures
            if (one.scenario, one.case, one.subject, one.metric)
            == (scenario, case, subject, metric)
        }

    def median(self, scenario, case, subject, metric):
        values = self.values(scenario, case, subject, metric).values()
        return statistics.median(values) if values else None

    def ratio(self, over, under):
        """Median, smallest and largest of the ratios of the rounds that both were in."""
        above, below = self.values(*over), self.values(*under)
        ratios = [above[one] / below[one] for one in above if below.get(one)]
        if not ratios:
            return None
        return statistics.median(ratios), min(ratios), max(ratios)

    def only(self, scenario):
        """Those of one scenario."""
        return Results([one for one in self.measures if one.scenario == scenario],
                       [one for one in self.notes if one["scenario"] == scenario])

    def plain(self):
        return {"measures": [asdict(one) for one in self.measures], "notes": self.notes}

    @classmethod
    def of_plain(cls, plain):
        return cls([Measure(**one) for one in plain["measures"]], list(plain["notes"]))


def rounds(subjects, count):
    """(round, subject), every subject once a round, each round beginning with another."""
    subjects = list(subjects)
    for number in range(count):
        turn = number % len(subjects)
        for subject in subjects[turn:] + subjects[:turn]:
            yield number, subject
