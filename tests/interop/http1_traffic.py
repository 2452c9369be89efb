"""What HTTP/1.1 can do through sabir: framings, tunnels, streams, large bodies, routing, and load with changes."""

import hashlib
import json
import re
import shutil
import threading

import sabir_config as config
from case import Case, expect, same
from http1_clients import Curl, Wire, pattern
from http1_peers import CURL, HTTP1, NGHTTPD, NGINX, WRK, PythonServer, nghttpd, search_path
from http1_sabir import ANY, Proxy, Shared, cluster, exact, to
from process import Process, wait_until

MIB = 1 << 20
LARGE = 64 * MIB
# What a proxy may take, that passes bodies of LARGE on: a small part of one.
MEMORY = 24 * MIB


class Own:
    """A proxy of one case, "in" of which leads to the Python server unless `routes` say otherwise."""

    def __init__(self, world, name, routes=None, options=None, clusters=None, **more):
        self.server = Shared(world).server("python")
        clusters = clusters or [cluster("python", self.server.address)]
        self.proxy = Proxy(name, {"in": routes or [to("python")]}, clusters, options, **more)
        self.port = self.proxy.port("in")

    def wire(self, **more):
        return Wire(self.port, **more)

    def counts(self):
        """What the server has counted, asked directly."""
        with Wire(self.server.port) as wire:
            return json.loads(wire.ask("/counts").text)

    def release(self, name):
        with Wire(self.server.port) as wire:
            wire.ask(f"/release/{name}")


def told(answer):
    return json.loads(answer.text)


def framings(world):
    """Chunks and trailers pass in both directions, extensions and forbidden trailers do not."""
    own = Own(world, "framings")
    with own.wire() as wire:
        wire.say("POST /sink HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n")
        wire.say("3;name=value\r\nabc\r\n2\r\nde\r\n0\r\nX-End: yes\r\nContent-Length: 7\r\n\r\n")
        seen = told(wire.response())
        same((seen["length"], seen["framing"]), (5, "chunked"), "body at the server")
        same([line.lower() for line in seen["trailers"]], ["x-end: yes"], "trailers at the server")
        answer = wire.ask("/trailers", headers="TE: trailers\r\nConnection: TE\r\n")
        same((answer.text, [line.lower() for line in answer.trailers]), ("hello", ["x-sum: 5"]), "response with trailers")
        answer = wire.ask("/trailers")
        same((answer.text, answer.trailers), ("hello", []), "response for a client that understands no trailers")
        same(told(wire.ask("/seen", "POST", "Content-Length: 2\r\n", b"hi"))["framing"], "length", "framing")


def interim(world):
    """100-continue is passed on, or the refusal in its place; so are other interim responses."""
    own = Own(world, "interim")
    answer = Curl().request(own.port, "POST", "/echo", MIB, headers=[("Expect", "100-continue")])
    same((answer.interim, answer.is_pattern(MIB)), (["100"], True), "interim responses and body")
    with own.wire() as wire:
        head = "Content-Length: 5\r\nExpect: 100-continue\r\n"
        wire.say(f"POST /echo HTTP/1.1\r\nHost: a\r\n{head}\r\n")
        same(wire.head()[0], 100, "status before the body is sent")
        wire.say("hello")
        same(wire.response().text, "hello", "body")
        same(wire.ask("/hints").interim, [103], "interim responses")
        same(wire.ask("/refuse", "POST", head).status, 413, "refusal")
        same(wire.rest(), b"", "what comes after a body that nobody awaits")
    same(Curl().request(own.port, "POST", "/echo", 10, headers=[("Expect", "miracles")]).status, 417, "other expectations")


def old_clients(world):
    """HTTP/1.0 clients get answers without chunks, until the connection ends."""
    own = Own(world, "old")
    for path in ("/bytes/1000", "/bytes/100000?chunked=1"):
        with own.wire() as wire:
            wire.say(f"GET {path} HTTP/1.0\r\n\r\n")
            status, headers = wire.head()
            size = int(path[7:].split("?")[0])
            same((status, "transfer-encoding" in headers), (200, False), "status, chunked")
            expect(wire.rest() == pattern(size), f"{path} came as other bytes")
    answer = Curl().request(own.port, "GET", "/bytes/1000?chunked=1", options=["--http1.0"])
    expect(answer.is_pattern(1000), "curl got", answer)


def pipelining(world):
    """Requests that are sent ahead are answered in their order, and all of them though the client ends its side."""
    server = Shared(world).server(NGINX)
    own = Own(world, "pipelining", [
        config.to_answer("no", "denied", "no", {"metadata": {"method": {"prefix": "/no"}}}), to("nginx"),
    ], clusters=[cluster("nginx", server.address)])
    paths = [f"/bytes/{i}" if i % 3 else f"/no/{i}" for i in range(1, 200)]
    with own.wire() as wire:
        for path in paths:
            wire.say(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
        wire.end()
        for i, path in enumerate(paths, 1):
            answer = wire.response()
            if path.startswith("/no"):
                same(answer.status, 403, path)
            else:
                expect(answer.is_pattern(i), f"{path} was answered", answer)
        same(wire.rest(), b"", "what follows")


def connect(world):
    """CONNECT makes a tunnel where it is allowed, and is refused elsewhere."""
    own = Own(world, "connect", options={"protocol_options": {"connect": True}})
    target = own.server.port
    done, body = Curl().run(target, "/bytes/100000", None, ["-p", "-x", f"http://127.0.0.1:{own.port}"])
    expect(done.returncode == 0 and body == pattern(100_000), "curl through the tunnel:", done.stderr)
    with own.wire() as wire:
        wire.say(f"CONNECT 127.0.0.1:{target} HTTP/1.1\r\nHost: a\r\n\r\n")
        same(wire.head()[0], 200, "status of CONNECT")
        wire.say("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        wire.end()
        same(wire.response().text, "hello", "answer to a client that has ended its side")
    with Wire(Shared(world).proxy().port("python")) as wire:
        same(wire.ask("a:1", "CONNECT").status, 405, "CONNECT where it is not allowed")


def events(world):
    """Server-sent events arrive one by one, while the response is open."""
    own = Own(world, "events")
    with own.wire() as wire:
        wire.say("GET /events/here/5 HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n")
        same(wire.head()[0], 200, "status before the first event")
        for i in range(5):
            own.release("here")
            expect(b"data: %d\n\n" % i in wire.until(b"\n\n\r\n"), f"event {i} is not there")
        same(wire.until(b"0\r\n\r\n"), b"0\r\n\r\n", "end")


def large(world):
    """Bodies of 64 MiB pass in both directions and both framings, in a small part of that memory."""
    own = Own(world, "large", [to("python", timeout="60s")], workers=1)
    wanted = hashlib.sha256(pattern(LARGE)).hexdigest()
    for chunked in (False, True):
        with own.wire() as wire:
            wire.say(f"GET /bytes/{LARGE}{'?chunked=1' if chunked else ''} HTTP/1.1\r\nHost: a\r\n\r\n")
            same(wire.response().sha256, wanted, f"download, chunked: {chunked}")
        answer = Curl().request(own.port, "POST", "/sink", LARGE, chunked=chunked)
        same(told(answer)["sha256"], wanted, f"upload, chunked: {chunked}")
    peak = own.proxy.peak_bytes()
    expect(peak < MEMORY, f"more than {MEMORY >> 20} MiB of memory were taken:", f"{peak / MIB:.1f} MiB")


def held_back(world):
    """Who does not read holds back who writes, whichever side it is."""
    own = Own(world, "slow", [to("python", timeout="60s")], workers=1)
    with own.wire(receive_buffer=64 << 10) as wire:
        wire.say(f"GET /flood/{LARGE} HTTP/1.1\r\nHost: a\r\n\r\n")
        wire.head()
        flooded = until_still(lambda: own.counts().get("flooded", 0))
        expect(flooded < LARGE // 2, "bytes that the server could write to a client that reads nothing:", flooded)
        expect(wire.exactly(LARGE) == pattern(LARGE), "other bytes came")
    with own.wire() as wire:
        wire.say(f"POST /ignore/slow HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE}\r\n\r\n")
        sent = [0]
        sending = threading.Thread(target=send_all, args=(wire, sent), daemon=True)
        sending.start()
        until_still(lambda: sent[0])
        expect(sent[0] < LARGE // 2, "bytes that a client could send to a server that reads nothing:", sent[0])
        own.release("slow")
        same(told(wire.response())["length"], LARGE, "bytes at the server")
        sending.join(10)
    peak = own.proxy.peak_bytes()
    expect(peak < MEMORY, f"more than {MEMORY >> 20} MiB of memory were taken:", f"{peak / MIB:.1f} MiB")


def send_all(wire, sent):
    body = pattern(LARGE)
    for start in range(0, LARGE, 1 << 16):
        wire.say(body[start : start + (1 << 16)])
        sent[0] = start


def until_still(value):
    """The value once it has been more than nothing and the same for some looks in a row."""
    seen = []

    def is_still():
        seen.append(value())
        return len(seen) > 10 and seen[-1] > 0 and len(set(seen[-10:])) == 1

    wait_until(is_still, "the flow to stop")
    return seen[-1]


def routing(world):
    """By authority, path, header and parameter of the query; batch jobs apart; 90/10 for the others."""
    names = ["batch", "host", "path", "header", "query", "v1", "v2"]
    servers = {name: PythonServer(f"http1-python-{name}") for name in names}
    prefix = {"metadata": {":path": {"prefix": "/api/"}}}
    shares = {"clusters": [{"name": "v1", "weight": 90}, {"name": "v2", "weight": 10}]}
    own = Own(world, "routing", [
        to("batch", exact(batchjob="true")),
        to("host", exact(at_authority="host.example")),
        to("path", prefix),
        to("header", exact(x_lane="blue")),
        to("query", {"metadata": {"query:tenant": {"exact": "a b"}}}),
        {"name": "split", "match": ANY, "route": {"weighted_clusters": shares}},
    ], clusters=[cluster(name, server.address) for name, server in servers.items()])

    def arrived():
        found = {}
        for name, server in servers.items():
            with Wire(server.port) as wire:
                counts = json.loads(wire.ask("/counts").text)
                found[name] = counts.get("/echo", 0) + counts.get("/api", 0)
        return found

    with own.wire() as wire:
        for path, host, headers in (
            ("/echo", "host.example", ""), ("/api/../echo", "a", ""), ("/echo", "a", "X-Lane: blue\r\n"),
            ("/echo?x=1&tenant=a+b", "a", ""), ("/echo?tenant=a%20b", "a", "batchjob: true\r\n"),
        ):
            wire.say(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n")
            same(wire.response().status, 200, f"status of {path}")
        for _ in range(20):
            wire.say("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n" * 100)
            same([wire.response().status for _ in range(100)], [200] * 100, "statuses")
    counts = arrived()
    same([counts[name] for name in names[:5]], [1] * 5, f"requests, {counts}")
    same(counts["v1"] + counts["v2"], 2000, f"users' requests, {counts}")
    expect(0.07 < counts["v2"] / 2000 < 0.13, "v2 got not 0.1 of them:", counts)


def forwarded(world):
    """Servers are told who called, by configuration."""
    values = {
        "x-forwarded-for": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
        "x-forwarded-host": "%REQ(:authority)%",
        "x-forwarded-proto": "%REQ(:scheme)%",
    }
    own = Own(world, "forwarded", [{
        **to("python"),
        "request_mutation": {"append": {"x-forwarded-for": values.pop("x-forwarded-for")}, "set": values},
        "response_mutation": {"set": {"x-served-by": "%UPSTREAM_HOST%"}},
    }], {"protocol_options": {"via": "edge"}})
    headers = [("X-Forwarded-For", "10.1.1.1"), ("X-Forwarded-Host", "forged"), ("Host", "web.example:80")]
    answer = Curl().request(own.port, "GET", "/seen", headers=headers)
    seen = {name.lower(): value for name, value in told(answer)["headers"]}
    wanted = {"x-forwarded-for": "10.1.1.1, 127.0.0.1", "x-forwarded-host": "web.example:80",
              "x-forwarded-proto": "http", "via": "1.1 edge", "host": "web.example:80"}
    same({name: seen.get(name) for name in wanted}, wanted, "headers at the server")
    same(answer.headers.get("x-served-by"), own.server.address, "endpoint in the response")
    expect("1.1 edge" in answer.headers.get("via", ""), "no Via in the response:", answer.headers)


def versions(world):
    """HTTP/1.1 clients of an HTTP/2 server, and the other way round."""
    server = Shared(world).server(NGINX)
    second = nghttpd()
    own = Own(world, "upgrade", [to("second")], clusters=[cluster("second", second.address, protocol="http2")])
    expect(Curl().request(own.port, "GET", "/1M").is_pattern(MIB), "1 MiB of an HTTP/2 server came as other bytes")
    same(Curl().request(own.port, "GET", "/hello").text, "hello", "body")
    same(Curl().request(own.port, "GET", "/absent").status, 404, "status")
    clusters = [cluster("nginx", server.address)]
    own = Own(world, "downgrade", [to("nginx")], {"protocol": "http2"}, clusters)
    for path, method, size in (("/files/1M", "GET", None), ("/echo", "POST", MIB), ("/echo?chunked=1", "PUT", MIB)):
        answer = Curl().request(own.port, method, path, size, options=["--http2-prior-knowledge"])
        expect(answer.is_pattern(MIB), f"{method} {path} was answered", answer)


def load(world):
    """wrk for three seconds while routes change all the time: no request fails."""
    server = Shared(world).server(NGINX)
    names = ["one", "two"]
    own = Own(world, "load", [to("one")], clusters=[cluster(name, server.address) for name in names])
    wrk = Process("wrk", [shutil.which(WRK, path=search_path()), "-t", "1", "-c", "32", "-d", "3s",
                          f"http://127.0.0.1:{own.port}/files/hello"])
    changes = 0
    while wrk.child.poll() is None:
        changes += 1
        clusters = [cluster(name, server.address) for name in names]
        match = [ANY, {"metadata": {"method": {"prefix": "/files/"}}}][changes % 2]
        own.proxy.reconfigure({"in": [to(names[changes % 2], match)]}, clusters)
    said = wrk.log.read_text()
    same(wrk.wait(5), 0, "exit status of wrk")
    expect("Non-2xx" not in said and "Socket errors" not in said, "requests failed:", said)
    requests = int(re.search(r"(\d+) requests in", said)[1])
    expect(requests > 1000 and changes > 5, "too little happened:", requests, changes)
    with own.wire() as wire:
        same(wire.ask("/files/hello").text, "hello", "after it all")


def cases():
    made = {
        "chunks and trailers": (framings, []),
        "interim responses": (interim, [CURL]),
        "HTTP/1.0 clients": (old_clients, [CURL]),
        "pipelining": (pipelining, [NGINX]),
        "CONNECT": (connect, [CURL]),
        "events": (events, []),
        "64 MiB": (large, [CURL]),
        "slow readers": (held_back, []),
        "routing, isolation, split": (routing, []),
        "forwarded": (forwarded, [CURL]),
        "HTTP/1.1 and HTTP/2": (versions, [CURL, NGINX, NGHTTPD]),
        "live change under load": (load, [NGINX, WRK]),
    }
    return [Case(f"sabir http1 {name}", run, [HTTP1, *kinds]) for name, (run, kinds) in made.items()]
