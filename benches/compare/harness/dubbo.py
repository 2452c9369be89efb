"""Dubbo: who is compared. All of them route one service and method, or these and one attachment."""

from . import envoy, haproxy, peers, sabir
from .peers import DIRECT, ENVOY, FLOOR, SABIR, Peer, Ports

NAME = "dubbo"
TITLE = "Dubbo"
SERVICE = "org.sabir.bench.EchoService"
METHOD = "echo"
ATTACHMENT = ("batchjob", "true")
BY_METHOD = "service+method"
BY_ATTACHMENT = "service+method+attachment"

# What every measured request carries, whichever way it is routed.
LOAD = ["--service", SERVICE, "--method", METHOD, "--attachment", "=".join(ATTACHMENT)]

_OTHER_SERVICE = ["--service", f"{SERVICE}2", "--method", METHOD, "--attachment", "=".join(ATTACHMENT)]
_OTHER_METHOD = ["--service", SERVICE, "--method", f"{METHOD}2", "--attachment", "=".join(ATTACHMENT)]
_OTHER_VALUE = ["--service", SERVICE, "--method", METHOD, "--attachment", f"{ATTACHMENT[0]}=false"]
_NO_ATTACHMENT = ["--service", SERVICE, "--method", METHOD]
REFUSED = [_OTHER_SERVICE, _OTHER_METHOD]
REFUSED_TOO = [*REFUSED, _OTHER_VALUE, _NO_ATTACHMENT]


def all_peers():
    """In the order of the rounds."""
    return [
        Peer(DIRECT, ""),
        Peer(FLOOR, "", peers.haproxy(), haproxy.tcp),
        Peer(ENVOY, BY_METHOD, peers.envoy(), lambda ports: _envoy(ports, False), REFUSED),
        Peer(ENVOY, BY_ATTACHMENT, peers.envoy(), lambda ports: _envoy(ports, True), REFUSED_TOO),
        Peer(SABIR, BY_METHOD, peers.sabir(), lambda ports: _sabir(ports, {}), REFUSED),
        Peer(SABIR, BY_ATTACHMENT, peers.sabir(), lambda ports: _sabir(ports, dict([ATTACHMENT])), REFUSED_TOO),
    ]


def _envoy(ports: Ports, attachment: bool):
    match = {"method": {"name": {"exact": METHOD}}}
    if attachment:
        match["headers"] = [{"name": ATTACHMENT[0], "string_match": {"exact": ATTACHMENT[1]}}]
    routes = [{"match": match, "route": {"cluster": "echo"}}]
    return envoy.dubbo(ports, [{"name": "bench", "interface": SERVICE, "routes": routes}])


def _sabir(ports: Ports, pairs):
    return sabir.bootstrap(ports, NAME, [sabir.route("echo", service=SERVICE, method=METHOD, **pairs)])
