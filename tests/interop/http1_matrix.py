"""Every HTTP/1.1 client with every server, direct and through sabir; WebSockets in both mixes."""

from functools import partial

from case import Case, expect, same
from http1_clients import Curl, Node, Python
from http1_peers import CURL, HTTP1, NODE
from http1_sabir import SERVERS, SOCKETS, Shared

METHODS = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]
SIZES = [0, 1, 1 << 10, 64 << 10, 1 << 20]
CLIENTS = {"curl": [CURL], "python": [], "http": [NODE], "undici": [NODE]}


def client(shared, name):
    if name == "curl":
        return Curl()
    return Python() if name == "python" else Node(shared.server(NODE), name)


def port_of(shared, way, kind):
    return shared.server(kind).port if way == "direct" else shared.proxy().port(kind)


def methods(caller, port):
    for method in METHODS:
        size = 10 if method in ("POST", "PUT", "PATCH") else None
        answer = caller.request(port, method, "/echo", size)
        same((answer.status, answer.headers.get("x-method")), (200, method), f"{method}")
        expect(answer.is_pattern(size or 0), f"body of {method} came back as", answer)
    head = caller.request(port, "HEAD", "/bytes/1000")
    same((head.status, head.headers.get("content-length"), head.length), (200, "1000", 0), "HEAD")


def empty(caller, port):
    for status in (204, 304):
        answer = caller.request(port, "GET", f"/status/{status}")
        same((answer.status, answer.length), (status, 0), "answer without a body")
        same(caller.request(port, "GET", "/hello").text, "hello", "the next answer")


def bodies(caller, port):
    for size in SIZES:
        for sent in (False, True):
            for received in ("", "?chunked=1"):
                answer = caller.request(port, "POST", f"/echo{received}", size, chunked=sent)
                expect(answer.is_pattern(size), f"{size} bytes came back as", answer)


def pair(way, name, kind, world):
    shared = Shared(world)
    caller, port = client(shared, name), port_of(shared, way, kind)
    for scenario in (methods, empty, bodies):
        scenario(caller, port)
    expect(caller.reuses(port, 10), "ten requests took more than one connection")


def sockets(way, caller, kind, world):
    """Text, binary, fragments, pings, codes, 1 MiB, and 50 at once."""
    shared = Shared(world)
    port = shared.socket_port(kind) if way == "direct" else shared.proxy().port(f"socket-{kind}")
    for op in ("messages", "pings", "closes", "large", "many"):
        shared.server(caller).ask(op, port=port)


def matrix(way):
    for name, needed in CLIENTS.items():
        for kind in SERVERS:
            kinds = [HTTP1, *needed, *([kind] if kind != "python" else [])]
            label = kind.removeprefix("http1-")
            yield Case(f"{way} http1 {name}->{label}", partial(pair, way, name, kind), kinds)
    for caller in SOCKETS:
        for kind in SOCKETS:
            names = "->".join(name.removeprefix("http1-") for name in (caller, kind))
            yield Case(f"{way} http1 websocket {names}", partial(sockets, way, caller, kind), [caller, kind])


def direct_cases():
    return list(matrix("direct"))


def proxy_cases():
    return list(matrix("sabir"))
