"""Every kind of Thrift call over every transport and protocol: direct, and through sabir."""

from functools import partial

import sabir
import sabir_config as config
from case import Case, expect, same
from process import established, free_port, wait_until
from thrift_peers import KINDS, PYTHON, Client, Server

# Transport and protocol that clients have, and the kind of server that takes them. "lax" is the
# binary protocol of old, which servers read beside the strict one.
CLIENTS = {**{kind: kind for kind in KINDS}, "unframed-lax": "unframed-binary", "framed-lax": "framed-binary"}
UNFRAMED = {"protocol_options": {"transport": "unframed"}}
FRAMED = {"protocol_options": {"transport": "framed"}}


class Proxy(sabir.Sabir):
    """A proxy whose listeners speak Thrift; `options` by listener name."""

    def __init__(self, name, listeners, clusters, options=None, **more):
        self._options = options or {}
        super().__init__(name, listeners, clusters, **more)

    def document(self, listeners, clusters, **more):
        made = [listener(name, self.port(name), routes, **self._options.get(name, {})) for name, routes in
                listeners.items()]
        return config.yaml(config.bootstrap(self.admin_port, made, clusters, **more))


def listener(name, port, routes, **more):
    return config.listener(name, port, routes, protocol="thrift", **more)


def cluster(name, address, **more):
    return config.cluster(name, address, protocol="thrift", **more)


def exact(**values):
    """A match of these metadata; names on the wire itself start with a colon."""
    return {"metadata": {key.replace("wire_", ":"): {"exact": value} for key, value in values.items()}}


ANY = exact(protocol="thrift")


def to(name, match=ANY, timeout="20s", route=None, **more):
    """A route to the cluster of this name."""
    return config.to_cluster(route or name, name, match, timeout=timeout, **more)


class Shared:
    """The server, the client and the proxy of all cases, started when first needed."""

    def __init__(self, world, proxied):
        if not hasattr(world, "thrift"):
            world.thrift = (Server("thrift-server"), Client("thrift-client"))
            for peer in world.thrift:
                world.kept.add(peer.child.pid)
                peer.until_ready()
        self.server, self.client = world.thrift
        self.proxy = self._proxy(world) if proxied else None

    def _proxy(self, world):
        if not hasattr(world, "thrift_proxy"):
            by_wire = [self._route(kind) for kind in KINDS]
            routes = {"auto": by_wire, "unframed": [to("unframed-lax")]}
            clusters = [cluster(kind, self.server.address(kind)) for kind in KINDS]
            clusters.append(cluster("unframed-lax", self.server.address("unframed-binary"), **UNFRAMED))
            world.thrift_proxy = Proxy("sabir-thrift", routes, clusters, {"unframed": UNFRAMED})
            world.kept.add(world.thrift_proxy.child.pid)
        return world.thrift_proxy

    @staticmethod
    def _route(kind):
        """One listener takes them all; what a call itself says decides where it goes."""
        transport, protocol = kind.split("-")
        return to(kind, exact(wire_transport=transport, wire_protocol=protocol))

    def port(self, kind):
        if self.proxy is None:
            return self.server.ports[CLIENTS[kind]]
        return self.proxy.port("unframed" if kind == "unframed-lax" else "auto")


def translator(world):
    """A proxy with a listener for each kind of server, whatever the clients speak."""
    server = Shared(world, False).server
    if not hasattr(world, "thrift_translator"):
        listeners, clusters, options = {}, [], {}
        for kind in KINDS:
            transport, protocol = kind.split("-")
            spoken = {"protocol_options": {"transport": transport, "protocol": protocol}}
            clusters.append(cluster(kind, server.address(kind), **spoken))
            listeners[kind] = listeners[f"{kind}-unframed"] = [to(kind)]
            options[f"{kind}-unframed"] = UNFRAMED
        world.thrift_translator = Proxy("sabir-thrift-translator", listeners, clusters, options)
        world.kept.add(world.thrift_translator.child.pid)
    return world.thrift_translator


class Pair:
    """The client with connections of one kind, and the server behind the port it calls."""

    def __init__(self, world, way, kind):
        shared = Shared(world, way == "sabir")
        self.server, self.client, self.kind, self.port = shared.server, shared.client, kind, shared.port(kind)

    def towards(self, world, server_kind):
        """The same, but servers of this kind behind it."""
        listener = f"{server_kind}-unframed" if self.kind == "unframed-lax" else server_kind
        self.port = translator(world).port(listener)
        return self

    def ask(self, op, **arguments):
        return self.client.ask(op, kind=self.kind, port=self.port, **arguments)

    def counted(self, method, op, **arguments):
        """What an operation returned, and how many calls of `method` arrived by it."""
        before = self.server.count(method)
        result = self.ask(op, **arguments)
        return result, self.server.count(method) - before


def values(pair):
    same(pair.counted("echo", "echo", times=3)[1], 3, "calls of echo that arrived")


def multiplexed(pair):
    same(pair.counted("echo", "echo", times=2, service="Demo")[1], 2, "calls of Demo:echo that arrived")
    same(pair.counted("touch", "touch", service="Demo")[1], 1, "calls of Demo:touch that arrived")


def oneway(pair):
    before = pair.server.count("note")
    pair.ask("note", times=5)
    wait_until(lambda: pair.server.count("note") - before == 5, "five one-way calls to arrive")


def exceptions(pair):
    same(pair.counted("fail", "fail", text="no user 7: 你好"), ("no user 7: 你好", 1), "exception and attempts")
    refusal = pair.ask("refused", method="nope", again="touch")
    same(refusal, {"type": 1, "message": "Unknown function nope"}, "exception of the server")


def headers(pair):
    facts = pair.ask("headers", headers={"Client-Id": "zoë", "empty": ""})
    same(facts["seen"], {"Client-Id": "zoë", "empty": ""}, "headers at the server")
    same(facts["back"], {"server": "python"}, "headers of the response")


def compressed(pair):
    pair.ask("echo", times=2, zlib=True)
    pair.ask("large", zlib=True)
    same(pair.ask("headers", zlib=True, headers={"a": "b"})["seen"], {"a": "b"}, "headers at the server")


def matrix(way):
    scenarios = {
        "values": values,
        "void": lambda pair: same(pair.counted("touch", "touch")[1], 1, "calls of touch that arrived"),
        "3 MiB": lambda pair: pair.ask("large"),
        "multiplexed": multiplexed,
        "oneway": oneway,
        "exceptions": exceptions,
        "16 connections": lambda pair: same(pair.ask("many", threads=16, calls=50), 800, "calls"),
    }
    of_header = {"headers": headers, "zlib": compressed}
    for kind in CLIENTS:
        for name, scenario in {**scenarios, **(of_header if "header" in kind else {})}.items():
            run = partial(lambda scenario, kind, world: scenario(Pair(world, way, kind)), scenario, kind)
            yield Case(f"{way} thrift {kind} {name}", run, [PYTHON])


def translation(kind, server_kind, world):
    """Neither side notices that the other speaks differently."""
    pair = Pair(world, "direct", kind).towards(world, server_kind)
    for scenario in (values, multiplexed, oneway, exceptions):
        scenario(pair)
    pair.ask("large")
    same(pair.ask("many", threads=4, calls=20), 80, "calls")
    if "header" in kind:
        pair.ask("echo", zlib=True)
        if "header" in server_kind:
            headers(pair)


def translations():
    for kind, server_kind in ((kind, server_kind) for kind in CLIENTS for server_kind in KINDS):
        run = partial(translation, kind, server_kind)
        yield Case(f"sabir thrift {kind}->{server_kind}", run, [PYTHON])


def direct_cases():
    return list(matrix("direct"))


# The client with a proxy made for one case.


class Own:
    """A proxy of one case: "in" leads to the server of this kind by these routes."""

    def __init__(self, world, kind, routes, options=None, clusters=(), **more):
        shared = Shared(world, False)
        self.client, self.server, self.kind = shared.client, shared.server, kind
        made = [cluster("server", shared.server.address(CLIENTS[kind]), **(options or {})), *clusters]
        self.proxy = Proxy(f"sabir-thrift-{kind}", {"in": routes}, made, {"in": options or {}}, **more)

    def ask(self, op, **arguments):
        return self.client.ask(op, kind=self.kind, port=self.proxy.port("in"), **arguments)


def options_of(kind):
    return UNFRAMED if kind == "unframed-lax" else None


def refusals(kind, world):
    """The proxy's own answers are exceptions that clients understand, and their connections serve on."""
    dead = cluster("dead", f"127.0.0.1:{free_port()}", **(options_of(kind) or {}))
    own = Own(world, kind, [
        to("dead", exact(method="dead")),
        config.to_answer("denied", "denied", "not you", exact(method="denied")),
        to("server", exact(service="Demo")),
        to("server", exact(method="touch"), route="touch"),
    ], options_of(kind), [dead])
    for method, wanted in {"nowhere": 1, "dead": 6, "denied": 6}.items():
        refusal = own.ask("refused", method=method, again="touch")
        same(refusal["type"], wanted, f"type of the exception for {method}")
        expect(refusal["message"], "an exception without a message:", refusal)
    same(own.ask("refused", service="Other", method="nowhere", again="touch")["type"], 1, "unknown service")
    own.ask("touch", service="Demo")


def late(kind, world):
    """An answer that comes too late reaches nobody, whoever calls next."""
    own = Own(world, kind, [to("server", timeout="1s")], options_of(kind))
    pending = own.client.send("late", kind=kind, port=own.proxy.port("in"), milliseconds=1500)
    own.ask("many", threads=4, calls=50)
    same(pending.result()["type"], 6, "type of the exception")


def shared_connection(kind, world):
    """Calls of many clients share a connection, and each gets its own answer."""
    options = {"protocol_options": {**(options_of(kind) or {}).get("protocol_options", {}), "multiplexing": True}}
    own = Own(world, kind, [to("server")], options, workers=1)
    own.ask("echo")
    same(own.ask("many", threads=16, calls=50), 800, "calls")
    same(len(established(own.server.ports[CLIENTS[kind]], own.proxy.child.pid)), 1, "connections to the server")
    same(own.ask("refused", method="nope", again="touch")["type"], 1, "type of the server's exception")


def mutation(kind, world):
    """Headers are set, removed and matched; methods and services are rewritten."""
    change = {"set": {"lane": "blue", "service": "Demo"}, "add_if_absent": {"tenant": "none"}, "remove": ["secret"]}
    own = Own(world, kind, [
        {**to("server", exact(lane="blue"), route="blue"), "request_mutation": {"set": {"lane": "green"}}},
        {**to("server"), "request_mutation": change, "response_mutation": {"set": {"proxy": "sabir"}}},
    ])
    facts = own.ask("headers", headers={"secret": "x", "kept": "y"})
    same(facts["seen"], {"kept": "y", "lane": "blue", "tenant": "none"}, "headers at the server")
    same(facts["back"], {"server": "python", "proxy": "sabir"}, "headers of the response")
    facts = own.ask("headers", headers={"Lane": "blue"}, zlib=True)
    same(facts["seen"], {"Lane": "green"}, "headers at the server of a compressed call")


def rewrite(kind, world):
    """A method or service is another one for the server, and the same for the client."""
    change = {"set": {"method": "touch", "service": "Demo"}}
    route = {**to("server", exact(method="nope"), route="nope"), "request_mutation": change}
    own = Own(world, kind, [route, to("server")], options_of(kind))
    before = own.server.count("touch")
    own.ask("touch", method="nope")
    same(own.server.count("touch") - before, 1, "calls of touch that arrived")


def refuses_what_cannot_be_carried(world):
    """Headers have no place in frames: such a configuration does not load."""
    server = Shared(world, False).server
    routes = [{**to("server"), "request_mutation": {"set": {"lane": "blue"}}}]
    for options, wanted in ((FRAMED, 1), (None, 0)):
        made = listener("in", free_port(), routes, **(options or {}))
        document = config.bootstrap(free_port(), [made], [cluster("server", server.address("framed-binary"))])
        status, output = sabir.check("sabir-thrift-check", config.yaml(document))
        same(status, wanted, f"exit status of sabir check, which said {output}")
        expect(wanted == 0 or "lane" in output, "the error does not name it:", output)


def proxy_cases():
    made = [*matrix("sabir"), *translations()]
    for kind in CLIENTS:
        for name, scenario in {"refusals": refusals, "late answers": late, "rewritten": rewrite,
                               "shared connection": shared_connection}.items():
            made.append(Case(f"sabir thrift {kind} {name}", partial(scenario, kind), [PYTHON]))
    for kind in ("header-binary", "header-compact"):
        made.append(Case(f"sabir thrift {kind} mutation", partial(mutation, kind), [PYTHON]))
    made.append(Case("sabir thrift refuses headers in frames", refuses_what_cannot_be_carried, [PYTHON]))
    return made
