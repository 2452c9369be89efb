"""What a real gRPC client makes of sabir's own answers, and of failures behind it."""

from functools import partial

import sabir_config as config
from case import Case, expect, same
from grpc_peers import PYTHON, Server
from grpc_sabir import ANY, GrpcSabir, match, to
from grpc_traffic import Peers
from process import free_port, wait_until

THREADS = 16
LOST = "the connection to the endpoint was lost"


class Refusing:
    """A proxy with a route that cannot serve, beside one that can."""

    def __init__(self, world, label, routes, clusters=()):
        peers = Peers(world)
        good = to("good", "demo", match(lane="good"))
        self.client, self.server = peers.client, peers.servers["v1"]
        self.proxy = GrpcSabir(f"sabir-grpc-{label}", {"in": [good, *routes]}, [peers.one(), *clusters])
        self.port = self.proxy.port("in")

    def call(self, **call):
        return self.client.ask("call", port=self.port, **{"method": "Whoami", **call})


def told(side, code, message, **call):
    """An answer of sabir's own: this code, as trailers only, on a connection that serves on."""
    report = side.call(**call)
    same(report["code"], code, f"code ({report})")
    expect(message in report["message"], "another message:", report)
    same(report["initial"], [], "metadata before the end, of which there is none in trailers only")
    same(side.call(metadata=[["lane", "good"]]).get("value"), "grpc-v1", "a call after it")
    return report


def no_route(world):
    side = Refusing(world, "no-route", [])
    told(side, 12, "no route for demo.Demo.Whoami")
    # What is told of a stream is told as it begins.
    same(side.client.ask("open_streams", port=side.port, count=3), ["failed 12"] * 3, "streams")


def no_endpoint(world):
    told(Refusing(world, "no-endpoint", [to("none", "none")], [config.cluster("none")]), 14, "")


def refused_endpoint(world):
    dead = config.cluster("dead", f"127.0.0.1:{free_port()}")
    told(Refusing(world, "refused", [to("dead", "dead")], [dead]), 14, "")


def timeout(world):
    """The route's time, not the client's, is up: the server hears of it, and others go on."""
    side = Refusing(world, "timeout", [to("slow", "demo", timeout="0.3s")])
    before = side.server.count("cancelled")
    report = told(side, 4, "", method="Sleep", body="5000")
    expect(250 <= report["elapsed_ms"] < 2000, "300 ms took", report["elapsed_ms"])
    wait_until(lambda: side.server.count("cancelled") == before + 1, "the call to be given up at the server")


def answered(status, code, world):
    message = "come back 明天 at 100% + 1"
    told(Refusing(world, status, [config.to_answer("answer", status, message, match())]), code, message)


def overload(world):
    """More calls than the cluster may have in flight: told at once, and the others end well."""
    limited = config.cluster("limited", Peers(world).address("v1"), circuit_breakers={"max_requests": 4})
    side = Refusing(world, "overload", [to("limited", "limited")], [limited])
    before = side.server.count("Sleep")
    held = [side.client.send("call", port=side.port, method="Sleep", body="800") for _ in range(4)]
    wait_until(lambda: side.server.count("Sleep") == before + 4, "four calls to arrive")
    told(side, 14, "")
    for answer in held:
        same(answer.result().get("value"), "grpc-v1", "a call within the limit")
    same(side.call().get("value"), "grpc-v1", "a call when there is room again")


class TwoServers:
    """Two fresh servers behind a proxy, so that one can be taken away."""

    def __init__(self, world, label):
        self.client = Peers(world).client
        self.leaving, self.staying = Server(f"{label}-leaving"), Server(f"{label}-staying")
        self.leaving.until_ready()
        self.staying.until_ready()
        clusters = [config.cluster("demo", self.leaving.address, self.staying.address)]
        self.proxy = GrpcSabir(f"sabir-{label}", {"in": [to("demo", "demo", ANY)]}, clusters)
        self.port = self.proxy.port("in")


def killed(world):
    """SIGKILL of one of two servers: its streams fail as unavailable, those of the other go on."""
    two = TwoServers(world, "grpc-killed")
    answers = two.client.ask("open_streams", port=two.port, count=20)
    same(set(answers), {two.leaving.name, two.staying.name}, "servers of the streams")
    two.leaving.kill()
    wanted = ["failed 14" if name == two.leaving.name else name for name in answers]
    same(two.client.ask("use_streams"), wanted, "answers after it")
    ends = ["failed 14" if name == two.leaving.name else "ended 0" for name in answers]
    same(two.client.ask("end_streams"), ends, "ends")


def killed_under_load(world):
    """Of calls in flight on the dead server each fails as unavailable; no other does, those least of all that
    did not reach it."""
    two = TwoServers(world, "grpc-killed-load")
    running = two.client.send("hammer", port=two.port, threads=THREADS, calls=200)
    wait_until(lambda: two.leaving.count("Whoami") > 200, "load")
    two.leaving.kill()
    answers = running.result()
    same(sum(answers.values()), THREADS * 200, "calls")
    failed = {answer: count for answer, count in answers.items() if answer.startswith("failed")}
    expect(all(answer.startswith(f"failed 14: {LOST}") for answer in failed), "failed otherwise:", failed)
    expect(sum(failed.values()) <= THREADS, "lost:", failed)
    expect(answers.get(two.staying.name, 0) > THREADS * 100, "the other did not take over:", answers)


def stopped_gracefully(world):
    """A server that says GOAWAY gets no more calls and ends what it has: none is lost.

    grpcio's server itself cancels calls that arrive while it says so; without a proxy it does, too. Now and then one
    is lost with the connection instead; whether the server had taken it is not known, so it is not sent again.
    """
    two = TwoServers(world, "grpc-stopped")
    running = two.client.send("hammer", port=two.port, threads=8, calls=500)
    wait_until(lambda: two.leaving.count("Whoami") > 200, "load")
    expect(two.leaving.ask("stop", grace=10), "it did not stop")
    answers = running.result()
    same(sum(answers.values()), 4000, "calls")
    failed = {answer: count for answer, count in answers.items() if answer.startswith("failed")}
    crossed = {"failed 1: CANCELLED", "failed 14: the connection to the endpoint was lost before it answered"}
    expect(set(failed) <= crossed and sum(failed.values()) <= 8, "failed:", answers)
    expect(answers.get(two.staying.name, 0) > 3000, "the other did not take over:", answers)


def comes_back(world):
    """A server that went away and came back at the same address gets calls again."""
    client = Peers(world).client
    first = Server("grpc-returning-1")
    first.until_ready()
    proxy = GrpcSabir("sabir-grpc-return", {"in": [to("demo", "demo")]}, [config.cluster("demo", first.address)])

    def answer():
        report = client.ask("call", port=proxy.port("in"), method="Whoami")
        return report.get("value", report["code"])

    same(answer(), "grpc-returning-1", "answer")
    first.kill()
    same(answer(), 14, "code while it is away")
    second = Server("grpc-returning-2", first.port)
    second.until_ready()
    wait_until(lambda: answer() == "grpc-returning-2", "answers of the one that came back")


def cases():
    for name, run in {
        "no route": no_route,
        "no endpoint": no_endpoint,
        "refused endpoint": refused_endpoint,
        "timeout": timeout,
        "denied": partial(answered, "denied", 7),
        "rate limited": partial(answered, "rate_limited", 8),
        "unavailable": partial(answered, "unavailable", 14),
        "overload": overload,
        "server killed": killed,
        "server killed under load": killed_under_load,
        "server stopped gracefully": stopped_gracefully,
        "server comes back": comes_back,
    }.items():
        yield Case(f"sabir grpc {name}", run, [PYTHON])
