"""sidgate."""

import hashlib
import os
import tomllib

from harness import machine, tools
from harness.tools import certificate
from .base import Peer

MAIN = """\
[proxy]
listen = ["127.0.0.1:{port}"]
workers = {workers}
{tls}
[[upstream]]
name = "default"
servers = ["http://127.0.0.1:{upstream}"]

[upstream.timeouts]
keep_alive = "1h"

[files]
catalog = "catalog.toml"
tokens = "tokens.toml"
# A million tokens: the bounds are for people's files.
max_size = "1GiB"
max_tokens = 2000000

# As for every proxy here: ten thousand connections of one peer, kept for as long as a run.
[limits]
connections = 30000
connections_per_peer = 30000
requests_in_flight = 30000

[timeouts]
keep_alive = "1h"
send_idle = "1h"

[access_log]
output = "{log}"

[log]
level = "warn"
"""

CATALOG = """\
[versions]
latest = "16"

[[versions.version]]
id = "16"

"""


class Sidgate(Peer):
    name = "sidgate"
    # One that is built to be profiled writes its profile at its end.
    patience = 5

    def __init__(self, program, name="sidgate"):
        super().__init__(program)
        self.name = name

    def version(self):
        git = ("git", "-C", tools.REPOSITORY)
        commit = machine.first_line(*git, "describe", "--always")
        # Results that this run has written are no change of what it measures.
        changed = machine.first_line(*git, "status", "--porcelain", "--", ":/",
                                     ":/!benches/peers/results")
        return (f"{machine.first_line(self.program, '--version')}, beside commit {commit}"
                f"{' and changes' if changed else ''}")

    def configure(self, folder, job, port, upstream):
        chain, key, _ = certificate()
        (folder / "sidgate.toml").write_text(MAIN.format(
            port=port,
            workers=job.workers,
            tls=f'tls = {{ certificate = "{chain}", private_key = "{key}" }}\n' if job.tls else "",
            upstream=upstream,
            log=f"file:{folder}/access.log" if job.access_log else "off",
        ))
        (folder / "catalog.toml").write_text(catalog(job))
        self.write_tokens(folder, job.tokens)
        return [self.program, "serve", "--config", folder / "sidgate.toml"]

    def prepare_tokens(self, folder, tokens):
        scopes = [scope["id"]
                  for category in tomllib.loads((folder / "catalog.toml").read_text())["category"]
                  for scope in category["scope"]]
        granted = ", ".join(f'"{scope}"' for scope in scopes)
        with open(folder / "tokens.new", "w", encoding="ascii") as file:
            for one in tokens:
                digest = hashlib.sha256(one.secret.encode()).hexdigest()
                file.write(f'[[token]]\nsid = "{one.sid}"\nname = "Reporting"\n'
                           f'scopes = [{granted}]\ndigest = "sha256:{digest}"\n\n')
        return lambda: os.replace(folder / "tokens.new", folder / "tokens.toml")

    def reload(self, running):
        """The files are watched: the move that replaced one was the reload."""

    def configuration(self, folder):
        return [folder / "sidgate.toml", folder / "catalog.toml"]


def catalog(job):
    """One scope for every hundred rules, all of them granted."""
    limits = '["4000000000/day"]' if job.limit else "[]"
    text = [CATALOG, f'[[category]]\nname = "All"\nlimits = {limits}\n']
    for number, begin in enumerate(range(0, len(job.rules), 100)):
        text.append(f'\n[[category.scope]]\nid = "scope-{number}"\nname = "Scope"\nallow = [\n')
        text += [f'    "{method} {template}",\n'
                 for method, template in job.rules[begin:begin + 100]]
        text.append("]\n")
    return "".join(text)
