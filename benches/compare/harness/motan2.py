"""Motan2: who is compared. sabir routes one service and method, or these and one pair; no other peer speaks it."""

from . import haproxy, peers, sabir
from .dubbo import ATTACHMENT, BY_ATTACHMENT, BY_METHOD, LOAD, METHOD, REFUSED, REFUSED_TOO, SERVICE
from .peers import DIRECT, FLOOR, SABIR, Peer, Ports

NAME = "motan2"
TITLE = "Motan2"

__all__ = ["LOAD", "NAME", "TITLE", "all_peers"]


def all_peers():
    """In the order of the rounds."""
    return [
        Peer(DIRECT, ""),
        Peer(FLOOR, "", peers.haproxy(), haproxy.tcp),
        Peer(SABIR, BY_METHOD, peers.sabir(), lambda ports: _sabir(ports, {}), REFUSED),
        Peer(SABIR, BY_ATTACHMENT, peers.sabir(), lambda ports: _sabir(ports, dict([ATTACHMENT])), REFUSED_TOO),
    ]


def _sabir(ports: Ports, pairs):
    return sabir.bootstrap(ports, NAME, [sabir.route("echo", service=SERVICE, method=METHOD, **pairs)])
