"""nginx."""

import os

from harness import machine
from harness.tools import certificate
from .base import Peer, by_pattern

MAIN = """\
# One worker; open files and connections raised ("Core functionality": worker_connections,
# worker_rlimit_nofile).
worker_processes {workers};
{affinity}worker_rlimit_nofile {files};
daemon off;
master_process on;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
user root;

events {{
    worker_connections 15000;
    use epoll;
}}

http {{
    access_log {log};
    server_tokens off;
    tcp_nodelay on;
    # Connections are kept for as long as a run takes ("ngx_http_core_module": a high value
    # costs memory, and is raised here for everybody).
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;

    # Connections to the upstream are kept ("ngx_http_upstream_module": keepalive, with
    # proxy_http_version 1.1 and an empty Connection).
    upstream api {{
        server 127.0.0.1:{upstream};
        keepalive 1024;
        keepalive_requests 1000000000;
        keepalive_timeout 1h;
    }}

    server {{
        listen 127.0.0.1:{port}{listen} backlog=4096;
{tls}
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Authorization "";
        proxy_set_header X-Auth-Sid $remote_user;
        # Bodies are streamed, and never laid on disk ("ngx_http_proxy_module").
        proxy_request_buffering off;
        proxy_max_temp_file_size 0;
        auth_basic "api";
        auth_basic_user_file {folder}/htpasswd;

{locations}
        location / {{
            return 403;
        }}
    }}
}}
"""

LOCATION = """\
        location ~ {regex} {{
            limit_except {method} {{ deny all; }}
            proxy_pass http://api;
        }}
"""

# Sessions are kept in a cache that workers share ("Configuring HTTPS servers":
# ssl_session_cache, one megabyte for 4000 of them).
TLS = """\
        ssl_certificate {chain};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_cache shared:tls:10m;
        ssl_session_timeout 10m;
        http2_max_concurrent_streams 128;
"""


class Nginx(Peer):
    name = "nginx"
    most_tokens = 10_000
    why_not_more = "reads its password file for every request: 20 ms each with a million"
    # A regular expression for each rule is tried in turn.
    most_rules = 10_000

    def configure(self, folder, job, port, upstream):
        chain, key, _ = certificate()
        self.write_tokens(folder, job.tokens)
        text = MAIN.format(
            workers=job.workers,
            affinity="worker_cpu_affinity auto;\n" if job.workers > 1 else "",
            folder=folder,
            files=machine.open_files(),
            # Buffered, as "ngx_http_log_module" has it for load.
            log=f"{folder}/access.log combined buffer=64k flush=1s" if job.access_log else "off",
            upstream=upstream,
            port=port,
            listen=(" ssl http2" if job.tls else "") + (" reuseport" if job.workers > 1 else ""),
            tls=TLS.format(chain=chain, key=key) if job.tls else "",
            locations="".join(
                LOCATION.format(regex=pattern, method=" ".join(methods))
                for pattern, methods in by_pattern(job.rules).items()
            ),
        )
        (folder / "nginx.conf").write_text(text)
        return [self.program, "-p", folder, "-c", folder / "nginx.conf"]

    def prepare_tokens(self, folder, tokens):
        # {PLAIN} is the cheapest that it reads ("ngx_http_auth_basic_module").
        text = "".join(f"{one.sid}:{{PLAIN}}{one.secret}\n" for one in tokens)
        (folder / "htpasswd.new").write_text(text)
        return lambda: os.replace(folder / "htpasswd.new", folder / "htpasswd")

    def reload(self, running):
        """The password file is read for every request: there is nothing to say to it."""

    def configuration(self, folder):
        return [folder / "nginx.conf"]
