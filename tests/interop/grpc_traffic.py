"""Routing of real gRPC traffic: isolation, splits, metadata, changes under load, draining, streams."""

import json
import signal
from collections import Counter

import sabir_config as config
from case import Case, expect, same
from grpc_peers import PYTHON, Client, Server
from grpc_sabir import ANY, GrpcSabir, match, to
from process import wait_until

OTHER = "demo.Other"
THREADS = 16
KIB, MIB = 1 << 10, 1 << 20
# What the proxy may grow by while any amount passes: windows and buffers of a few connections.
MOST_MEMORY_KIB = 48 * KIB
LARGE_BYTES = 64 * MIB


class Peers:
    """The client and three servers of all cases, started when first needed."""

    def __init__(self, world):
        if not hasattr(world, "grpc"):
            world.grpc = {name: Server(f"grpc-{name}") for name in ("v1", "v2", "batch")}
            world.grpc["client"] = Client("grpc-client")
            for peer in world.grpc.values():
                world.kept.add(peer.child.pid)
                peer.until_ready()
        self.servers = {name: world.grpc[name] for name in ("v1", "v2", "batch")}
        self.client = world.grpc["client"]

    def address(self, name):
        return self.servers[name].address

    def users(self):
        """The user group: two versions."""
        return config.cluster("user", *[(self.address(version), {"version": version}) for version in ("v1", "v2")])

    def one(self, name="v1", **more):
        return config.cluster("demo", self.address(name), **more)


class Direct:
    """The same without a proxy, to see what is gRPC's own."""

    def __init__(self, world):
        peers = Peers(world)
        self.client, self.server = peers.client, peers.servers["v1"]
        self.port = self.server.port


class Proxied:
    """One server behind a proxy of its own."""

    def __init__(self, world, label, **options):
        peers = Peers(world)
        self.client, self.server = peers.client, peers.servers["v1"]
        self.proxy = GrpcSabir(f"sabir-grpc-{label}", {"in": [to("demo", "demo", ANY)]}, [peers.one()], **options)
        self.port = self.proxy.port("in")


def isolation(world):
    """Users' calls 90/10 over v1 and v2, batch jobs to the batch server only, at the same time."""
    peers = Peers(world)
    routes = [to("batch", "batch", match(batchjob="true")),
              config.to_weighted("user", "user", {"v1": 90, "v2": 10}, match=match())]
    clusters = [peers.users(), config.cluster("batch", peers.address("batch"))]
    port = GrpcSabir("sabir-grpc-isolation", {"in": routes}, clusters).port("in")
    jobs = peers.client.send("hammer", port=port, threads=4, calls=100, metadata=[["batchjob", "true"]])
    answers = peers.client.ask("hammer", port=port, threads=THREADS, calls=125, metadata=[["batchjob", "false"]])
    same(jobs.result(), {"grpc-batch": 400}, "servers of batch jobs")
    same(sum(answers.values()), 2000, "calls of users")
    expect(set(answers) == {"grpc-v1", "grpc-v2"}, "users' calls went elsewhere or failed:", answers)
    share = answers["grpc-v2"] / 2000
    expect(0.07 < share < 0.13, f"v2 got {share:.3f} of them, not 0.1:", answers)


def routes_by(world):
    """Routes by service, method and metadata; what matches none is told so."""
    peers = Peers(world)
    labels = {"labels": {"version": "v2"}}
    routes = [
        to("other", "batch", {"metadata": {"service": {"exact": OTHER}}}),
        to("method", "user", match(method="Echo"), **labels),
        to("tenant", "user", match(x_tenant="gold"), **labels),
        to("path", "batch", {"metadata": {":path": {"prefix": "/demo.Third/"}}}),
        to("rest", "user", match(), labels={"version": "v1"}),
    ]
    clusters = [peers.users(), config.cluster("batch", peers.address("batch"))]
    port = GrpcSabir("sabir-grpc-routes", {"in": routes}, clusters).port("in")

    def answered(**call):
        report = peers.client.ask("call", port=port, **{"method": "Whoami", **call})
        return report.get("value", report["code"])

    same(answered(), "grpc-v1", "server of the rest")
    same(answered(service=OTHER), "grpc-batch", "server by service")
    same(answered(service="demo.Third"), "grpc-batch", "server by path")
    same(answered(metadata=[["x-tenant", "gold"]]), "grpc-v2", "server by metadata")
    same(answered(metadata=[["x-tenant", "lead"]]), "grpc-v1", "server by other metadata")
    same(answered(service="demo.Fourth"), 12, "code without a route")
    before = peers.servers["v2"].count("Echo")
    same(answered(method="Echo", body="hi"), "hi", "answer by method")
    same(peers.servers["v2"].count("Echo") - before, 1, "calls by method")


def metadata(side):
    """What the two sides say to each other beside messages arrives as it was sent."""
    sent = [["x-one", "1"], ["x-text", "a, b;  c %20"], ["x-many", "first"], ["x-many", "second"],
            ["x-octets-bin", "00ff10"], ["x-long", "l" * 4000]]
    report = side.client.ask("call", port=side.port, method="Metadata", metadata=sent, timeout=7)
    facts = json.loads(report["value"])
    seen = [pair for pair in facts["seen"] if pair[0].startswith("x-")]
    same(sorted(seen), sorted(sent), "metadata at the server")
    expect(1 < facts["seconds"] <= 7, "seconds the server was left with:", facts["seconds"])
    report = side.client.ask("call", port=side.port, method="Whoami")
    same(dict(report["initial"]).get("served-by"), "grpc-v1", "metadata before the answer")
    trailing = dict(report["trailing"])
    same((trailing.get("finished-by"), trailing.get("trace-bin")), ("grpc-v1", "00ff"), "metadata behind it")


def statuses(side):
    """Each code arrives with its message, whatever that is written in."""
    for code in range(1, 17):
        wanted = {"code": code, "message": f"no 100% of {code}+1: 你好\n\ttab"}
        report = side.client.ask("call", port=side.port, method="Fail", body=json.dumps(wanted))
        same((report["code"], report["message"]), (code, wanted["message"]), "code and message")


def cancellation(side):
    """What a client gives up, or has no more time for, its server hears of."""
    before = side.server.count("cancelled")
    side.client.ask("open_streams", port=side.port, count=5)
    side.client.ask("cancel_streams")
    wait_until(lambda: side.server.count("cancelled") == before + 5, "five streams to be given up at the server")
    report = side.client.ask("call", port=side.port, method="Sleep", body="10000", timeout=0.2)
    same(report["code"], 4, "code of a call whose time was up")
    wait_until(lambda: side.server.count("cancelled") == before + 6, "the call to be given up at the server")


def mutation(world):
    """Headers set, added and removed both ways, seen by a real server and a real client."""
    peers = Peers(world)
    changes = {
        "request_mutation": {"set": {"x-lane": "blue"}, "add_if_absent": {"x-tenant": "none"}, "remove": ["x-secret"]},
        "response_mutation": {"set": {"proxy": "sabir"}, "remove": ["served-by"]},
    }
    routes = [to("mutating", "demo", **changes)]
    port = GrpcSabir("sabir-grpc-mutation", {"in": routes}, [peers.one()]).port("in")
    sent = [["x-lane", "red"], ["x-secret", "1"], ["x-kept", "kept"]]
    report = peers.client.ask("call", port=port, method="Metadata", metadata=sent)
    seen = {name: value for name, value in json.loads(report["value"])["seen"] if name.startswith("x-")}
    same(seen, {"x-lane": "blue", "x-tenant": "none", "x-kept": "kept"}, "metadata at the server")
    report = peers.client.ask("call", port=port, method="Whoami")
    initial = dict(report["initial"])
    same((initial.get("proxy"), initial.get("served-by")), ("sabir", None), "metadata of the answer")


def rewrite(world):
    """A method and a service are others for the server, and the same for the client."""
    peers = Peers(world)
    change = {"request_mutation": {"set": {"service": "demo.Demo", "method": "Whoami"}}}
    route = to("old", "demo", {"metadata": {"service": {"exact": "demo.Old"}}}, **change)
    port = GrpcSabir("sabir-grpc-rewrite", {"in": [route]}, [peers.one()]).port("in")
    report = peers.client.ask("call", port=port, service="demo.Old", method="Name")
    same(report.get("value"), "grpc-v1", f"answer ({report})")


def live_change(world):
    """Changes of routes under load: no call fails, and streams stay where they are."""
    peers = Peers(world)

    def routes(version):
        return {"in": [config.to_weighted("user", "user", {version: 100}, match=match())]}

    proxy = GrpcSabir("sabir-grpc-live", routes("v1"), [peers.users()])
    port = proxy.port("in")
    streams = peers.client.ask("open_streams", port=port, count=4)
    same(set(streams), {"grpc-v1"}, "servers of the streams")
    running = peers.client.send("hammer", port=port, threads=8, calls=1000)
    for change in range(6):
        version = ("v2", "v1")[change % 2]
        before = peers.servers[version].count("Whoami")
        proxy.reconfigure(routes(version), [peers.users()])
        wait_until(lambda v=version, b=before: peers.servers[v].count("Whoami") > b, f"calls at {version}")
    answers = running.result()
    same((sum(answers.values()), set(answers)), (8000, {"grpc-v1", "grpc-v2"}), f"answers ({answers})")
    same(peers.client.ask("use_streams"), streams, "servers of the streams after it")
    same(peers.client.ask("end_streams"), ["ended 0"] * 4, "ends of the streams")


def drain(world):
    """SIGTERM: no new streams, those there are go on to their ends, exit status 0."""
    side = Proxied(world, "drain")
    client, before = side.client, side.server.count("Sleep")
    client.ask("open_streams", port=side.port, count=8, name="draining")
    sleeping = [client.send("call", port=side.port, method="Sleep", body="1500", channel="draining") for _ in range(4)]
    wait_until(lambda: side.server.count("Sleep") == before + 4, "four calls to arrive")
    side.proxy.signal(signal.SIGTERM)

    def refused():
        return client.ask("call", port=side.port, method="Whoami", channel="draining", timeout=5)["code"] == 14

    # The connection is alive, and takes no more: its client has heard GOAWAY.
    wait_until(refused, "new calls to be refused")
    same(client.ask("use_streams", name="draining"), ["grpc-v1"] * 8, "answers on streams that drain")
    for answer in sleeping:
        report = answer.result()
        same(report.get("value"), "grpc-v1", f"a call in flight ({report})")
    same(client.ask("end_streams", name="draining"), ["ended 0"] * 8, "ends of the streams")
    same(side.proxy.wait(10), 0, "exit status of sabir")


def spread(world):
    """Streams of one connection of a client's are spread over the servers."""
    peers = Peers(world)
    clusters = [config.cluster("all", *[peers.address(name) for name in ("v1", "v2", "batch")])]
    port = GrpcSabir("sabir-grpc-spread", {"in": [to("all", "all")]}, clusters).port("in")
    answers = peers.client.ask("open_streams", port=port, count=60)
    shares = {name: answers.count(f"grpc-{name}") for name in peers.servers}
    same(sum(shares.values()), 60, f"streams that were answered ({answers})")
    expect(min(shares.values()) >= 10, "uneven:", shares)
    same(peers.client.ask("use_streams"), answers, "servers of the same streams")
    same(peers.client.ask("end_streams"), ["ended 0"] * 60, "ends of the streams")


def many(side):
    """200 streams on one connection, each with its own answers."""
    before = side.server.count("Chat")
    same(Counter(side.client.ask("open_streams", port=side.port, count=200)), {"grpc-v1": 200}, "answers")
    same(Counter(side.client.ask("use_streams")), {"grpc-v1": 200}, "further answers")
    same(Counter(side.client.ask("end_streams")), {"ended 0": 200}, "ends")
    same(side.server.count("Chat") - before, 200, "streams that arrived")


def grown(proxy, run):
    """Runs it; how much memory the proxy then had needed at most beside what it had before, in KiB."""
    before = memory(proxy, "VmRSS")
    run()
    return memory(proxy, "VmHWM") - before


def memory(proxy, what):
    with open(f"/proc/{proxy.child.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(what + ":"))


def slow_reader(world):
    """A stream whose client reads nothing stalls neither others nor fills the proxy."""
    side = Proxied(world, "slow", root={"workers": 1})

    def run():
        same(side.client.ask("begin_download", port=side.port, size=MIB, messages=64), MIB, "first message")
        answers = side.client.ask("hammer", port=side.port, threads=4, calls=50)
        same(answers, {"grpc-v1": 200}, "calls beside it")
        same(side.client.ask("download", port=side.port, size=64 * KIB, messages=256), 16 * MIB, "bytes beside it")
        same(side.client.ask("end_download"), 63 * MIB, "the rest")

    more = grown(side.proxy, run)
    expect(more < MOST_MEMORY_KIB, "KiB that the proxy grew by:", more)


def large(world):
    """64 MiB as one message there and back, and as streams: as sent, and hardly held by the proxy."""
    side = Proxied(world, "large", root={"workers": 1})

    def run():
        expect(side.client.ask("echo", port=side.port, size=LARGE_BYTES), "the message came back as another one")
        same(side.client.ask("upload", port=side.port, size=MIB, messages=64), LARGE_BYTES, "bytes up")
        same(side.client.ask("download", port=side.port, size=MIB, messages=64), LARGE_BYTES, "bytes down")

    more = grown(side.proxy, run)
    expect(more < MOST_MEMORY_KIB, "KiB that the proxy grew by:", more)


BOTH = {"metadata": metadata, "statuses": statuses, "cancellation": cancellation, "200 streams": many}


def direct_cases():
    for name, scenario in BOTH.items():
        yield Case(f"direct grpc python {name}", lambda world, run=scenario: run(Direct(world)), [PYTHON])


def proxy_cases():
    for name, scenario in BOTH.items():
        label = name.replace(" ", "-")

        def run(world, scenario=scenario, label=label):
            scenario(Proxied(world, label))

        yield Case(f"sabir grpc python {name}", run, [PYTHON])
    for name, scenario in {
        "isolation of users and batch": isolation,
        "routes by service, method and metadata": routes_by,
        "mutates headers": mutation,
        "rewrites service and method": rewrite,
        "live change under load": live_change,
        "drain": drain,
        "streams of one connection are spread": spread,
        "slow reader": slow_reader,
        "64 MiB": large,
    }.items():
        yield Case(f"sabir grpc {name}", scenario, [PYTHON])
