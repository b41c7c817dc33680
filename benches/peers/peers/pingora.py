"""A proxy on the pingora crate, written for the comparison: `pingora-gate/`."""

import hashlib
import os

from harness import tools
from harness.tools import certificate
from .base import Peer


class Pingora(Peer):
    name = "pingora"
    cannot = frozenset({"reload"})

    def __init__(self):
        try:
            super().__init__(tools.build("pingora-gate") / "pingora-gate")
        except (OSError, tools.Unbuilt) as error:
            self.program, self.why = None, str(error)

    def missing(self):
        return None if self.program else self.why

    def version(self):
        lock = (tools.HERE / "pingora-gate" / "Cargo.lock").read_text()
        after = lock.partition('name = "pingora-proxy"\nversion = "')[2]
        return f"pingora-proxy {after.partition(chr(34))[0]}, OpenSSL"

    def configure(self, folder, job, port, upstream):
        chain, key, _ = certificate()
        self.write_tokens(folder, job.tokens)
        (folder / "rules").write_text("".join(f"{m} {t}\n" for m, t in job.rules))
        lines = {"listen": f"127.0.0.1:{port}", "upstream": f"127.0.0.1:{upstream}",
                 "users": folder / "users", "rules": folder / "rules", "threads": job.workers}
        if job.tls:
            lines |= {"certificate": chain, "private_key": key}
        if job.access_log:
            lines["log"] = folder / "access.log"
        (folder / "gate.conf").write_text("".join(f"{k} = {v}\n" for k, v in lines.items()))
        return [self.program, folder / "gate.conf"]

    def prepare_tokens(self, folder, tokens):
        (folder / "users.new").write_text("".join(
            f"{one.sid} {hashlib.sha256(one.secret.encode()).hexdigest()}\n" for one in tokens))
        return lambda: os.replace(folder / "users.new", folder / "users")

    def configuration(self, folder):
        return [folder / "gate.conf", folder / "rules"]
