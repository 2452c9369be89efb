"""Messages that two parsers on the way could read differently: refused, or passed on in one way only."""

import json
import socket
import threading

from case import Case, expect, same
from http1_clients import Wire
from http1_peers import HTTP1, NGINX
from http1_sabir import Proxy, Shared, cluster, to
from process import free_port, wait_until

GET = "GET /{name} HTTP/1.1\r\nHost: a\r\n"
POST = "POST /{name} HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + "Transfer-Encoding: chunked\r\n\r\n"
SEEN = "GET /seen HTTP/1.1\r\nHost: a\r\n"
HIDDEN = "GET /hidden-{name} HTTP/1.1\r\nHost: a\r\n\r\n"

# Refused with this status and closed, whatever follows; nothing of it reaches the server. A body that turns out malformed
# later may have begun to arrive, and then breaks off.
REFUSED = {
    "length and chunked": (400, POST + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "chunked and length": (400, POST + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    "two lengths": (400, POST + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    "list of lengths": (400, POST + "Content-Length: 5, 6\r\n\r\nhello"),
    "length with sign": (400, POST + "Content-Length: +5\r\n\r\nhello"),
    "negative length": (400, POST + "Content-Length: -1\r\n\r\nhello"),
    "hexadecimal length": (400, POST + "Content-Length: 0x5\r\n\r\nhello"),
    "length of two words": (400, POST + "Content-Length: 5 5\r\n\r\nhello"),
    "empty length": (400, POST + "Content-Length:\r\n\r\nhello"),
    "endless length": (400, POST + "Content-Length: 18446744073709551616\r\n\r\nhello"),
    "space before the colon": (400, POST + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    "xchunked": (400, POST + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    "identity": (400, POST + "Transfer-Encoding: identity\r\n\r\nhello"),
    "chunked twice": (400, POST + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    "chunked not last": (400, POST + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    "chunked with parameter": (400, POST + "Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n"),
    "chunked after a vertical tab": (400, POST + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    "two transfer-encodings": (400, POST + "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n"),
    "empty transfer-encoding": (400, POST + "Transfer-Encoding:\r\n\r\nhello"),
    "chunked in HTTP/1.0": (400, "POST /{name} HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "no host": (400, "GET /{name} HTTP/1.1\r\n\r\n"),
    "two hosts": (400, GET + "Host: b\r\n\r\n"),
    "host of two words": (400, "GET /{name} HTTP/1.1\r\nHost: a b\r\n\r\n"),
    "folded field": (400, GET + "X: y\r\n folded: z\r\n\r\n"),
    "folded first field": (400, "GET /{name} HTTP/1.1\r\n Host: a\r\n\r\n"),
    "bare carriage return": (400, GET + "X: y\rContent-Length: 5\r\n\r\n"),
    "bare line feed": (400, GET + "X: y\nContent-Length: 5\r\n\r\n"),
    "null": (400, GET + "X: y\0z\r\n\r\n"),
    "no colon": (400, GET + "Content-Length\r\n\r\n"),
    "no token": (400, GET + "X(: y\r\n\r\n"),
    "fragment": (400, "GET /{name}#x HTTP/1.1\r\nHost: a\r\n\r\n"),
    "space in the target": (400, "GET /{name} x HTTP/1.1\r\nHost: a\r\n\r\n"),
    "other version": (505, "GET /{name} HTTP/3.0\r\nHost: a\r\n\r\n"),
    "star": (400, "GET * HTTP/1.1\r\nHost: {name}\r\n\r\n"),
    "CONNECT": (405, "CONNECT {name}:80 HTTP/1.1\r\nHost: {name}:80\r\n\r\n"),
    "body of TRACE": (400, "TRACE /{name} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
    "endless chunk": (400, CHUNKED + "ffffffffffffffff1\r\n"),
    "negative chunk": (400, CHUNKED + "-1\r\n"),
    "prefixed chunk": (400, CHUNKED + "0x5\r\nhello\r\n0\r\n\r\n"),
    "space in the chunk size": (400, CHUNKED + "5 ;a\r\nhello\r\n0\r\n\r\n"),
    "chunk size ended by a line feed": (400, CHUNKED + "5\nhello\r\n0\r\n\r\n"),
    "chunk longer than it says": (400, CHUNKED + "5\r\nhello, you\r\n0\r\n\r\n"),
}

# What a server behind sees of requests that mean one thing only: its head in lower case has these, and has not those.
PASSED = {
    "absolute target": ("GET http://b/seen HTTP/1.1\r\nHost: a\r\n\r\n", {"host": "b"}, []),
    "named by Connection": (
        SEEN + "Connection: keep-alive, X-Secret\r\nX-Secret: 1\r\nKeep-Alive: 5\r\nX-Kept: 1\r\n\r\n",
        {"host": "a", "x-kept": "1"}, ["x-secret", "connection", "keep-alive"],
    ),
    "cannot drop what counts": (
        SEEN + "Connection: Authorization, Host\r\nAuthorization: x\r\n\r\n",
        {"host": "a", "authorization": "x"}, ["connection"],
    ),
    "h2c": (
        SEEN + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
        {"host": "a"}, ["upgrade", "http2-settings", "connection"],
    ),
    "empty lines ahead": ("\r\n\r\n" + SEEN + "\r\n", {"host": "a"}, []),
}

# Responses that mean several things are none.
RESPONSES = {
    "list of lengths": "HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\nabcd",
    "two lengths": "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "length with sign": "HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc",
    "length and chunked": "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "xchunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "space before the colon": "HTTP/1.1 200 OK\r\nContent-Length : 3\r\n\r\nabc",
    "null": "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    "bare carriage return": "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n",
    "101 that nobody asked for": "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "no response": "SSH-2.0-OpenSSH\r\n\r\n",
}


def requests(world):
    """None of them reaches nginx, nor what is hidden behind it."""
    server = Shared(world).server(NGINX)
    port = Shared(world).proxy().port(NGINX)
    for number, (row, (status, text)) in enumerate(REFUSED.items()):
        name = f"row-{number}"
        with Wire(port) as wire:
            wire.say((text + HIDDEN).format(name=name))
            answer = wire.response()
            same(answer.status, status, f"status of {row}")
            same(wire.rest(), b"", f"what follows the answer to {row}")
    with Wire(port) as wire:
        same(wire.ask("/files/hello?last").text, "hello", "a request in good order")
    # nginx logs what has ended: what broke off is there as 400 or 499, and was never answered.
    wait_until(lambda: "?last" in server.access_log.read_text(), "nginx to log the last request")
    lines = [line for line in server.access_log.read_text().splitlines() if "row-" in line]
    expect(not any("hidden" in line or " 200 " in line for line in lines), "nginx was given:", lines)


def passed(world):
    """The server sees one meaning."""
    port = Shared(world).proxy().port(NGINX)
    python = Shared(world).proxy().port("python")
    for row, (text, has, lacks) in PASSED.items():
        for each in (port, python):
            with Wire(each) as wire:
                wire.say(text)
                same(wire.response().status, 200, f"status of {row}")
        with Wire(python) as wire:
            wire.say(text)
            seen = {name.lower(): value for name, value in json.loads(wire.response().text)["headers"]}
        same({name: seen.get(name) for name in has}, has, f"headers of {row}")
        expect(not set(lacks) & set(seen), f"headers of {row} that should not have passed:", seen)


class Scripted:
    """A server that answers each connection's first request with the same bytes, and says who came."""

    def __init__(self, answer):
        self._answer = answer.encode("latin-1")
        self.port = free_port()
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self._socket.close()

    def _serve(self):
        while True:
            try:
                taken, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._answer_on, args=(taken,), daemon=True).start()

    def _answer_on(self, taken):
        with taken:
            taken.settimeout(20)
            head = b""
            try:
                while b"\r\n\r\n" not in head and (piece := taken.recv(4096)):
                    head += piece
                taken.sendall(self._answer)
                while taken.recv(4096):
                    pass
            except OSError:
                pass


def responses(world):
    """Each is answered 502, and its connection is used no further; what follows a response belongs to nobody."""
    servers = {row: Scripted(text) for row, text in RESPONSES.items()}
    servers["more"] = Scripted("".join(f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}" for text in ("ok", "wrong")))
    try:
        clusters = [cluster(f"row-{i}", f"127.0.0.1:{server.port}") for i, server in enumerate(servers.values())]
        routes = {f"row-{i}": [to(f"row-{i}")] for i in range(len(servers))}
        proxy = Proxy("responses", routes, clusters, workers=1)
        for i, row in enumerate(RESPONSES):
            with Wire(proxy.port(f"row-{i}")) as wire:
                same((row, wire.ask("/").status), (row, 502), "status")
        with Wire(proxy.port(f"row-{len(servers) - 1}")) as wire:
            for _ in range(3):
                same(wire.ask("/").text, "ok", "body")
        same(servers["more"].connections, 3, "connections to the server that says more than it is asked")
    finally:
        for server in servers.values():
            server.close()


def cases():
    made = {"requests": requests, "what passes": passed}
    found = [Case(f"sabir http1 smuggling: {name}", run, [NGINX]) for name, run in made.items()]
    return [*found, Case("sabir http1 smuggling: responses", responses, [HTTP1])]
