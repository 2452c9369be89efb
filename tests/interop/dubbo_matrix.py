"""Every kind of call between every pair of Dubbo peers: direct, and through sabir."""

import time
from functools import partial

import sabir
from case import Case, expect, same
from process import established, wait_until

# dubbo-go sends no callbacks and has no asynchronous form of its own; its exceptions have one class.
PAIRS = [
    ("java33", "java33"),
    ("java27", "java27"),
    ("java27", "java33"),
    ("java33", "java27"),
    ("java33", "go33"),
    ("java27", "go33"),
    ("go33", "java33"),
    ("go33", "java27"),
    ("go33", "go33"),
]
# Scenarios whose checks the consumer makes itself.
PLAIN = ["string", "pojo", "nested", "list", "map", "null", "large", "generic"]
JAVA_CONSUMER = ["async", "echo"]
JAVA_BOTH = ["generic_exception", "callback"]
# A heartbeat a second; three unanswered ones, and a Java consumer drops the connection. Dubbo 3.3
# would look for that once a minute only.
IDLE_PARAMS = {"heartbeat": "1000", "dubbo.application.least-reconnect-duration": "1000"}
IDLE_SECONDS = 6.0


class Pair:
    """A consumer and a provider, and the port where the one reaches the other."""

    def __init__(self, world, way, consumer_kind, provider_kind):
        self.consumer = world.consumer(consumer_kind)
        self.provider = world.provider(provider_kind)
        self.port = self.provider.port if way == "direct" else sabir.shared(world).port(provider_kind)

    def target(self, **options):
        return self.consumer.target(self.port, **options)

    def ask(self, op, **arguments):
        arguments.setdefault("target", self.target())
        return self.consumer.ask(op, **arguments)

    def connections(self):
        return established(self.port, self.consumer.child.pid)


def plain(scenario, pair):
    pair.ask(scenario)


def void(pair):
    before = pair.provider.count("touch")
    pair.ask("void")
    same(pair.provider.count("touch") - before, 1, "calls of touch that arrived")


def oneway(pair):
    before = pair.provider.count("note")
    pair.ask("oneway")
    wait_until(lambda: pair.provider.count("note") - before == 5, "five one-way calls to arrive")


def exception(kind, pair):
    before = pair.provider.count("fail")
    failure = pair.ask("call", method="fail", kind=kind, message="no user 7: 你好")["failure"]
    expect("no user 7: 你好" in failure["message"], "the message got lost:", failure)
    if pair.consumer.kind == "go33":
        return
    same(pair.provider.count("fail") - before, 1, "attempts: a business exception is not retried, so")
    if pair.provider.kind == "go33":
        return
    same(failure["message"], "no user 7: 你好", "message")
    if kind == "checked":
        same(failure["class"], "org.sabir.demo.UserNotFoundException", "class")
        same(failure["user_id"], 7, "field of the exception")
    else:
        same(failure["class"], "java.lang.IllegalStateException", "class")


def attachments(pair):
    facts = pair.ask("attachments", attachments={"batchjob": "true", "x-text": "zoë 你好", "x-empty": ""})
    seen = facts["seen"]
    same({key: seen.get(key) for key in ("batchjob", "x-text", "x-empty")},
         {"batchjob": "true", "x-text": "zoë 你好", "x-empty": ""}, "attachments at the provider")
    same((seen["group"], seen["version"]), ("interop", "1.0.0"), "group and version")
    if pair.provider.kind != "go33":
        same(seen["serialization"], "2", "serialization")
        same(facts["returned"].get("provider"), pair.provider.name, "attachment of the response")


def fastjson2(pair):
    target = pair.target(params={"serialization": "fastjson2", "prefer.serialization": "fastjson2,hessian2"})
    for scenario in ["string", "pojo", "nested", "list", "map", "null", "large", "async"]:
        pair.ask(scenario, target=target)
    facts = pair.ask("attachments", target=target, attachments={"batchjob": "true"})
    same(facts["seen"]["serialization"], "23", "serialization")
    same(facts["seen"].get("batchjob"), "true", "attachment at the provider")
    failure = pair.ask("call", target=target, method="fail", kind="checked", message="no user 7")["failure"]
    same((failure["class"], failure["message"]),
         ("org.sabir.demo.UserNotFoundException", "no user 7"), "exception")


def one_connection(pair):
    """64 threads on one connection, each answer checked against its own argument."""
    before = pair.connections()
    target = pair.target(connections=1, single=True)
    same(pair.ask("hammer", target=target, threads=64, calls=100), 6400, "calls")
    # dubbo-go shares the connection it has; Java was told to open one for this reference alone.
    fresh = len(pair.connections() - before)
    expect(fresh == 1 or (fresh == 0 and pair.consumer.kind == "go33"), "new connections:", fresh)


class Idle:
    """A connection that idles beyond several heartbeats still serves, and is still the same one."""

    def __init__(self, way, consumer_kind, provider_kind):
        self._pair = (way, consumer_kind, provider_kind)

    def prepare(self, world):
        self._on = Pair(world, *self._pair)
        before = self._on.connections()
        self._target = self._on.target(connections=1, single=True, params=IDLE_PARAMS)
        self._on.ask("call", target=self._target, method="whoami")
        self._used = self._on.connections() - before or before
        self._since = time.monotonic()

    def run(self, world):
        time.sleep(max(0.0, self._since + IDLE_SECONDS - time.monotonic()))
        expect(self._used <= self._on.connections(), "the idle connection was closed")
        answer = self._on.ask("call", target=self._target, method="whoami")
        same(answer.get("value"), self._on.provider.name, "answer after idling")
        expect(self._used <= self._on.connections(), "the call needed a new connection")


def _scenarios(consumer_kind, provider_kind):
    """Name and function of each scenario that this pair of implementations can do at all."""
    names = list(PLAIN)
    if consumer_kind != "go33":
        names += JAVA_CONSUMER
        if provider_kind != "go33":
            names += JAVA_BOTH
    scenarios = [(name, partial(plain, name)) for name in names]
    scenarios += [
        ("void", void),
        ("oneway", oneway),
        ("checked exception", partial(exception, "checked")),
        ("runtime exception", partial(exception, "runtime")),
        ("attachments", attachments),
        ("64 threads, one connection", one_connection),
    ]
    if (consumer_kind, provider_kind) == ("java33", "java33"):
        scenarios.append(("fastjson2", fastjson2))
    return scenarios


def _cases(way):
    idle = []
    for kinds in PAIRS:
        label = f"{way} {kinds[0]}->{kinds[1]}"
        for name, scenario in _scenarios(*kinds):
            run = partial(lambda scenario, kinds, world: scenario(Pair(world, way, *kinds)), scenario, kinds)
            yield Case(f"{label} {name}", run, kinds)
        waiting = Idle(way, *kinds)
        idle.append(Case(f"{label} idle beyond heartbeats", waiting.run, kinds, waiting.prepare))
    yield from idle


def direct_cases():
    yield from _cases("direct")


def proxy_cases():
    yield from _cases("sabir")
