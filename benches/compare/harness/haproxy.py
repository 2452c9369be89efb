"""haproxy's configurations: as a plain forwarder of bytes, and as an HTTP proxy; statistics on, no log."""

import resource

from .peers import Ports

_HEAD = """global
    nbthread 1
    maxconn {connections}
defaults
    mode {mode}
    timeout connect 5s
    timeout client 300s
    timeout server 300s
    timeout http-keep-alive 300s
frontend metrics
    mode http
    bind 127.0.0.1:{admin}
    stats enable
    stats uri /
"""


def tcp(ports: Ports):
    """Forwards bytes and reads none of them: the floor of what a proxy costs."""
    return f"""{_head(ports, "tcp")}frontend in
    bind 127.0.0.1:{ports.listen}
    default_backend out
backend out
    server echo 127.0.0.1:{ports.backend}
"""


def http(ports: Ports, protocol, authority, path, header):
    """Routes one path of one authority with one header; ``protocol`` is h1 or h2, on both sides."""
    name, value = header
    return f"""{_head(ports, "http")}frontend in
    bind 127.0.0.1:{ports.listen} proto {protocol}
    acl service hdr(host) -m str {authority}
    acl method path -m str {path}
    acl metadata req.hdr({name}) -m str {value}
    http-request return status 404 unless service method metadata
    default_backend out
backend out
    http-reuse always
    server echo 127.0.0.1:{ports.backend} proto {protocol}
"""


def _head(ports, mode):
    return _HEAD.format(connections=most_connections(), mode=mode, admin=ports.admin)


def most_connections():
    """It reserves two files for each, and some."""
    return min(30000, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200) // 2)
