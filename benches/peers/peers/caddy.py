"""Caddy."""

import subprocess

from harness import machine
from harness.tools import certificate, packaged
from .base import Peer, regex

MAIN = """\
{{
	admin off
	auto_https off
	persist_config off
	log {{
		output discard
	}}
	servers {{
		timeouts {{
			idle 1h
		}}
	}}
}}

{address} {{
	bind 127.0.0.1
{tls}{log}
	route {{
		# bcrypt alone ("basic_auth"), with its cache of hashes on, as it is by itself.
		basic_auth bcrypt api {{
{users}
		}}
{rules}
		handle @known {{
			reverse_proxy 127.0.0.1:{upstream} {{
				header_up -Authorization
				header_up X-Auth-Sid {{http.auth.user.id}}
				# "reverse_proxy", http transport: as many idle connections as clients.
				transport http {{
					keepalive 1h
					keepalive_idle_conns_per_host 1024
				}}
			}}
		}}
		respond 403
	}}
}}
"""


class Caddy(Peer):
    name = "caddy"
    most_tokens = 1
    why_not_more = "knows bcrypt alone, and remembers a thousand of its hashes"
    most_rules = 191
    cannot = frozenset({"reload"})
    # bcrypt at the cost that its own tool takes is a second here: one hash is made, once.
    hashes = {}

    def __init__(self):
        super().__init__(packaged("caddy"))

    def version(self):
        return machine.first_line(self.program, "version")

    def environment(self, job):
        return {"GOMAXPROCS": str(job.workers), "HOME": "/tmp"}

    def hashed(self, secret):
        if secret not in self.hashes:
            done = subprocess.run([self.program, "hash-password", "--plaintext", secret],
                                  capture_output=True, text=True, check=True)
            self.hashes[secret] = done.stdout.strip()
        return self.hashes[secret]

    def configure(self, folder, job, port, upstream):
        chain, key, _ = certificate()
        scheme = "https" if job.tls else "http"
        # Matchers of one name are one set each: several rules are a named matcher of expressions.
        rules = " || ".join(f"(method('{rule[0]}') && path_regexp('{regex(rule)}'))"
                            for rule in job.rules)
        (folder / "Caddyfile").write_text(MAIN.format(
            address=f"{scheme}://localhost:{port}, {scheme}://127.0.0.1:{port}",
            tls=f"\ttls {chain} {key}\n" if job.tls else "",
            log=f"\tlog {{\n\t\toutput file {folder}/access.log\n\t}}\n" if job.access_log else "",
            users="\n".join(f"\t\t\t{one.sid} {self.hashed(one.secret)}" for one in job.tokens),
            rules=("\t\t@known {\n\t\t\tmethod %s\n\t\t\tpath_regexp %s\n\t\t}"
                   % (job.rules[0][0], regex(job.rules[0]))
                   if len(job.rules) == 1 else f"\t\t@known expression `{rules}`"),
            upstream=upstream,
        ))
        return [self.program, "run", "--config", folder / "Caddyfile", "--adapter", "caddyfile"]

    def configuration(self, folder):
        return [folder / "Caddyfile"]
