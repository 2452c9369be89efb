"""Configuration files for sabir, `sabir.config.v1`: the one place that knows the schema's words."""

import json

from peers import SERVICE


def bootstrap(admin_port, listeners, clusters, **more):
    """The root of a file."""
    return {
        "node": {"id": "interop"},
        "admin": {"address": f"127.0.0.1:{admin_port}"},
        "listeners": listeners,
        "clusters": clusters,
        **more,
    }


def listener(name, port, routes, access_log=None, **more):
    """A Dubbo listener on loopback; its access log has one line a call: the method's name."""
    log = [{"path": str(access_log), "format": "%METADATA(method)%"}] if access_log else []
    return {
        "name": name,
        "address": f"127.0.0.1:{port}",
        "protocol": "dubbo",
        "route_configuration": {"routes": routes},
        "access_log": log,
        **more,
    }


def metadata(**exact):
    """A match: the demo service and these exact values."""
    return {"metadata": {key: {"exact": value} for key, value in {"service": SERVICE, **exact}.items()}}


def to_cluster(name, cluster, match=None, labels=None, timeout="20s", **more):
    """A route to one cluster, or to its endpoints with these labels."""
    action = {"cluster": cluster, "timeout": timeout}
    if labels:
        action["metadata_match"] = labels
    return {"name": name, "match": match or metadata(), "route": action, **more}


def to_weighted(name, cluster, shares, hash_key=None, match=None):
    """A route that splits by weight between the values of the label "version"."""
    clusters = [
        {"name": cluster, "weight": weight, "metadata_match": {"version": version}}
        for version, weight in shares.items()
    ]
    split = {"clusters": clusters, **({"hash_key": hash_key} if hash_key else {})}
    return {"name": name, "match": match or metadata(), "route": {"weighted_clusters": split, "timeout": "20s"}}


def to_answer(name, status, message, match=None):
    """A route that answers at once."""
    return {
        "name": name,
        "match": match or metadata(),
        "direct_response": {"status": status, "message": message},
    }


def cluster(name, *endpoints, **more):
    """A cluster of endpoints: addresses, or pairs of an address and labels."""
    made = []
    for endpoint in endpoints:
        address, labels = (endpoint, {}) if isinstance(endpoint, str) else endpoint
        made.append({"address": address, **({"labels": labels} if labels else {})})
    return {"name": name, "connect_timeout": "1s", "load_assignment": {"endpoints": made}, **more}


def yaml(value, indent=""):
    """Block-style YAML with JSON's scalars, which YAML shares."""
    if isinstance(value, dict) and value:
        return "".join(f"{indent}{json.dumps(key)}:{_nested(item, indent)}" for key, item in value.items())
    if isinstance(value, list) and value:
        return "".join(f"{indent}-{_nested(item, indent)}" for item in value)
    return f"{indent}{json.dumps(value, ensure_ascii=False)}\n"


def _nested(item, indent):
    if isinstance(item, (dict, list)) and item:
        return "\n" + yaml(item, indent + "  ")
    return " " + yaml(item)
