"""Every kind of Thrift call over every transport and protocol, in every language: direct, and through sabir."""

from functools import partial
from itertools import cycle, islice, product

import thrift_peers
from case import Case, expect, same
from process import PeerError, wait_until
from thrift_peers import CLIENTS, GO, KINDS, LANGUAGES, NODE, PYTHON
from thrift_proxy import front


class Pair:
    """A client with connections of one kind, and the server behind the port it calls."""

    def __init__(self, world, kind, client=PYTHON, server=PYTHON):
        self.names = server, client
        self.server, _ = thrift_peers.shared(world, server)
        _, self.client = thrift_peers.shared(world, client)
        self.kind, self.port = kind, self.server.ports.get(CLIENTS[kind])

    def through(self, world, listener):
        """The same, with the shared proxy between them."""
        self.port = front(world, *self.names).port(listener)
        return self

    def by(self, world, way):
        """The same, direct or through a proxy that finds out what the client speaks."""
        if way == "direct":
            return self
        return self.through(world, "unframed" if self.kind == "unframed-lax" else "auto")

    def ask(self, op, **arguments):
        return self.client.ask(op, kind=self.kind, port=self.port, **arguments)

    def counted(self, method, op, **arguments):
        """What an operation returned, and how many calls of `method` arrived by it."""
        before = self.server.count(method)
        result = self.ask(op, **arguments)
        return result, self.server.count(method) - before

    def has_zlib(self):
        return "header" in self.kind and self.client.language.has_zlib and self.server.language.has_zlib


def values(pair):
    same(pair.counted("echo", "echo", times=3)[1], 3, "calls of echo that arrived")


def void(pair):
    same(pair.counted("touch", "touch")[1], 1, "calls of touch that arrived")


def large(pair):
    pair.ask("large")


def multiplexed(pair):
    same(pair.counted("echo", "echo", times=2, service="Demo")[1], 2, "calls of Demo:echo that arrived")
    same(pair.counted("touch", "touch", service="Demo")[1], 1, "calls of Demo:touch that arrived")


def oneway(pair):
    before = pair.server.count("note")
    pair.ask("note", times=5)
    wait_until(lambda: pair.server.count("note") - before == 5, "five one-way calls to arrive")


def exceptions(pair):
    """Declared, those of the framework, and that which becomes of any other."""
    same(pair.counted("fail", "fail", text="no user 7: 你好"), ("no user 7: 你好", 1), "exception and attempts")
    says_type = pair.server.language.says_type
    for method, kind in {"nope": 1, "crash": 6}.items():
        refusal = pair.ask("refused", method=method, again="touch")
        same(refusal["type"], kind if says_type else 0, f"type of the exception for {method}")
        expect(method == "crash" or method in refusal["message"], "another message:", refusal)


def headers(pair):
    facts = pair.ask("headers", headers={"Client-Id": "zoë", "empty": ""})
    same(facts["seen"], {"Client-Id": "zoë", "empty": ""}, "headers at the server")
    same(facts["back"], {"server": pair.server.language.label}, "headers of the response")


def compressed(pair):
    pair.ask("echo", times=2, zlib=True)
    pair.ask("large", zlib=True)
    same(pair.ask("headers", zlib=True, headers={"a": "b"})["seen"], {"a": "b"}, "headers at the server")


def many(threads, calls, pair):
    same(pair.ask("many", threads=threads, calls=calls), threads * calls, "calls")


SCENARIOS = {
    "values": values,
    "void": void,
    "3 MiB": large,
    "multiplexed": multiplexed,
    "oneway": oneway,
    "exceptions": exceptions,
}
OF_HEADER = {"headers": headers, "zlib": compressed}


def each(scenarios, pair):
    """Carries out all of these; a failure says which it was."""
    for name, scenario in scenarios.items():
        try:
            scenario(pair)
        except (AssertionError, PeerError) as failure:
            raise AssertionError(f"{name}: {failure}") from failure


def matrix(way):
    """In one language, a case for each scenario."""
    scenarios = {**SCENARIOS, "16 connections": partial(many, 16, 50)}
    for kind in CLIENTS:
        for name, scenario in {**scenarios, **(OF_HEADER if "header" in kind else {})}.items():
            run = partial(lambda scenario, kind, world: scenario(Pair(world, kind).by(world, way)), scenario, kind)
            yield Case(f"{way} thrift {kind} {name}", run, [PYTHON])


def languages(way, kind, client, server, world):
    """Between two languages, all scenarios in one case."""
    pair = Pair(world, kind, client, server).by(world, way)
    scenarios = {**SCENARIOS, "4 connections": partial(many, 4, 25)}
    if "header" in kind:
        scenarios["headers"] = headers
    if pair.has_zlib():
        scenarios["zlib"] = compressed
    each(scenarios, pair)
    if way == "sabir":
        each({"fixed configuration": values, "fixed oneway": oneway}, pair.through(world, f"fixed-{kind}"))


def gets_along(way, kind, client, server):
    """Whether both speak this, and, if nobody is between them, understand each other."""
    # Go writes the length of a frame on its own, which Node takes for a message where it expects compact THeader.
    if way == "direct" and kind == "header-compact" and {client.name, server.name} == {GO, NODE}:
        return False
    return client.speaks(kind) and server.speaks(kind)


def between_languages(way):
    for client, server in product(LANGUAGES.values(), repeat=2):
        for kind in CLIENTS:
            if gets_along(way, kind, client, server) and (client.name, server.name) != (PYTHON, PYTHON):
                run = partial(languages, way, kind, client.name, server.name)
                yield Case(f"{way} thrift {client.label}->{server.label} {kind}", run, [client.name, server.name])


def translation(kind, server_kind, client, server, world):
    """Neither side notices that the other speaks differently."""
    listener = f"to-{server_kind}-unframed" if kind == "unframed-lax" else f"to-{server_kind}"
    pair = Pair(world, kind, client, server).through(world, listener)
    each({name: SCENARIOS[name] for name in ("values", "multiplexed", "oneway", "exceptions", "3 MiB")}, pair)
    many(4, 20, pair)
    if "header" in kind and "header" in server_kind:
        headers(pair)
    # What goes from THeader into THeader of the other protocol, or into another transport, loses its transform.
    if "header" in kind and pair.client.language.has_zlib and (kind != server_kind or pair.has_zlib()):
        pair.ask("echo", zlib=True)


def translations():
    for kind, server_kind in product(CLIENTS, KINDS):
        run = partial(translation, kind, server_kind, PYTHON, PYTHON)
        yield Case(f"sabir thrift {kind}->{server_kind}", run, [PYTHON])


def translations_between_languages():
    """Each kind into each, with other languages at the ends each time."""
    pairs = [(client, server) for client, server in product(LANGUAGES.values(), repeat=2) if client is not server]
    turns = cycle(pairs)
    for kind, server_kind in product(CLIENTS, KINDS):
        able = (
            (client, server)
            for client, server in islice(turns, len(pairs))
            if client.speaks(kind) and server_kind in server.kinds
        )
        client, server = next(able)
        run = partial(translation, kind, server_kind, client.name, server.name)
        yield Case(f"sabir thrift {client.label} {kind}->{server.label} {server_kind}", run, [client.name, server.name])


def direct_cases():
    return [*matrix("direct"), *between_languages("direct")]


def proxy_cases():
    return [*matrix("sabir"), *translations(), *between_languages("sabir"), *translations_between_languages()]
