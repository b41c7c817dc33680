"""What is measured: one file for each scenario, `measure(run)` in each."""

from . import throughput

SCENARIOS = {"throughput": throughput}
