"""Every kind of call between Motan peers: direct, and through sabir, in Motan2 and in motan1."""

from functools import partial

import motan_sabir
from case import Case, expect, same
from motan_peers import JAVA
from process import established

# What a client may speak; a provider hears either on one port.
MOTAN2 = {"protocol": "motan2"}
MOTAN1 = {"protocol": "motan"}


class Pair:
    """A client and a provider, and the port where the one reaches the other."""

    def __init__(self, world, way, **options):
        self.consumer = world.consumer(JAVA)
        self.provider = world.provider(JAVA)
        self.port = self.provider.port if way == "direct" else motan_sabir.shared(world).port("in")
        self._options = options

    def target(self, **options):
        return self.consumer.target(self.port, **{**self._options, **options})

    def ask(self, op, target=None, **arguments):
        return self.consumer.ask(op, target=target or self.target(), **arguments)


def plain(scenario, pair):
    pair.ask(scenario)


def exception(pair):
    """The provider's own exception is its business: not retried, and told in its own words."""
    before = pair.provider.count("fail")
    failure = pair.ask("call", pair.target(retries=2), method="fail", message="no user 7: 你好")["failure"]
    expect("no user 7: 你好" in failure["message"], "the message got lost:", failure)
    same(pair.provider.count("fail") - before, 1, "attempts")


def attachments(pair):
    sent = {"batchjob": "true", "x-text": "zoë 你好"}
    facts = pair.ask("attachments", attachments=sent)
    same({key: facts["seen"].get(key) for key in sent}, sent, "attachments at the provider")
    same((facts["seen"]["group"], facts["seen"]["version"]), ("interop", "1.0.0"), "group and version")


def response_attachments(pair):
    attachments(pair)
    facts = pair.ask("attachments")
    same(facts["returned"].get("x-secret"), "not for clients", "attachment of the response")


def many_threads(pair):
    """64 threads over two connections, each answer checked against its own argument."""
    target = pair.target(connections=2)
    before = established(pair.port, pair.consumer.child.pid)
    same(pair.ask("hammer", target, threads=64, calls=100), 6400, "calls")
    fresh = established(pair.port, pair.consumer.child.pid) - before
    expect(len(fresh) <= 2, "more connections than asked for:", fresh)


def version(wanted, pair):
    """What the client speaks is what arrives."""
    same(pair.ask("attachments")["seen"]["protocol version"], wanted, "protocol version")


def _scenarios():
    # The last is motan-java's own number for the version; 2 is the variant of motan1.
    for name, options, wanted in [("motan2", MOTAN2, "3"), ("motan1", MOTAN1, "1")]:
        for scenario in ["values", "pojo", "large"]:
            yield f"{name} {scenario}", options, partial(plain, scenario)
        yield f"{name} exception", options, exception
        yield f"{name} attachments", options, attachments if name == "motan1" else response_attachments
        yield f"{name} 64 threads", options, many_threads
        yield f"{name} arrives", options, partial(version, wanted)
    for serialization in ["simple", "breeze", "fastjson"]:
        yield f"motan2 {serialization}", {**MOTAN2, "serialization": serialization}, partial(plain, "values")
    yield "motan2 gzip", {**MOTAN2, "gzip": 100}, partial(plain, "large")
    yield "motan1 compressed", {**MOTAN1, "codec": "compressMotan", "gzip": 100}, partial(plain, "values")
    yield "motan1 compressed arrives", {**MOTAN1, "codec": "compressMotan"}, partial(version, "2")


def _cases(way):
    for name, options, scenario in _scenarios():

        def run(world, scenario=scenario, options=options):
            scenario(Pair(world, way, **options))

        yield Case(f"{way} {JAVA} {name}", run, {JAVA})


def direct_cases():
    yield from _cases("direct")


def proxy_cases():
    yield from _cases("sabir")
