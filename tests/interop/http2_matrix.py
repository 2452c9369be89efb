"""HTTP/2 with the tools of others on both sides: direct, and through sabir."""

import os
import re
from functools import partial

import sabir_config as config
from case import Case, expect, same
from grpc_peers import PYTHON
from grpc_sabir import ANY, GrpcSabir, match, to
from grpc_traffic import MIB, MOST_MEMORY_KIB, Peers, grown
from http2_peers import CURL, H2SPEC, NGHTTP, Nghttpd, curl, h2load, h2spec, nghttp
from process import WORK, free_port

HTTP1 = {"metadata": {"protocol": {"exact": "http1"}}}
H2SPEC_TESTS = 146
FILES = {"index.html": b"hello\n", "empty": b"", "large": bytes(range(256)) * (4 * MIB // 256),
         "huge": bytes(64 * MIB)}


class Side:
    """nghttpd, and where a client reaches it."""

    def __init__(self, world, way):
        if not hasattr(world, "nghttpd"):
            world.nghttpd = Nghttpd("nghttpd", FILES, "--echo-upload")
            world.kept.add(world.nghttpd.child.pid)
            world.nghttpd.until_ready()
        self.server = world.nghttpd
        self.proxy = None
        if way == "sabir":
            self.proxy = self._proxy(world)
        self.url = f"http://127.0.0.1:{self.proxy.port('in') if self.proxy else self.server.port}"

    def _proxy(self, world):
        if not hasattr(world, "http2_proxy"):
            clusters = [config.cluster("files", self.server.address)]
            world.http2_proxy = GrpcSabir("sabir-http2", {"in": [to("all", "files", ANY)]}, clusters)
            world.kept.add(world.http2_proxy.child.pid)
        return world.http2_proxy


def body_file(name, size):
    """A file of so many octets, none of which are alike for long."""
    folder = WORK / "bodies"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    if not path.exists() or path.stat().st_size != size:
        block = os.urandom(min(size, MIB))
        path.write_bytes((block * (size // MIB + 1))[:size])
    return path


def frames(side):
    """Heads, bodies and trailers frame by frame, in every way that nghttp can be asked for them."""
    seen = nghttp(f"{side.url}/")
    for wanted in (r":status: 200", r"x-end: there", r"content-length: 6", r"hello"):
        expect(re.search(wanted, seen), f"no {wanted} in", seen)
    padded = nghttp(f"{side.url}/", "--padding=200", "--continuation", "--header=x-long: " + "l" * 5000)
    expect(":status: 200" in padded, "padding and CONTINUATION:", padded[-1500:])
    same(nghttp(f"{side.url}/empty").count(":status: 200"), 1, "answers without a body")
    same(nghttp(f"{side.url}/missing").count(":status: 404"), 1, "answers without a file")
    # A window of a thousand octets or so at a time.
    small = nghttp(f"{side.url}/large", "--null-out", "--window-bits=10", "--connection-window-bits=12", "--stat")
    expect(":status: 200" in small, "small windows:", small[-1500:])


def posts(side):
    """Bodies that come back as they went, announced or not, with trailers and without."""
    path = body_file("post", 200_000)
    for options in ([], ["--no-content-length"], ["--trailer=x-sum: 1"], ["--expect-continue"]):
        seen = nghttp(f"{side.url}/index.html", "--null-out", f"--data={path}", *options)
        expect(":status: 200" in seen, f"{options}:", seen[-1500:])
        octets = sum(int(size) for size in re.findall(r"recv DATA frame <length=(\d+)", seen))
        same(octets, 200_000, f"octets that came back with {options}")


def load(side):
    """Many requests at a time, on many connections, with bodies and without."""
    same(h2load(f"{side.url}/", "-n", "5000", "-c", "8", "-m", "64"), 5000, "answers")
    same(h2load(f"{side.url}/large", "-n", "40", "-c", "2", "-m", "10", "-w", "20"), 40, "large answers")
    path = body_file("load", 100_000)
    same(h2load(f"{side.url}/index.html", "-n", "200", "-c", "4", "-m", "16", "-d", str(path)), 200, "echoes")


def bodies(side):
    """Up to 8 MiB there and back, and 64 MiB back, as it was and hardly held on the way."""
    def run():
        for size in (1, 16_384, 65_536, 1_000_003, 8 * MIB):
            path = body_file(f"body-{size}", size)
            status, version, body = curl(f"{side.url}/index.html", "--data-binary", f"@{path}", "-H", "expect:")
            same((status, version), (200, "2"), f"status and version of {size}")
            expect(body == path.read_bytes(), f"{size} octets came back as {len(body)} others")
        same(len(curl(f"{side.url}/huge")[2]), 64 * MIB, "octets of a file")

    if side.proxy is None:
        run()
    else:
        more = grown(side.proxy, run)
        expect(more < MOST_MEMORY_KIB, "KiB that the proxy grew by:", more)


def heads(side):
    """HEAD, and what is not there.

    One request a connection: curl 7.88 breaks on the second with prior knowledge, whoever the server is.
    """
    status, version, body = curl(f"{side.url}/large", "--head")
    same((status, version), (200, "2"), "status and version")
    expect(b"content-length: 4194304" in body, "no length:", body)
    same(curl(f"{side.url}/missing")[0], 404, "status")


BOTH = {
    "frames of nghttp": (frames, [NGHTTP]),
    "posts of nghttp": (posts, [NGHTTP]),
    "h2load": (load, [NGHTTP]),
    "bodies of curl": (bodies, [NGHTTP, CURL]),
    "heads of curl": (heads, [NGHTTP, CURL]),
}


def conformance(world):
    """Every test of h2spec, the strict ones included, on sabir's listener."""
    count = h2spec(Side(world, "sabir").proxy.port("in"))
    expect(count >= H2SPEC_TESTS, "tests that h2spec has:", count)


def statuses(world):
    """Answers of sabir's own as statuses of HTTP, with their text."""
    clusters = [config.cluster("none"), config.cluster("dead", f"127.0.0.1:{free_port()}")]

    def path(name):
        return {"metadata": {":path": {"exact": f"/{name}"}}}

    routes = [config.to_answer("denied", "denied", "not you", path("denied")),
              config.to_answer("limited", "rate_limited", "later", path("limited")),
              to("none", "none", path("none")), to("dead", "dead", path("dead"))]
    limit = {"protocol_options": {"max_header_list_bytes": 8192}}
    port = GrpcSabir("sabir-http2-statuses", {"in": routes}, clusters, **limit).port("in")
    for name, wanted in {"denied": 403, "limited": 429, "none": 503, "dead": 503, "nowhere": 404}.items():
        status, _, body = curl(f"http://127.0.0.1:{port}/{name}")
        same(status, wanted, f"status of {name}")
        expect(body, f"no text with {status}")
    long = "x-long: " + "l" * 20_000
    same(curl(f"http://127.0.0.1:{port}/denied", "-H", long)[0], 431, "status of a head too large")


def from_http1(world):
    """A client of HTTP/1.1, a server of HTTP/2."""
    side = Side(world, "direct")
    clusters = [config.cluster("files", side.server.address, protocol="http2")]
    proxy = GrpcSabir("sabir-http2-bridge", {"in": [to("all", "files", HTTP1)]}, clusters, protocol="http1")
    url = f"http://127.0.0.1:{proxy.port('in')}"
    path = body_file("bridge", 300_000)
    status, version, body = curl(f"{url}/index.html", "--http1.1", "--data-binary", f"@{path}", "-H", "expect:")
    same((status, version, body == path.read_bytes()), (200, "1.1", True), "status, version and whether it is the same")
    same(curl(f"{url}/missing", "--http1.1")[0], 404, "status")


def no_grpc_server(world):
    """A gRPC client that ends up at a server of something else is told what that means."""
    server = Nghttpd("nghttpd-plain", {})
    server.until_ready()
    clusters = [config.cluster("files", server.address)]
    port = GrpcSabir("sabir-grpc-foreign", {"in": [to("all", "files", match())]}, clusters).port("in")
    report = Peers(world).client.ask("call", port=port, method="Whoami")
    same((report["code"], report["initial"]), (12, []), f"code and head ({report})")


def cases(way):
    for name, (scenario, kinds) in BOTH.items():
        run = partial(lambda scenario, world: scenario(Side(world, way)), scenario)
        yield Case(f"{way} http2 {name}", run, kinds)


def direct_cases():
    return list(cases("direct"))


def proxy_cases():
    yield from cases("sabir")
    yield Case("sabir http2 h2spec", conformance, [H2SPEC, NGHTTP])
    yield Case("sabir http2 statuses", statuses, [CURL])
    yield Case("sabir http2 from HTTP/1.1", from_http1, [CURL, NGHTTP])
    yield Case("sabir grpc at a server of something else", no_grpc_server, [PYTHON, NGHTTP])
