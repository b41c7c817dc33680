"""Traefik."""

import json
import os

from harness import machine
from harness.tools import certificate, packaged
from .base import Peer, regex, sha1


class Traefik(Peer):
    """Installation and routing configuration as JSON, which is YAML too."""

    name = "traefik"

    def __init__(self):
        super().__init__(packaged("traefik"))

    # One router for each rule; its own documentation speaks of some thousands of routers.
    most_rules = 191
    most_tokens = 10_000
    why_not_more = "not asked to hold a million users in one middleware"

    def version(self):
        return machine.first_line(self.program, "version")

    def environment(self, job):
        # One P for each worker: Go sees all cores otherwise, pinned or not.
        return {"GOMAXPROCS": str(job.workers)}

    def configure(self, folder, job, port, upstream):
        install = {
            "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
            "log": {"level": "ERROR"},
            "entryPoints": {"gate": {
                "address": f"127.0.0.1:{port}",
                # "EntryPoints": deadlines and reuse of connections, as for the others here.
                "transport": {"respondingTimeouts": {"readTimeout": 0, "idleTimeout": "1h"}},
                "http2": {"maxConcurrentStreams": 128},
            }},
            "providers": {"file": {"filename": f"{folder}/routing.yaml", "watch": True}},
        }
        if job.access_log:
            # "Access logs": buffered, as is advised for load.
            install["accessLog"] = {"filePath": f"{folder}/access.log", "bufferingSize": 1000}
        (folder / "traefik.yaml").write_text(json.dumps(install, indent=1))
        self._routing = lambda tokens: routing(job, tokens, upstream)
        self.write_tokens(folder, job.tokens)
        return [self.program, f"--configFile={folder}/traefik.yaml"]

    def prepare_tokens(self, folder, tokens):
        (folder / "routing.new").write_text(json.dumps(self._routing(tokens), indent=1))
        return lambda: os.replace(folder / "routing.new", folder / "routing.yaml")

    def reload(self, running):
        """The file provider watches: the move that replaced the file was the reload."""

    def configuration(self, folder):
        return [folder / "traefik.yaml", folder / "routing.yaml"]


def routing(job, tokens, upstream):
    tls = {"tls": {}} if job.tls else {}
    routers = {f"rule{number}": {
        "rule": f"Method(`{rule[0]}`) && PathRegexp(`{regex(rule)}`)",
        "entryPoints": ["gate"],
        "middlewares": ["holders"],
        "service": "api",
        **tls,
    } for number, rule in enumerate(job.rules)}
    # What no rule names needs credentials too, and is refused: by no server at all.
    routers["nothing"] = {"rule": "PathPrefix(`/`)", "priority": 1, "entryPoints": ["gate"],
                          "middlewares": ["holders", "nobody"], "service": "api", **tls}
    found = {"http": {
        "routers": routers,
        "middlewares": {
            "holders": {"basicAuth": {
                "users": [sha1(one) for one in tokens],
                "headerField": "X-Auth-Sid",
                "removeHeader": True,
            }},
            "nobody": {"ipAllowList": {"sourceRange": ["192.0.2.1/32"]}},
        },
        "services": {"api": {"loadBalancer": {
            "servers": [{"url": f"http://127.0.0.1:{upstream}"}],
            "passHostHeader": False,
            "serversTransport": "api",
        }}},
        # "ServersTransport": as many idle connections as there are clients.
        "serversTransports": {"api": {"maxIdleConnsPerHost": 1024}},
    }}
    if job.tls:
        chain, key, _ = certificate()
        found["tls"] = {
            "certificates": [{"certFile": str(chain), "keyFile": str(key)}],
            "stores": {"default": {"defaultCertificate": {"certFile": str(chain),
                                                          "keyFile": str(key)}}},
        }
    return found
