"""What is measured: one file for each scenario, `measure(run)` in each."""

from . import bodies, credentials, idle, latency, reload, rules, scaling, throughput, tls

# In the order of a whole run: latency takes its rate from the rates of the first.
SCENARIOS = {
    "throughput": throughput,
    "credentials": credentials,
    "rules": rules,
    "tls": tls,
    "latency": latency,
    "bodies": bodies,
    "idle": idle,
    "reload": reload,
    "scaling": scaling,
}
