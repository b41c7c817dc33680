"""The proxies: one file for each, with its configuration as a template.

Each is configured for the same job: HTTP Basic credentials, a method and a path pattern,
`Authorization` removed, `X-Auth-Sid` added, connections to the upstream kept. Settings are
those that its own documentation recommends for load; a comment names where.
"""

from .haproxy import Haproxy
from .nginx import Nginx
from .sidgate import Sidgate

__all__ = ["PEERS", "Sidgate"]

PEERS = {peer.name: peer for peer in (Nginx, Haproxy)}
