"""What sabir does with real Thrift traffic: answers of its own, late ones, rewrites, isolation, drains."""

import signal
import time
from functools import partial

import sabir
import sabir_config as config
import thrift_peers
from case import Case, expect, same
from process import established, free_port, wait_until
from thrift_peers import CLIENTS, GO, JAVA, LANGUAGES, NODE, PYTHON, Server
from thrift_proxy import Proxy, cluster, exact, listener, options_of, to

MULTIPLEXING = {"multiplexing": True}
# A kind of each language, so that the three are as different as can be.
KIND_OF = {JAVA: "framed-compact", GO: "header-binary", NODE: "unframed-binary"}


class Own:
    """A proxy of one case: "in" leads from clients of one language to a server of another by these routes."""

    def __init__(self, world, kind, routes, options=None, clusters=(), client=PYTHON, server=PYTHON, **more):
        _, self.client = thrift_peers.shared(world, client)
        self.server, _ = thrift_peers.shared(world, server)
        self.kind = kind
        made = [cluster("server", self.server.address(CLIENTS[kind]), options=options), *clusters]
        self.proxy = Proxy(f"sabir-thrift-{kind}", {"in": routes}, made, {"in": options}, **more)

    def send(self, op, **arguments):
        return self.client.send(op, kind=self.kind, port=self.proxy.port("in"), **arguments)

    def ask(self, op, **arguments):
        return self.send(op, **arguments).result()


def refusals(kind, client, server, world):
    """The proxy's own answers are exceptions that clients understand, and their connections serve on."""
    options = options_of(kind)
    clusters = [cluster("dead", f"127.0.0.1:{free_port()}", options=options), cluster("empty", options=options)]
    own = Own(world, kind, [
        to("dead", exact(method="dead")),
        to("empty", exact(method="empty")),
        config.to_answer("denied", "denied", "not you", exact(method="denied")),
        to("server", exact(service="Demo")),
        to("server", exact(method="touch"), route="touch"),
        to("server", exact(method="sleep"), route="sleep", timeout="0.2s"),
    ], options, clusters, client, server)
    for method, wanted in {"nowhere": 1, "dead": 6, "empty": 6, "denied": 6, "sleep": 6}.items():
        refusal = own.ask("refused", method=method, milliseconds=400, again="touch")
        same(refusal["type"], wanted, f"type of the exception for {method}")
        expect(refusal["message"], "an exception without a message:", refusal)
    same(own.ask("refused", service="Other", method="nowhere", again="touch")["type"], 1, "unknown service")
    own.ask("touch", service="Demo")


def overload(kind, client, server, world):
    """What is too much for a cluster is refused; the name that says where calls go is none of the server's."""
    shared_server, _ = thrift_peers.shared(world, server)
    options = options_of(kind)
    limits = {"circuit_breakers": {"max_requests": 1}}
    busy = cluster("busy", shared_server.address(CLIENTS[kind]), options=options, **limits)
    route = {**to("busy", exact(service="Busy")), "request_mutation": {"set": {"service": "Demo"}}}
    own = Own(world, kind, [route, to("server")], options, [busy], client, server)
    before = own.server.count("sleep")
    pending = own.send("sleep", service="Busy", milliseconds=300, text="first")
    wait_until(lambda: own.server.count("sleep") > before, "the first call to arrive")
    refusal = own.ask("refused", service="Busy", method="touch", again="touch")
    same(refusal["type"], 6, "type of the exception")
    pending.result()
    own.ask("touch", service="Busy")


def late(kind, client, server, world):
    """An answer that comes too late reaches nobody, whoever calls next."""
    own = Own(world, kind, [to("server", timeout="0.3s")], options_of(kind), (), client, server)
    pending = own.send("late", milliseconds=450, times=20)
    own.ask("many", threads=4, calls=50)
    same(pending.result()["type"], 6, "type of the exception")


def shared_connection(kind, client, server, world):
    """Calls of many clients share a connection, and each gets its own answer."""
    own = Own(world, kind, [to("server")], {**(options_of(kind) or {}), **MULTIPLEXING}, (), client, server, workers=1)
    own.ask("echo")
    same(own.ask("many", threads=16, calls=50), 800, "calls")
    same(len(established(own.server.ports[CLIENTS[kind]], own.proxy.child.pid)), 1, "connections to the server")
    refusal = own.ask("refused", method="nope", again="touch")
    same(refusal["type"], 1 if own.server.language.says_type else 0, "type of the server's exception")


def mutation(kind, client, server, world):
    """Headers are set, removed and matched; methods and services are rewritten."""
    change = {"set": {"lane": "blue", "service": "Demo"}, "add_if_absent": {"tenant": "none"}, "remove": ["secret"]}
    own = Own(world, kind, [
        {**to("server", exact(lane="blue"), route="blue"), "request_mutation": {"set": {"lane": "green"}}},
        {**to("server"), "request_mutation": change, "response_mutation": {"set": {"proxy": "sabir"}}},
    ], client=client, server=server)
    facts = own.ask("headers", headers={"secret": "x", "kept": "y"})
    same(facts["seen"], {"kept": "y", "lane": "blue", "tenant": "none"}, "headers at the server")
    same(facts["back"], {"server": own.server.language.label, "proxy": "sabir"}, "headers of the response")
    has_zlib = own.client.language.has_zlib and own.server.language.has_zlib
    facts = own.ask("headers", headers={"Lane": "blue"}, zlib=has_zlib)
    same(facts["seen"], {"Lane": "green"}, "headers at the server of a call, compressed where both know how")


def rewrite(kind, client, server, world):
    """A method or service is another one for the server, and the same for the client."""
    change = {"set": {"method": "touch", "service": "Demo"}}
    route = {**to("server", exact(method="nope"), route="nope"), "request_mutation": change}
    own = Own(world, kind, [route, to("server")], options_of(kind), (), client, server)
    before = own.server.count("touch")
    own.ask("touch", method="nope")
    own.ask("touch", method="nope", service="Other")
    same(own.server.count("touch") - before, 2, "calls of touch that arrived")


def isolation(kind, client, world):
    """Batch jobs, which a header tells, have a server of their own: here of another language."""
    batch, _ = thrift_peers.shared(world, PYTHON)
    routes = [to("batch", exact(batchjob="true")), to("server")]
    clusters = [cluster("batch", batch.address(kind))]
    own = Own(world, kind, routes, None, clusters, client, GO)
    for headers, server in [({"batchjob": "true"}, "python"), ({"BatchJob": "true"}, "python"),
                            ({"batchjob": "false"}, "go"), ({}, "go")]:
        for zlib in {False, own.client.language.has_zlib}:
            facts = own.ask("headers", headers=headers, zlib=zlib)
            same((facts["seen"], facts["back"]), (headers, {"server": server}), "headers at the server and back")


def by_service(kind, client, world):
    """Multiplexed services lead to servers of different languages."""
    java, _ = thrift_peers.shared(world, JAVA)
    clusters = [cluster("java", java.address(CLIENTS[kind]), options=options_of(kind))]
    routes = [to("java", exact(service="Demo")), to("server")]
    own = Own(world, kind, routes, options_of(kind), clusters, client, GO)
    before = java.count("echo"), own.server.count("echo")
    own.ask("echo", times=3, service="Demo")
    own.ask("echo", times=2)
    same((java.count("echo") - before[0], own.server.count("echo") - before[1]), (3, 2), "calls by server")


def beside(kind, is_multiplexing, world):
    """Calls side by side on one connection: answered as they are ready, or in turn where that is not allowed."""
    options = {**(options_of(kind) or {}), **(MULTIPLEXING if is_multiplexing else {})} or None
    own = Own(world, kind, [to("server")], options, (), NODE, NODE)
    order = own.ask("beside", calls=6)
    wanted = [5, 4, 3, 2, 1, 0] if is_multiplexing else [0, 1, 2, 3, 4, 5]
    same(order, wanted, "order of the answers")


def may_wait(kind, server):
    """Whether servers of this language can have several calls in flight: Node answers in THeader at once or never."""
    return CLIENTS[kind] in LANGUAGES[server].kinds and not (server == NODE and "header" in kind)


def between(world, server, name):
    """A client of each other language with a kind of its own, and one proxy between them and this server."""
    language = server.language.name
    kinds = {kind: LANGUAGES[client] for client, kind in KIND_OF.items() if may_wait(kind, language)}
    clusters = [cluster(kind, server.address(kind)) for kind in kinds]
    proxy = Proxy(name, {kind: [to(kind)] for kind in kinds}, clusters)
    return proxy, [
        partial(thrift_peers.shared(world, language.name)[1].send, kind=kind, port=proxy.port(kind))
        for kind, language in kinds.items()
    ]


def drain(world):
    """Calls in flight are answered before the proxy ends."""
    server, _ = thrift_peers.shared(world, GO)
    proxy, senders = between(world, server, "sabir-thrift-drain")
    before = server.count("sleep")
    pending = [send("sleep", milliseconds=600, text="drained") for send in senders for _ in range(2)]
    wait_until(lambda: server.count("sleep") - before == len(pending), "all calls to arrive")
    proxy.signal(signal.SIGTERM)
    for answer in pending:
        answer.result()
    same(proxy.wait(10), 0, "exit status of sabir")


def killed(name, world):
    """Calls in flight on a server that dies fail at once, and so do those that come after."""
    server = Server(LANGUAGES[name], f"{name}-doomed")
    server.until_ready()
    _, senders = between(world, server, "sabir-thrift-killed")
    pending = [send("refused", method="sleep", milliseconds=15_000) for send in senders]
    wait_until(lambda: server.count("sleep") == len(pending), "all calls to arrive")
    start = time.monotonic()
    server.kill()
    for answer in [*pending, *(send("refused", method="touch") for send in senders)]:
        same(answer.result()["type"], 6, "type of the exception")
    expect(time.monotonic() - start < 3, "seconds until all had failed:", time.monotonic() - start)


def one_way_unnamed(world):
    """Without their names, Go's one-way calls hold up the next until they time out: why there is an option."""
    own = Own(world, "framed-binary", [to("server", timeout="0.3s")], client=GO, server=GO)
    answer = own.send("note", times=1).get_or_none(20)
    expect("wrong method name" in answer.get("error", ""), "the client noticed nothing:", answer)


def refuses_what_cannot_be_carried(world):
    """Headers have no place in frames: such a configuration does not load."""
    server, _ = thrift_peers.shared(world, PYTHON)
    routes = [{**to("server"), "request_mutation": {"set": {"lane": "blue"}}}]
    for options, wanted in (({"transport": "framed"}, 1), (None, 0)):
        made = listener("in", free_port(), routes, options)
        document = config.bootstrap(free_port(), [made], [cluster("server", server.address("framed-binary"))])
        status, output = sabir.check("sabir-thrift-check", config.yaml(document))
        same(status, wanted, f"exit status of sabir check, which said {output}")
        expect(wanted == 0 or "lane" in output, "the error does not name it:", output)


def case(name, scenario, *needs):
    """A case that needs peers of these languages."""
    return Case(f"sabir thrift {name}", scenario, list(needs))


def of_python():
    for kind in CLIENTS:
        for name, scenario in {"refusals": refusals, "late answers": late, "rewritten": rewrite,
                               "shared connection": shared_connection}.items():
            yield case(f"{kind} {name}", partial(scenario, kind, PYTHON, PYTHON), PYTHON)
    for kind in ("header-binary", "header-compact"):
        yield case(f"{kind} mutation", partial(mutation, kind, PYTHON, PYTHON), PYTHON)
    yield case("refuses headers in frames", refuses_what_cannot_be_carried, PYTHON)


def of_languages():
    """Each of the others as a client, and another one as its server."""
    for client, server in [(JAVA, GO), (GO, NODE), (NODE, JAVA)]:
        for kind in CLIENTS:
            if LANGUAGES[client].speaks(kind) and LANGUAGES[server].speaks(kind):
                label = f"{LANGUAGES[client].label}->{LANGUAGES[server].label} {kind}"
                for name, scenario in {"refusals": refusals, "rewritten": rewrite}.items():
                    yield case(f"{label} {name}", partial(scenario, kind, client, server), client, server)
        kind = KIND_OF[client] if may_wait(KIND_OF[client], server) else "unframed-lax"
        label = f"{LANGUAGES[client].label}->{LANGUAGES[server].label} {kind}"
        scenarios = {"late answers": late, "overload": overload, "shared connection": shared_connection}
        for name, scenario in scenarios.items():
            yield case(f"{label} {name}", partial(scenario, kind, client, server), client, server)


def of_header():
    for kind in ("header-binary", "header-compact"):
        for client, server in [(GO, NODE), (NODE, GO), (PYTHON, NODE), (GO, PYTHON)]:
            label = f"{LANGUAGES[client].label}->{LANGUAGES[server].label}"
            yield case(f"{label} {kind} mutation", partial(mutation, kind, client, server), client, server)
        for client in (GO, NODE, PYTHON):
            label = LANGUAGES[client].label
            yield case(f"{label} {kind} isolation", partial(isolation, kind, client), client, GO, PYTHON)


def cases():
    yield from of_python()
    yield from of_languages()
    yield from of_header()
    for kind, client in {"framed-compact": NODE, "unframed-lax": GO, "unframed-binary": PYTHON}.items():
        label = LANGUAGES[client].label
        yield case(f"{label} {kind} routes by service", partial(by_service, kind, client), client, GO, JAVA)
    for kind in ("unframed-binary", "unframed-lax", "framed-binary", "framed-compact"):
        yield case(f"node {kind} in turn", partial(beside, kind, False), NODE)
        yield case(f"node {kind} out of turn", partial(beside, kind, True), NODE)
    yield case("drain lets calls finish", drain, GO, JAVA, NODE)
    for name in (GO, JAVA, NODE):
        yield case(f"killed {LANGUAGES[name].label} server", partial(killed, name), GO, JAVA, NODE)
    yield case("go one-way calls without their names", one_way_unnamed, GO)
