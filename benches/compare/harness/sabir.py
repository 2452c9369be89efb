"""sabir's configurations (sabir.config.v1.Bootstrap), with everything that is not named at its default."""

from .peers import Ports


def bootstrap(ports: Ports, protocol, routes, options=None, cluster=None):
    """One listener with these routes and one cluster, "echo", of one endpoint."""
    listener = {
        "name": "bench",
        "address": f"127.0.0.1:{ports.listen}",
        "protocol": protocol,
        "route_configuration": {"routes": routes},
    }
    if options:
        listener["protocol_options"] = options
    endpoints = [{"address": f"127.0.0.1:{ports.backend}"}]
    return {
        "workers": 1,
        "admin": {"address": f"127.0.0.1:{ports.admin}"},
        "listeners": [listener],
        "clusters": [{"name": "echo", "load_assignment": {"endpoints": endpoints}, **(cluster or {})}],
    }


def route(name, **exact):
    """A route to the cluster for what has exactly these values."""
    metadata = {key: {"exact": value} for key, value in exact.items()}
    return {"name": name, "match": {"metadata": metadata}, "route": {"cluster": "echo"}}
