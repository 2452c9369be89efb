"""Dubbo's Triple between its implementations, and through sabir, to which it is gRPC with headers."""

from functools import partial

import sabir_config as config
from case import Case, expect, same
from dubbo_direct import failed_call
from grpc_sabir import GrpcSabir
from peers import GROUP, SERVICE, VERSION
from process import free_port, wait_until
from triple_peers import GO, JAVA, KINDS, Provider, target

# What dubbo-go cannot do in Triple: generic calls, null and void as a consumer of Java's, exceptions of any
# kind (it ends its process over one of Java's), a sole list, one-way calls. The rest is its own.
SCENARIOS = {
    (JAVA, JAVA): ["string", "pojo", "nested", "list", "map", "null", "void", "large", "async", "oneway", "generic",
                   "generic_exception", "echo"],
    (JAVA, GO): ["string", "pojo", "nested", "map", "null", "void", "large", "async", "oneway"],
    (GO, JAVA): ["string", "pojo", "nested", "list", "map", "large"],
    (GO, GO): ["string", "pojo", "nested", "map", "large"],
}
ATTEMPTS = 3  # Dubbo's failover cluster: one call and two retries


def provider(world, kind):
    """The Triple provider of this kind, started when first needed."""
    if not hasattr(world, "triple"):
        world.triple = {}
    if kind not in world.triple:
        made = world.triple[kind] = Provider(kind, f"triple-{kind}")
        world.kept.add(made.child.pid)
        made.until_ready()
    return world.triple[kind]


def service(**exact):
    """A match of the demo service and these headers; underlines stand for hyphens."""
    values = {"service": SERVICE, **{key.replace("_", "-"): value for key, value in exact.items()}}
    return {"metadata": {key: {"exact": value} for key, value in values.items()}}


class Pair:
    """A consumer and a provider, and the port where the one reaches the other."""

    def __init__(self, world, way, consumer_kind, provider_kind):
        self.consumer = world.consumer(consumer_kind)
        self.provider = provider(world, provider_kind)
        self.port = self.provider.port if way == "direct" else self._proxied(world, provider_kind)

    @staticmethod
    def _proxied(world, kind):
        proxies = world.__dict__.setdefault("triple_proxies", {})
        if kind not in proxies:
            clusters = [config.cluster("demo", provider(world, kind).address)]
            proxies[kind] = GrpcSabir(f"sabir-triple-{kind}", {"in": [config.to_cluster("demo", "demo")]}, clusters)
            world.kept.add(proxies[kind].child.pid)
        return proxies[kind].port("in")

    def ask(self, op, **arguments):
        return self.consumer.ask(op, target=target(self.consumer, self.port), **arguments)


def plain(scenario, pair):
    pair.ask(scenario)


def attachments(pair):
    """They are headers, group and version are two of them, and what is in upper case is told apart."""
    facts = pair.ask("attachments", attachments={"batchjob": "true", "x-text": "a, b; c", "userId": "7"})
    seen = facts["seen"]
    same((seen.get("batchjob"), seen.get("x-text")), ("true", "a, b; c"), "attachments at the provider")
    same(seen.get("userId", seen.get("userid")), "7", "attachment in upper case")
    if pair.provider.kind == GO:
        same((seen["tri-service-group"], seen["tri-service-version"]), (GROUP, VERSION), "group and version")
    elif pair.consumer.kind == JAVA:
        same(facts["returned"].get("provider"), pair.provider.name, "attachment of the response")


def exceptions(pair):
    """Those of the service arrive as themselves, and are not retried."""
    before = pair.provider.count("fail")
    for kind, name in {"checked": "org.sabir.demo.UserNotFoundException",
                       "runtime": "java.lang.IllegalStateException"}.items():
        failure = pair.ask("call", method="fail", kind=kind, message="no user 7: 你好")["failure"]
        same((failure["class"], failure["message"]), (name, "no user 7: 你好"), "class and message")
    same(pair.provider.count("fail") - before, 2, "attempts")


def many(pair):
    """64 threads, each answer checked against its own argument."""
    same(pair.ask("hammer", threads=64, calls=25), 1600, "calls")


def matrix(way):
    for kinds, names in SCENARIOS.items():
        scenarios = {name: partial(plain, name) for name in names}
        scenarios |= {"attachments": attachments, "64 threads": many}
        if kinds == (JAVA, JAVA):
            scenarios["exceptions"] = exceptions
        for name, scenario in scenarios.items():
            run = partial(lambda scenario, kinds, world: scenario(Pair(world, way, *kinds)), scenario, kinds)
            yield Case(f"{way} triple {kinds[0]}->{kinds[1]} {name}", run, kinds)


def own(world, label, kind, routes, *clusters):
    """A proxy of one case with the provider of this kind as its cluster "demo"."""
    made = [config.cluster("demo", provider(world, kind).address), *clusters]
    return GrpcSabir(f"sabir-triple-{label}", {"in": routes}, made)


def routed(kind, world):
    """By version, group, method and attachment, none of which needs a look into the body."""
    java, go = provider(world, JAVA), provider(world, GO)
    other = Provider(JAVA, "triple-other-group", "other")
    other.until_ready()
    routes = [
        config.to_cluster("batch", "go", service(batchjob="true")),
        config.to_cluster("method", "go", service(method="sleep")),
        config.to_cluster("group", "other", service(tri_service_group="other")),
        config.to_cluster("version", "demo", service(tri_service_version=VERSION, tri_service_group=GROUP)),
    ]
    clusters = [config.cluster("go", go.address), config.cluster("other", other.address)]
    port = own(world, f"routed-{kind}", JAVA, routes, *clusters).port("in")
    consumer = world.consumer(kind)

    def answer(to, **call):
        return consumer.ask("call", target=to, **{"method": "whoami", **call}).get("value")

    here = target(consumer, port)
    same(answer(here), java.name, "provider by version and group")
    same(answer(here, attachments={"batchjob": "true"}), go.name, "provider by attachment")
    same(answer(here, method="sleep", millis=1), go.name, "provider by method")
    same(answer({**here, "group": "other"}), other.name, "provider by group")
    same(other.count("whoami"), 1, "calls at the other group's provider")


def mutation(world):
    """Attachments set and removed by sabir, as a provider of Java's sees them."""
    changes = {"request_mutation": {"set": {"x-lane": "gold"}, "remove": ["x-debug"]}}
    proxy = own(world, "mutation", JAVA, [config.to_cluster("demo", "demo", service(), **changes)])
    consumer = world.consumer(JAVA)
    sent = {"x-debug": "1", "x-kept": "kept"}
    seen = consumer.ask("attachments", target=target(consumer, proxy.port("in")), attachments=sent)["seen"]
    values = [seen.get(key) for key in ("x-lane", "x-kept", "x-debug")]
    same(values, ["gold", "kept", None], "attachments at the provider")


def refusals(world):
    """Answers of sabir's own, as Dubbo's own exceptions with their codes, and how often it asks."""
    dead = config.cluster("dead", f"127.0.0.1:{free_port()}")
    routes = [config.to_cluster("slow", "demo", service(method="sleep"), timeout="0.3s"),
              config.to_answer("denied", "denied", "not you 你好", service(lane="denied")),
              config.to_cluster("dead", "dead", service(lane="dead")),
              config.to_cluster("demo", "demo", service(lane="good"))]
    proxy = own(world, "refusals", JAVA, routes, dead)
    consumer = world.consumer(JAVA)
    to = target(consumer, proxy.port("in"))
    for lane, name in {"denied": "forbidden", "dead": "network"}.items():
        before = proxy.logged("in", "whoami")
        failure = failed_call(consumer, to, method="whoami", attachments={"lane": lane})
        same(failure["root"].get("code_name"), name, f"code of {failure}")
        wait_until(lambda b=before: proxy.logged("in", "whoami") > b, "the attempts in the access log")
        expect(proxy.logged("in", "whoami") - before <= ATTEMPTS, "attempts:", proxy.logged("in", "whoami"))
    failure = failed_call(consumer, to, method="sleep", millis=3000)
    same(failure["root"].get("code_name"), "timeout", f"code of {failure}")
    failure = failed_call(consumer, to, method="whoami", attachments={"lane": "nowhere"})
    expect("no route for" in failure["root"]["message"], "another message:", failure)
    answer = consumer.ask("call", target=to, method="whoami", attachments={"lane": "good"})
    same(answer.get("value"), provider(world, JAVA).name, "a call after it")


def direct_cases():
    return list(matrix("direct"))


def proxy_cases():
    yield from matrix("sabir")
    for kind in KINDS:
        yield Case(f"sabir triple routes by headers in {kind}", partial(routed, kind), KINDS)
    yield Case("sabir triple mutates attachments", mutation, [JAVA])
    yield Case("sabir triple refusals", refusals, [JAVA])
