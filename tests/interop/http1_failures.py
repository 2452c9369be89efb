"""What HTTP/1.1 clients of sabir see when something fails, is too much, or ends."""

import signal
import socket
import subprocess
import tempfile

import sabir_config as config
from case import Case, expect, same
from http1_clients import Curl, Python, Wire, pattern
from http1_peers import CURL, HAPROXY, HTTP1, NGINX
from http1_sabir import ANY, Proxy, Shared, cluster, to
from http1_traffic import MIB, Own
from process import PeerError, free_port, wait_until


def path(prefix):
    return {"metadata": {"method": {"prefix": prefix}}}


def statuses(world):
    """curl sees a status for each thing that can be wrong, and a text that says what."""
    server = Shared(world).server("python")
    dead = f"127.0.0.1:{free_port()}"
    busy = {"circuit_breakers": {"max_requests": 1}}
    proxy = Proxy("statuses", {"in": [
        to("nowhere", path("/nowhere")),
        to("dead", path("/dead")),
        to("python", path("/slow/2000"), timeout="0.3s", route="impatient"),
        to("python", path("/vanish"), route="vanishing"),
        to("busy", path("/slow/1500"), route="slow"),
        to("busy", path("/busy")),
        config.to_answer("limited", "rate_limited", "not so fast", path("/limited")),
        config.to_answer("denied", "denied", "not you", path("/denied")),
        to("python", path("/echo")),
    ]}, [cluster("python", server.address), cluster("busy", server.address, **busy), cluster("nowhere"),
         cluster("dead", dead)], {"protocol_options": {"max_body_bytes": MIB, "max_headers": 50}})
    port, curl = proxy.port("in"), Curl()
    with Wire(port) as wire:
        wire.say("GET /slow/1500 HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: proxy.metric(r"sabir_upstream_rq_active\{.*busy") == 1, "the slow request to be in flight")
        same(curl.request(port, "GET", "/busy").status, 503, "status beyond the limit of requests in flight")
        same(wire.response().text, "slow", "the request that had the place")
    for asked, status in {
        "/other": 404, "/nowhere": 503, "/dead": 503, "/slow/2000": 504, "/vanish": 502, "/limited": 429, "/denied": 403,
        "/echo" + "x" * 9000: 414,
    }.items():
        answer = curl.request(port, "GET", asked)
        same(answer.status, status, f"status of {asked:.20}")
        expect(answer.text, f"no text says why {asked:.20} was answered", answer)
    # A line that is too long costs the connection its rest, so that these are apart.
    same(curl.request(port, "GET", "/echo", headers=[("X", "x" * 70_000)]).status, 431, "status of a long field")
    many = [(f"X-{i}", "x") for i in range(60)]
    same(curl.request(port, "GET", "/echo", headers=many).status, 431, "status of many fields")
    same(curl.request(port, "POST", "/echo", MIB).status, 200, "status of a body as long as may be")
    for chunked in (False, True):
        same(curl.request(port, "POST", "/echo", MIB + 1, chunked=chunked).status, 413, f"long body, chunked: {chunked}")
    same(curl.request(port, "GET", "/echo", headers=[("Host", "a b")]).status, 400, "status of a malformed request")


def gone_clients(world):
    """A client that leaves in the middle of a body leaves no trace: the server hears of it, others do not."""
    own = Own(world, "gone-client", workers=1)
    before = own.counts().get("aborted", 0)
    with own.wire() as wire:
        wire.say("POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + "x" * 1000)
        wait_until(lambda: own.proxy.metric("sabir_upstream_rq_active") == 1, "the request to be in flight")
    wait_until(lambda: own.counts().get("aborted", 0) == before + 1, "the server to hear that its client is gone")
    with own.wire(receive_buffer=4096) as wire:
        wire.say(f"GET /bytes/{64 * MIB} HTTP/1.1\r\nHost: a\r\n\r\n")
        wire.head()
    wait_until(lambda: own.counts()["aborted"] == before + 2, "the server to hear that its reader is gone")
    same(Python().request(own.port, "GET", "/hello").text, "hello", "the next client")
    wait_until(lambda: own.proxy.metric("sabir_upstream_rq_active") == 0, "nothing to be in flight")


def gone_servers(world):
    """A body that breaks off is seen to by the client, whatever its framing; connections that ended are used no more."""
    own = Own(world, "gone-server", workers=1)
    for query in ("", "?chunked=1"):
        try:
            answer = Curl().request(own.port, "GET", f"/cut{query}")
        except PeerError as failure:
            expect(": 18 " in str(failure), "curl said:", str(failure))
        else:
            expect(False, "curl took a part for the whole:", answer)
    caller = Python()
    for _ in range(20):
        same(caller.request(own.port, "GET", "/close-idle").text, "bye", "answer on a connection that then ends")
        same(caller.request(own.port, "GET", "/hello").text, "hello", "the next answer")


def idle(world):
    """A server that closes a connection that nobody uses costs no request."""
    own = Own(world, "idle", workers=1)
    with own.wire() as wire:
        for _ in range(5):
            same(wire.ask("/close-idle").text, "bye", "answer")
            wait_until(lambda: own.proxy.metric(r"sabir_upstream_cx_active\{") == 0, "the end to arrive")
            same(wire.ask("/hello").text, "hello", "answer after it")


def drain(kind, world):
    """What is in flight ends, clients are told that the connection does, and the proxy exits with 0."""
    server = Shared(world).server(kind)
    own = Own(world, f"drain-{server.name}", [to("server")], clusters=[cluster("server", server.address)])
    with own.wire() as idle_wire, own.wire() as wire, own.wire() as stream:
        same(idle_wire.ask("/hello").headers.get("connection"), None, "Connection before the drain")
        stream.say(f"GET /events/drain-{server.name}/2 HTTP/1.1\r\nHost: a\r\n\r\n")
        stream.head()
        wire.say("GET /slow/700 HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: own.proxy.metric("sabir_upstream_rq_active") == 2, "two requests to be in flight")
        own.proxy.signal(signal.SIGTERM)
        answer = wire.response()
        same((answer.text, answer.headers.get("connection")), ("slow", "close"), "answer in the drain")
        same((wire.rest(), idle_wire.rest()), (b"", b""), "what follows")
        for i in range(2):
            own.release(f"drain-{server.name}")
            expect(b"data: %d" % i in stream.until(b"\n\n\r\n"), f"event {i} is not there")
        same(stream.until(b"0\r\n\r\n"), b"0\r\n\r\n", "end of the stream")
    same(own.proxy.wait(10), 0, "exit status")


def half_closed(world):
    """Either side of a tunnel may end first, and still hears the other out."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        own = Own(world, "tunnels", [to("tunnel")], clusters=[cluster("tunnel", address)])
        body = pattern(MIB)
        for server_first in (True, False):
            with own.wire() as client:
                client.say("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
                with Wire(taken=server.accept()[0]) as peer:
                    peer.until(b"\r\n\r\n")
                    peer.say("HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
                    same(client.head()[0], 101, "status")
                    first, second = (peer, client) if server_first else (client, peer)
                    first.say("that is all")
                    first.end()
                    same(second.rest(), b"that is all", "what the first to end said")
                    second.say(body)
                    second.end()
                    expect(first.rest() == body, "the first to end did not hear the other out")


def uploads_refused_early(world):
    """curl sees the status of a request that is answered before its body is there, whole or not."""
    own = Own(world, "early", [config.to_answer("no", "denied", "not you", ANY)])
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(64 * MIB)
        done = subprocess.run(
            ["curl", "-q", "-sS", "-H", "Expect:", "-o", "/dev/null", "-w", "%{http_code}", "-T", file.name,
             f"http://127.0.0.1:{own.port}/"], capture_output=True, timeout=20)
    same(done.stdout.decode(), "403", f"status, with {done.stderr.decode().strip()!r}")


def cases():
    made = {
        "statuses": (statuses, [CURL]),
        "clients that leave": (gone_clients, []),
        "servers that leave": (gone_servers, [CURL]),
        "idle connections that end": (idle, []),
        "half-closed tunnels": (half_closed, []),
        "uploads refused early": (uploads_refused_early, [CURL]),
    }
    found = [Case(f"sabir http1 {name}", run, [HTTP1, *kinds]) for name, (run, kinds) in made.items()]
    for kind in ("python", NGINX, HAPROXY):
        kinds = [HTTP1] if kind == "python" else [HTTP1, kind]
        found.append(Case(f"sabir http1 drain before {kind}", lambda world, kind=kind: drain(kind, world), kinds))
    return found
