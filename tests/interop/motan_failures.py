"""What real Motan clients make of sabir's own answers, and of failures behind it."""

from functools import partial

import sabir_config as config
from case import Case, expect, same
from motan_peers import CLIENTS, JAVA, MOTAN1_COMPRESSED, Provider
from motan_sabir import MotanSabir
from process import free_port, wait_until

SERVICE = "MotanServiceException"
RETRIES = 2
FUSED_AFTER = 10  # errors in a row, after which a client takes the endpoint for dead


def failed(world, proxy, client, **call):
    """The failure of one call that must fail."""
    target = client.target(world, proxy.port("in"), retries=RETRIES)
    report = client.consumer(world).ask("call", target=target, **call)
    expect("failure" in report, "the call succeeded:", report)
    return report["failure"]


def told_as(failure, code):
    """Motan's own exception of the kind that says nothing of the callee's business."""
    if "type" in failure:
        same((failure["type"], failure["code"]), (1, code), f"type and code of {failure}")
    else:
        same((failure["class"], failure["code"]), (SERVICE, code), f"class and code of {failure}")


def attempts(proxy, method, wanted):
    """So many calls of the method reached sabir, and not one more."""
    wait_until(lambda: proxy.logged("in", method) >= wanted, f"{wanted} calls of {method} in the access log")
    same(proxy.logged("in", method), wanted, f"attempts of {method}")


def service_exception(label, routes, clusters, code, client, world):
    """An answer of sabir's own that clients retry: Motan's own exception with this code."""
    proxy = MotanSabir(f"sabir-motan-{label}-{client.label}", {"in": routes}, clusters)
    failure = failed(world, proxy, client, method="whoami")
    told_as(failure, code)
    attempts(proxy, "whoami", RETRIES + 1)


def no_route(client, world):
    match = {"metadata": {"service": {"exact": "org.sabir.Other"}}}
    routes = [config.to_cluster("elsewhere", "demo", match)]
    service_exception("no-route", routes, [config.cluster("demo")], 10101, client, world)


def no_route_compressed(world):
    """A call that does not say whom it is for is told so in words that its client reads."""
    match = {"metadata": {"service": {"exact": "org.sabir.Other"}}}
    routes = [config.to_cluster("elsewhere", "demo", match)]
    proxy = MotanSabir("sabir-motan-unread", {"in": routes}, [config.cluster("demo")])
    failure = failed(world, proxy, MOTAN1_COMPRESSED, method="whoami")
    told_as(failure, 10101)


def no_endpoint(client, world):
    routes = [config.to_cluster("demo", "demo")]
    service_exception("no-endpoint", routes, [config.cluster("demo")], 10001, client, world)


def refused_endpoint(client, world):
    routes = [config.to_cluster("demo", "demo")]
    clusters = [config.cluster("demo", f"127.0.0.1:{free_port()}")]
    service_exception("refused", routes, clusters, 10001, client, world)


def timeout(client, world):
    """Each attempt ends when the route's time is up; late answers reach nobody."""
    provider, consumer = world.provider(JAVA), client.consumer(world)
    routes = [
        config.to_cluster("slow", "demo", config.metadata(method="sleep"), timeout="0.3s"),
        config.to_cluster("rest", "demo"),
    ]
    clusters = [config.cluster("demo", provider.address)]
    proxy = MotanSabir(f"sabir-motan-timeout-{client.label}", {"in": routes}, clusters)
    failure = failed(world, proxy, client, method="sleep", millis=700)
    told_as(failure, 10003)
    attempts(proxy, "sleep", RETRIES + 1)
    target = client.target(world, proxy.port("in"), retries=RETRIES)
    same(consumer.ask("hammer", target=target, threads=4, calls=200), 800, "calls after it")


def not_retried(status, client, world):
    """A limit or a denial: told in sabir's words, once."""
    routes = [config.to_answer("answer", status, "come back 明天")]
    proxy = MotanSabir(f"sabir-motan-{status.replace('_', '-')}-{client.label}", {"in": routes}, [])
    failure = failed(world, proxy, client, method="whoami")
    if client.kind == JAVA:
        # It unwraps business exceptions, and makes this of one that has no cause.
        same(failure["class"], SERVICE, f"class of {failure}")
    else:
        same(failure["type"], 2, f"type of {failure}")
    expect("come back 明天" in failure["message"], "the message got lost:", failure)
    attempts(proxy, "whoami", 1)


def recovers(client, world):
    """So many errors that a client takes sabir for dead: its heartbeats are answered, and it comes back."""
    provider, consumer = world.provider(JAVA), client.consumer(world)
    nowhere = [config.to_answer("none", "not_found", "provider not exist serviceKey=for sabir")]
    proxy = MotanSabir(f"sabir-motan-recovers-{client.label}", {"in": nowhere}, [])
    target = client.target(world, proxy.port("in"))
    for _ in range(2 * FUSED_AFTER):
        report = consumer.ask("call", target=target, method="whoami")
        expect("failure" in report, "the call succeeded:", report)
    told = proxy.logged("in", "whoami")
    expect(told < 2 * FUSED_AFTER, "the client never took sabir for dead:", told)
    proxy.reconfigure({"in": [config.to_cluster("demo", "demo")]}, [config.cluster("demo", provider.address)])

    def answered():
        return consumer.ask("call", target=target, method="whoami").get("value") == provider.name

    wait_until(answered, "the client to come back")
    same(consumer.ask("hammer", target=target, threads=4, calls=100), 400, "calls after it")


def too_long(client, world):
    """A request over the limit is told so, and only its connection ends."""
    provider, consumer = world.provider(JAVA), client.consumer(world)
    clusters = [config.cluster("demo", provider.address)]
    routes = {"in": [config.to_cluster("demo", "demo")]}
    name = f"sabir-motan-long-{client.label}"
    proxy = MotanSabir(name, routes, clusters, max_message_bytes=2000)
    target = client.target(world, proxy.port("in"), timeout=3000)
    report = consumer.ask("call", target=target, method="echoString", bytes=3000)
    expect("failure" in report, "the call succeeded:", report)
    told_as(report["failure"], 10201)
    expect(report["elapsed_ms"] < 2000, "the client had to wait for its own timeout:", report)
    same(consumer.ask("call", target=target, method="whoami").get("value"), provider.name, "answer after it")


def killed(client, world):
    """SIGKILL of one of two providers: calls in flight there fail at once, the others do not."""
    consumer = client.consumer(world)
    label = client.label
    leaving, staying = (Provider(JAVA, f"{label}-{name}") for name in ("leaving", "staying"))
    leaving.until_ready()
    staying.until_ready()
    clusters = [config.cluster("demo", leaving.address, staying.address)]
    proxy = MotanSabir(f"sabir-motan-killed-{label}", {"in": [config.to_cluster("demo", "demo")]}, clusters)
    target = client.target(world, proxy.port("in"))
    pending = [consumer.send("call", target=target, method="sleep", millis=3000) for _ in range(8)]
    wait_until(lambda: leaving.count("sleep") + staying.count("sleep") == 8, "eight calls to arrive")
    lost = leaving.count("sleep")
    expect(0 < lost < 8, "both providers have calls, but one has", lost)
    leaving.kill()
    reports = [answer.result() for answer in pending]
    failures = [report for report in reports if "failure" in report]
    same(len(failures), lost, f"failed calls ({reports})")
    for report in failures:
        told_as(report["failure"], 10001)
        expect(report["elapsed_ms"] < 2500, "not at once:", report)
    answers = consumer.ask("spread", target=target, calls=80)
    same(answers, {staying.name: 80}, "answers after it")


def cases():
    for client in CLIENTS:
        for label, run in [
            ("no route", no_route),
            ("no endpoint", no_endpoint),
            ("refused endpoint", refused_endpoint),
            ("timeout", timeout),
            ("rate limited", partial(not_retried, "rate_limited")),
            ("denied", partial(not_retried, "denied")),
            ("client comes back after errors", recovers),
            ("request too long", too_long),
            ("provider killed", killed),
        ]:
            yield Case(f"sabir motan {label} in {client.label}", partial(run, client), {client.kind, JAVA})
    yield Case("sabir motan no route in motan1 compressed", no_route_compressed, {JAVA})
