"""Thrift, framed binary: who is compared. All route one method of one service; frames carry nothing else to match."""

from . import envoy, haproxy, peers, sabir
from .dubbo import BY_METHOD, METHOD, SERVICE
from .peers import DIRECT, ENVOY, FLOOR, SABIR, Peer, Ports

NAME = "thrift"
TITLE = "Thrift"
LOAD = ["--service", SERVICE, "--method", METHOD]
_REFUSED = [["--service", f"{SERVICE}2", "--method", METHOD], ["--service", SERVICE, "--method", f"{METHOD}2"]]
# The backend answers by sequence ids, as servers with several threads do, and Envoy counts on it too.
_OPTIONS = {"transport": "framed", "protocol": "binary", "multiplexing": True}


def all_peers():
    """In the order of the rounds."""
    return [
        Peer(DIRECT, ""),
        Peer(FLOOR, "", peers.haproxy(), haproxy.tcp),
        Peer(ENVOY, BY_METHOD, peers.envoy(), _envoy, _REFUSED),
        Peer(SABIR, BY_METHOD, peers.sabir(), _sabir, _REFUSED),
    ]


def _envoy(ports: Ports):
    match = {"method_name": f"{SERVICE}:{METHOD}"}
    return envoy.thrift(ports, [{"match": match, "route": {"cluster": "echo"}}])


def _sabir(ports: Ports):
    return sabir.bootstrap(ports, NAME, [sabir.route("echo", service=SERVICE, method=METHOD)], _OPTIONS)
