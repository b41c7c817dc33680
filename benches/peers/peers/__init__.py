"""The proxies: one file for each, with its configuration as a template.

Each is configured for the same job: HTTP Basic credentials, a method and a path pattern,
`Authorization` removed, `X-Auth-Sid` added, connections to the upstream kept. Settings are
those that its own documentation recommends for load; a comment names where.
"""

from .apache import Apache
from .caddy import Caddy
from .envoy import Envoy
from .haproxy import Haproxy
from .nginx import Nginx
from .pingora import Pingora
from .sidgate import Sidgate
from .traefik import Traefik

__all__ = ["PEERS", "Sidgate"]

PEERS = {peer.name: peer for peer in (Nginx, Haproxy, Envoy, Traefik, Caddy, Apache, Pingora)}
