"""Triple's streams, Java with Java and Go with Go: each library has a way of its own to write them without an IDL."""

from functools import partial

import peers
import sabir_config as config
from case import Case
from grpc_sabir import GrpcSabir
from process import WORK, Peer, free_port
from triple_peers import GO, JAVA, KINDS

SERVICE = "org.sabir.demo.StreamService"
SCENARIOS = ["server_stream", "server_stream_fails", "client_stream", "bidirectional", "large", "many"]
ENVIRONMENT = {"DUBBO_IP_TO_BIND": peers.LOOPBACK, "DUBBO_IP_TO_REGISTRY": peers.LOOPBACK}


class Streams:
    """A provider, a consumer and a proxy between them, of one kind."""

    def __init__(self, world, kind):
        self.kind = kind
        port = free_port()
        self.provider = Peer(f"{kind}-stream-provider", _command(kind, "provider", str(port)), ENVIRONMENT)
        self.consumer = Peer(f"{kind}-stream-consumer", _command(kind, "consumer"))
        for peer in (self.provider, self.consumer):
            peer.until_ready()
            world.kept.add(peer.child.pid)
        self._ports = {"direct": lambda: port, "sabir": lambda: self._proxied(world, port)}

    def _proxied(self, world, port):
        clusters = [config.cluster("demo", f"127.0.0.1:{port}")]
        routes = {"in": [config.to_cluster("demo", "demo", {"metadata": {"service": {"exact": SERVICE}}})]}
        proxy = GrpcSabir(f"sabir-triple-streams-{self.kind}", routes, clusters)
        world.kept.add(proxy.child.pid)
        self._ports["sabir"] = lambda: proxy.port("in")
        return proxy.port("in")

    def run(self, way, scenario):
        host = peers.LOOPBACK if self.kind == JAVA else "127.0.0.1"
        self.consumer.ask(scenario, target={"url": f"tri://{host}:{self._ports[way]()}/{SERVICE}"})


def _command(kind, role, *port):
    name = f"{kind}-stream-{role}"
    if kind == GO:
        return [WORK / "dubbo-go/peer", f"stream-{role}", name, *port]
    return peers.java(kind, "StreamMain", [name, *port])


def _run(way, kind, scenario, world):
    made = world.__dict__.setdefault("triple_streams", {})
    if kind not in made:
        made[kind] = Streams(world, kind)
    made[kind].run(way, scenario)


def cases(way):
    for kind in KINDS:
        for scenario in SCENARIOS:
            name = f"{way} triple {kind}->{kind} {scenario.replace('_', ' ')}"
            yield Case(f"{name} of streams" if scenario in ("large", "many") else name,
                       partial(_run, way, kind, scenario), [kind])
