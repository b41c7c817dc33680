"""Envoy."""

import json
import os

from harness import machine
from harness.tools import certificate, packaged
from .base import Peer, regex, sha1

TYPE = "type.googleapis.com/envoy."
UNBOUNDED = 1_000_000_000


def typed(kind, **fields):
    return {"@type": f"{TYPE}{kind}", **fields}


class Envoy(Peer):
    """Configured after "What are best practices for benchmarking Envoy?": a release binary,
    --concurrency, circuit breaking off, generate_request_id off, dynamic_stats off.
    """

    name = "envoy"

    def __init__(self):
        super().__init__(packaged("envoy"))

    def version(self):
        return machine.first_line(self.program, "--version").rpartition("version: ")[2]

    def configure(self, folder, job, port, upstream):
        # The listener is a file of its own, which is watched: how Envoy changes credentials
        # while it runs ("Dynamic configuration, filesystem").
        self._listener = lambda tokens: listener(folder, job, port, tokens)
        self.write_tokens(folder, job.tokens)
        (folder / "envoy.json").write_text(json.dumps(bootstrap(folder, upstream), indent=1))
        return [self.program, "--config-path", folder / "envoy.json",
                "--concurrency", job.workers, "--log-level", "error",
                "--disable-hot-restart"]

    def prepare_tokens(self, folder, tokens):
        listeners = {"version_info": str(len(tokens)), "resources": [self._listener(tokens)]}
        (folder / "listeners.new").write_text(json.dumps(listeners, indent=1))
        return lambda: os.replace(folder / "listeners.new", folder / "listeners.json")

    def reload(self, running):
        """The file is watched: the move that replaced it was the reload."""

    def configuration(self, folder):
        return [folder / "envoy.json", folder / "listeners.json"]


def bootstrap(folder, upstream):
    thresholds = {f"max_{what}": UNBOUNDED for what in
                  ("connections", "pending_requests", "requests", "retries")}
    endpoint = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": upstream}}}
    return {
        "node": {"id": "gate", "cluster": "gate"},
        "layered_runtime": {"layers": [{"name": "static", "static_layer": {
            # More connections than the default lets in.
            "overload.global_downstream_max_connections": UNBOUNDED}}]},
        "dynamic_resources": {"lds_config": {
            "resource_api_version": "V3",
            "path_config_source": {"path": f"{folder}/listeners.json",
                                   "watched_directory": {"path": str(folder)}}}},
        "static_resources": {"clusters": [{
            "name": "api",
            "type": "STATIC",
            "connect_timeout": "5s",
            "circuit_breakers": {"thresholds": [thresholds]},
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(
                    "extensions.upstreams.http.v3.HttpProtocolOptions",
                    explicit_http_config={"http_protocol_options": {}})},
            "load_assignment": {"cluster_name": "api",
                                "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}]},
        }]},
    }


def listener(folder, job, port, tokens):
    routes = [{
        "match": {
            "safe_regex": {"regex": regex(rule)},
            "headers": [{"name": ":method", "string_match": {"exact": rule[0]}}],
        },
        "route": {"cluster": "api", "timeout": "0s"},
        "request_headers_to_remove": ["authorization"],
    } for rule in job.rules]
    routes.append({"match": {"prefix": "/"}, "direct_response": {"status": 403}})
    connection = typed(
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="gate",
        generate_request_id=False,
        stream_idle_timeout="0s",
        common_http_protocol_options={"idle_timeout": "3600s"},
        http2_protocol_options={"max_concurrent_streams": 128},
        route_config={"name": "rules",
                      "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        http_filters=[
            {"name": "envoy.filters.http.basic_auth", "typed_config": typed(
                "extensions.filters.http.basic_auth.v3.BasicAuth",
                users={"inline_string": "\n".join(map(sha1, tokens))},
                forward_username_header="X-Auth-Sid")},
            {"name": "envoy.filters.http.router", "typed_config": typed(
                "extensions.filters.http.router.v3.Router", dynamic_stats=False)},
        ],
    )
    if job.access_log:
        connection["access_log"] = [{"name": "envoy.access_loggers.file", "typed_config": typed(
            "extensions.access_loggers.file.v3.FileAccessLog", path=f"{folder}/access.log")}]
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager",
                          "typed_config": connection}]}
    if job.tls:
        pem, key, _ = certificate()
        chain["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": typed(
            "extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            common_tls_context={
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_params": {"tls_maximum_protocol_version": "TLSv1_3"},
                "tls_certificates": [{"certificate_chain": {"filename": str(pem)},
                                      "private_key": {"filename": str(key)}}]})}
    return typed(
        "config.listener.v3.Listener",
        name="gate",
        address={"socket_address": {"address": "127.0.0.1", "port_value": port}},
        # "How do I configure Envoy as an edge proxy": smaller buffers on each connection.
        per_connection_buffer_limit_bytes=32768,
        filter_chains=[chain],
    )
