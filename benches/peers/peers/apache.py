"""Apache httpd."""

import os
import shutil
import subprocess
from pathlib import Path

from harness import machine
from harness.tools import certificate
from .base import Peer, by_pattern, sha1

MODULES = ["mpm_event", "authn_core", "authn_file", "authn_dbm", "authz_core", "authz_user",
           "auth_basic", "headers", "proxy", "proxy_http", "ssl", "http2", "socache_shmcb",
           "log_config", "allowmethods"]
# What Debian's build may have compiled in rather than as a module.
FOLDER = Path("/usr/lib/apache2/modules")

MAIN = """\
ServerRoot "{folder}"
ServerName localhost
PidFile {folder}/httpd.pid
ErrorLog {folder}/error.log
LogLevel error
# It does not serve as root; elsewhere these two are ignored.
User www-data
Group www-data
{modules}
Listen 127.0.0.1:{port}
ListenBacklog 4096

# "Apache Performance Tuning" and "event": one process, a thread for each request at work,
# idle connections held without one.
StartServers {workers}
ServerLimit {workers}
ThreadLimit 128
ThreadsPerChild 128
MaxRequestWorkers {threads}
MinSpareThreads 1
MaxSpareThreads {threads}
AsyncRequestWorkerFactor 200
MaxConnectionsPerChild 0

KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 3600
HostnameLookups Off
EnableSendfile On
Timeout 3600
{log}{tls}
<Proxy "http://127.0.0.1:{upstream}">
    # "mod_proxy": connections are kept and reused.
    ProxySet enablereuse=on keepalive=on max=1024 ttl=3600
</Proxy>
<Location "/">
    AuthType Basic
    AuthName api
{holders}
    <RequireAll>
        Require valid-user
        Require env known
    </RequireAll>
</Location>
{rules}
ProxyRequests Off
ProxyPreserveHost Off
ProxyPass "/" "http://127.0.0.1:{upstream}/"
"""

# The credentials are asked for first, for a path that no rule names too.
RULE = """\
<LocationMatch "{regex}">
    <RequireAll>
        Require valid-user
        Require method {methods}
    </RequireAll>
    RequestHeader set X-Auth-Sid "expr=%{{REMOTE_USER}}"
    RequestHeader unset Authorization
</LocationMatch>
"""

TLS = """\
SSLEngine on
SSLCertificateFile {chain}
SSLCertificateKeyFile {key}
SSLProtocol -all +TLSv1.2 +TLSv1.3
SSLSessionCache "shmcb:{folder}/sessions(5120000)"
Protocols h2 http/1.1
H2MaxSessionStreams 128
"""


class Apache(Peer):
    name = "apache"
    # "LocationMatch" sections are gone through one by one.
    most_rules = 10_000

    def __init__(self):
        super().__init__(shutil.which("apache2"))

    def configure(self, folder, job, port, upstream):
        chain, key, _ = certificate()
        (folder / "logs").mkdir()
        self.write_tokens(folder, job.tokens)
        holders = ("    AuthBasicProvider file\n    AuthUserFile {0}/htpasswd"
                   if len(job.tokens) == 1 else
                   # "mod_authn_dbm": for more users than a text file is meant for.
                   "    AuthBasicProvider dbm\n    AuthDBMType DB\n    AuthDBMUserFile {0}/htdbm")
        (folder / "httpd.conf").write_text(MAIN.format(
            folder=folder,
            modules="\n".join(f"LoadModule {name}_module {FOLDER}/mod_{name}.so"
                              for name in MODULES if (FOLDER / f"mod_{name}.so").exists()),
            port=port,
            workers=job.workers,
            threads=128 * job.workers,
            # Buffered, as "mod_log_config" has it for load.
            log=(f'BufferedLogs On\nCustomLog {folder}/access.log "%h %l %u %t \\"%r\\" %>s %b"\n'
                 if job.access_log else ""),
            tls=TLS.format(chain=chain, key=key, folder=folder) if job.tls else "",
            upstream=upstream,
            holders=holders.format(folder),
            rules="".join(RULE.format(regex=pattern, methods=" ".join(methods))
                          # Of sections that match, the last one holds ("Sections").
                          for pattern, methods in reversed(by_pattern(job.rules).items())),
        ))
        return [self.program, "-f", folder / "httpd.conf", "-DFOREGROUND"]

    def prepare_tokens(self, folder, tokens):
        lines = "".join(f"{sha1(one)}\n" for one in tokens)
        if len(tokens) == 1:
            (folder / "htpasswd.new").write_text(lines)
            return lambda: os.replace(folder / "htpasswd.new", folder / "htpasswd")
        # One call for each user would take minutes: the library behind htdbm takes them all.
        subprocess.run(["perl", "-e", FILL, folder / "htdbm.new"], input=lines, text=True,
                       check=True)
        return lambda: os.replace(folder / "htdbm.new", folder / "htdbm")

    def reload(self, running):
        """The users are looked up in their file at each request: there is nothing to say."""

    def configuration(self, folder):
        return [folder / "httpd.conf"]

    def version(self):
        return machine.first_line(self.program, "-v")


FILL = ('use DB_File; tie my %users, "DB_File", $ARGV[0], O_RDWR|O_CREAT|O_TRUNC, 0644, $DB_HASH '
        'or die $!; while (<STDIN>) { chomp; my ($sid, $hash) = split /:/, $_, 2; '
        '$users{$sid} = $hash; }')
