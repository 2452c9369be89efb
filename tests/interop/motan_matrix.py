"""Every kind of call between Motan peers: direct, and through sabir, in Motan2 and in motan1."""

from functools import partial

import motan_sabir
from case import Case, expect, same
from motan_peers import GO, JAVA, MOTAN1, MOTAN1_COMPRESSED, MOTAN2, MOTAN_GO
from process import established, wait_until


class Pair:
    """A client and a provider, and the port where the one reaches the other."""

    def __init__(self, world, way, client, provider_kind):
        self.consumer = client.consumer(world)
        self.provider = world.provider(provider_kind)
        self.port = self.provider.port if way == "direct" else motan_sabir.shared(world).port(provider_kind)
        self.target = partial(client.target, world, self.port)

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
    seen = facts["seen"]
    same({key: seen.get(key) for key in sent}, sent, "attachments at the provider")
    # Providers of Java know them by the plain names, too.
    group, version = seen.get("group", seen.get("M_g")), seen.get("version", seen.get("M_v"))
    same((group, version), ("interop", "1.0.0"), "group and version")


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


def one_way(pair):
    """Sent and not answered, or answered all the same: calls after it are not upset."""
    before = pair.provider.count("touch")
    pair.ask("oneway")
    wait_until(lambda: pair.provider.count("touch") - before == 5, "five one-way calls to arrive")


def version(wanted, pair):
    """What the client speaks is what arrives."""
    same(pair.ask("attachments")["seen"]["protocol version"], wanted, "protocol version")


def _java_scenarios():
    # The last is motan-java's own number for the version; 2 is the variant of motan1.
    for client, wanted in [(MOTAN2, "3"), (MOTAN1, "1")]:
        for scenario in ["values", "pojo", "large"]:
            yield scenario, client, partial(plain, scenario)
        yield "exception", client, exception
        yield "attachments", client, attachments if client is MOTAN1 else response_attachments
        yield "64 threads", client, many_threads
        yield "arrives", client, partial(version, wanted)
    for serialization in ["simple", "breeze", "fastjson"]:
        yield serialization, MOTAN2.with_options(serialization=serialization), partial(plain, "values")
    yield "gzip", MOTAN2.with_options(gzip=100), partial(plain, "large")
    yield "compressed", MOTAN1_COMPRESSED.with_options(gzip=100), partial(plain, "values")
    yield "compressed arrives", MOTAN1_COMPRESSED, partial(version, "2")


def _common_scenarios(client):
    """What clients in two languages, and providers, can do in the serialization they share."""
    client = client.with_options(serialization="simple")
    yield "values", client, partial(plain, "values")
    yield "large", client, partial(plain, "large")
    yield "gzip", client.with_options(gzip=100), partial(plain, "large")
    yield "exception", client, exception
    yield "attachments", client, response_attachments
    yield "64 threads", client, many_threads
    if client.kind == GO:
        yield "one-way", client, one_way


def _cases(way):
    for provider_kind, scenarios in [
        (JAVA, _java_scenarios()),
        (GO, _common_scenarios(MOTAN2)),
        (JAVA, _common_scenarios(MOTAN_GO)),
        (GO, _common_scenarios(MOTAN_GO)),
    ]:
        for name, client, scenario in scenarios:

            def run(world, scenario=scenario, client=client, provider_kind=provider_kind):
                scenario(Pair(world, way, client, provider_kind))

            label = f"{client.kind}->{provider_kind} {client.label} {name}"
            yield Case(f"{way} {label}", run, {client.kind, provider_kind})


def direct_cases():
    yield from _cases("direct")


def proxy_cases():
    yield from _cases("sabir")
