"""HAProxy."""

import os
import signal
import socket

from harness import machine
from harness.tools import certificate
from .base import Peer, regex

MAIN = """\
global
    # "Management guide": one thread for each core that it is given.
    nbthread {workers}
    # As many as there may be files; twice as many would be needed if each had a server's.
    maxconn 15000
    ulimit-n {files}
    no strict-limits
    # The process replaces itself at a reload and hands over its listeners.
    stats socket {socket} mode 600 level admin expose-fd listeners
    ssl-default-bind-options ssl-min-ver TLSv1.2
    tune.ssl.cachesize 20000
    # "tune.h2.max-concurrent-streams" as for the others.
    tune.h2.max-concurrent-streams 128
{log_global}
defaults
    mode http
    # Connections to the server are kept and shared ("http-reuse always", "pool-max-conn").
    option http-keep-alive
    http-reuse always
    maxconn 15000
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout http-keep-alive 1h
{log_default}
userlist holders
{users}
frontend gate
    bind 127.0.0.1:{port}{tls} backlog 4096
    # "path_reg" is advised against where "path_beg" and "path_end" do; these are cheaper.
    acl known http_auth(holders)
    http-request auth realm api unless known
{rules}
    http-request set-header X-Auth-Sid %[http_auth_user]
    http-request del-header Authorization
    default_backend api

backend api
    server one 127.0.0.1:{upstream} pool-max-conn -1 pool-purge-delay 1h
"""


class Haproxy(Peer):
    name = "haproxy"
    most_tokens = 10_000
    why_not_more = "goes through its list of users one by one"
    _sink = None

    def configure(self, folder, job, port, upstream):
        self._render = lambda tokens: MAIN.format(
            workers=job.workers,
            # Abstract: a path has a hundred characters at most, and would be left behind.
            socket=f"abns@peers-{port}",
            files=machine.open_files(),
            log_global=f"    log {self._log_address()} local0\n" if job.access_log else "",
            log_default="    log global\n    option httplog\n" if job.access_log else "",
            # Plain text is the cheapest that it reads ("insecure-password").
            users="".join(f"    user {t.sid} insecure-password {t.secret}\n" for t in tokens),
            port=port,
            tls=f" ssl crt {certificate()[2]} alpn h2,http/1.1" if job.tls else "",
            rules=self._rules(folder, job.rules),
            upstream=upstream,
        )
        self.write_tokens(folder, job.tokens)
        return [self.program, "-W", "-db", "-f", folder / "haproxy.cfg"]

    def _log_address(self):
        # A socket that nobody reads takes datagrams and drops them: no syslog costs less.
        self._sink = self._sink or socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if not self._sink.getsockname()[1]:
            self._sink.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{self._sink.getsockname()[1]}"

    def _rules(self, folder, rules):
        if len(rules) == 1:
            method, template = rules[0]
            before, after = template.split("{sid}")
            return (f"    http-request deny unless {{ method {method} }} "
                    f"{{ path_beg {before} }} {{ path_end {after} }}")
        # Many patterns are a file of them ("Using ACLs": -f), tried in turn.
        patterns = (f"^{rule[0]} {regex(rule)[1:]}\n" for rule in rules)
        (folder / "rules.lst").write_text("".join(patterns))
        return ('    http-request set-var-fmt(txn.what) "%[method] %[path]"\n'
                f"    http-request deny unless {{ var(txn.what) -m reg -f {folder}/rules.lst }}")

    def prepare_tokens(self, folder, tokens):
        (folder / "haproxy.new").write_text(self._render(tokens))
        return lambda: os.replace(folder / "haproxy.new", folder / "haproxy.cfg")

    def reload(self, running):
        """A signal to the master: a new process takes the listeners over."""
        running.process.signal(signal.SIGUSR2)

    def configuration(self, folder):
        return [folder / "haproxy.cfg"]
