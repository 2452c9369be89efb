"""Dubbo: the peers' configurations. All of them route one service and method, or these and one attachment."""

from . import peers
from .peers import Peer, Ports

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


def all_peers():
    """In the order of the rounds."""
    refused = [_OTHER_SERVICE, _OTHER_METHOD]
    refused_too = [*refused, _OTHER_VALUE, _NO_ATTACHMENT]
    envoy, haproxy, sabir = peers.envoy(), peers.haproxy(), peers.sabir()
    return [
        Peer("direct", ""),
        Peer("haproxy tcp", "", haproxy, peers.haproxy_tcp),
        Peer("Envoy", BY_METHOD, envoy, lambda ports: envoy_configuration(ports, False), refused),
        Peer("Envoy", BY_ATTACHMENT, envoy, lambda ports: envoy_configuration(ports, True), refused_too),
        Peer("sabir", BY_METHOD, sabir, lambda ports: sabir_configuration(ports, False), refused),
        Peer("sabir", BY_ATTACHMENT, sabir, lambda ports: sabir_configuration(ports, True), refused_too),
    ]


def envoy_configuration(ports: Ports, attachment: bool):
    """Envoy's dubbo_proxy (envoy.extensions.filters.network.dubbo_proxy.v3)."""
    match = {"method": {"name": {"exact": METHOD}}}
    if attachment:
        match["headers"] = [{"name": ATTACHMENT[0], "string_match": {"exact": ATTACHMENT[1]}}]
    types = "type.googleapis.com/envoy.extensions.filters.network.dubbo_proxy"
    dubbo_proxy = {
        "@type": f"{types}.v3.DubboProxy",
        "stat_prefix": "dubbo",
        "route_config": [
            {"name": "bench", "interface": SERVICE, "routes": [{"match": match, "route": {"cluster": "echo"}}]}
        ],
        "dubbo_filters": [
            {"name": "envoy.filters.dubbo.router", "config": {"@type": f"{types}.router.v3.Router"}},
        ],
    }
    listener = {
        "name": "dubbo",
        "address": _envoy_address(ports.listen),
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.dubbo_proxy", "typed_config": dubbo_proxy}]}],
    }
    # Its defaults of 1024 would refuse what the others let through once a scenario has more in flight.
    limits = {"max_connections": 100000, "max_pending_requests": 100000, "max_requests": 100000}
    cluster = {
        "name": "echo",
        "type": "STATIC",
        "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [limits]},
        "load_assignment": {
            "cluster_name": "echo",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _envoy_address(ports.backend)}}]}],
        },
    }
    return {
        "admin": {"address": _envoy_address(ports.admin)},
        "static_resources": {"listeners": [listener], "clusters": [cluster]},
    }


def sabir_configuration(ports: Ports, attachment: bool):
    """sabir.config.v1.Bootstrap with everything that is not named at its default."""
    metadata = {"service": {"exact": SERVICE}, "method": {"exact": METHOD}}
    if attachment:
        metadata[ATTACHMENT[0]] = {"exact": ATTACHMENT[1]}
    return {
        "workers": 1,
        "admin": {"address": f"127.0.0.1:{ports.admin}"},
        "listeners": [
            {
                "name": "dubbo",
                "address": f"127.0.0.1:{ports.listen}",
                "protocol": "dubbo",
                "route_configuration": {
                    "routes": [{"name": "echo", "match": {"metadata": metadata}, "route": {"cluster": "echo"}}]
                },
            }
        ],
        "clusters": [
            {"name": "echo", "load_assignment": {"endpoints": [{"address": f"127.0.0.1:{ports.backend}"}]}},
        ],
    }


def _envoy_address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
