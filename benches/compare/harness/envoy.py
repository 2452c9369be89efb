"""Envoy's configurations (envoy.config.bootstrap.v3): a listener, a cluster, admin with metrics; no access log."""

from .peers import Ports

_TYPES = "type.googleapis.com/envoy.extensions"


def dubbo(ports: Ports, routes):
    """``routes``: entries of a route_config of dubbo_proxy, to the cluster "echo"."""
    types = f"{_TYPES}.filters.network.dubbo_proxy"
    router = {"@type": f"{types}.router.v3.Router"}
    return _bootstrap(
        ports,
        "envoy.filters.network.dubbo_proxy",
        {
            "@type": f"{types}.v3.DubboProxy",
            "stat_prefix": "dubbo",
            "route_config": routes,
            "dubbo_filters": [{"name": "envoy.filters.dubbo.router", "config": router}],
        },
    )


def thrift(ports: Ports, routes):
    """``routes``: of thrift_proxy. Framed binary; the cluster gets what the client spoke."""
    types = f"{_TYPES}.filters.network.thrift_proxy"
    router = {"@type": f"{types}.router.v3.Router"}
    return _bootstrap(
        ports,
        "envoy.filters.network.thrift_proxy",
        {
            "@type": f"{types}.v3.ThriftProxy",
            "stat_prefix": "thrift",
            "transport": "FRAMED",
            "protocol": "BINARY",
            "route_config": {"name": "bench", "routes": routes},
            "thrift_filters": [{"name": "envoy.filters.thrift.router", "typed_config": router}],
        },
    )


def http(ports: Ports, codec, domain, match):
    """The HTTP connection manager; ``codec`` is HTTP1 or HTTP2, on both sides."""
    options = {"http_protocol_options": {}} if codec == "HTTP1" else {"http2_protocol_options": {}}
    virtual_host = {
        "name": "bench",
        "domains": [domain],
        "routes": [{"match": match, "route": {"cluster": "echo"}}],
    }
    router = {"@type": f"{_TYPES}.filters.http.router.v3.Router"}
    bootstrap = _bootstrap(
        ports,
        "envoy.filters.network.http_connection_manager",
        {
            "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "http",
            "codec_type": codec,
            "route_config": {"name": "bench", "virtual_hosts": [virtual_host]},
            "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
        },
    )
    bootstrap["static_resources"]["clusters"][0]["typed_extension_protocol_options"] = {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": f"{_TYPES}.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": options,
        }
    }
    return bootstrap


def _bootstrap(ports, filter_name, filter_config):
    listener = {
        "name": "bench",
        "address": _address(ports.listen),
        "filter_chains": [{"filters": [{"name": filter_name, "typed_config": filter_config}]}],
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
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(ports.backend)}}]}],
        },
    }
    return {
        "admin": {"address": _address(ports.admin)},
        "static_resources": {"listeners": [listener], "clusters": [cluster]},
    }


def _address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
