"""What consumers see when something fails behind sabir: exception, code, attempts, and what survives."""

import signal
from functools import partial

import sabir_config as config
from case import Case, expect, same
from dubbo_direct import failed_call
from dubbo_load import load, no_failures, rpc_failure
from peers import Provider
from process import free_port, wait_until
from sabir import Sabir

JAVA = ["java33", "java27"]
ALL = ["java33", "java27", "go33"]
ATTEMPTS = 3  # Dubbo's failover cluster: one call and two retries
CALLERS = 16


def attempts(proxy, method, wanted):
    """So many calls of the method reached sabir, and not one more."""
    logged = partial(proxy.logged, "in", method)
    wait_until(lambda: logged() >= wanted, lambda: f"{wanted} calls of {method} in the access log, not {logged()}")
    same(proxy.logged("in", method), wanted, f"attempts of {method}")


def answered_by_sabir(name, routes, clusters, tries, kind, world):
    """An error of sabir's own: it leads to so many attempts, and to the failure returned."""
    consumer = world.consumer(kind)
    proxy = Sabir(f"sabir-{name}-{kind}", {"in": routes}, clusters)
    failure = failed_call(consumer, consumer.target(proxy.port("in")), method="whoami")
    attempts(proxy, "whoami", tries)
    return failure


def no_route(kind, world):
    """Status 60: a network error to the consumer, retried like any other status but 20."""
    elsewhere = config.to_cluster("elsewhere", "demo", {"metadata": {"service": {"exact": "org.sabir.Other"}}})
    rpc_failure(answered_by_sabir("no-route", [elsewhere], [config.cluster("demo")], ATTEMPTS, kind, world), "network")


def no_endpoint(kind, world):
    """Status 80, as no endpoint is there at all."""
    routes = [config.to_cluster("demo", "demo")]
    rpc_failure(answered_by_sabir("no-endpoint", routes, [config.cluster("demo")], ATTEMPTS, kind, world), "network")


def refused_endpoint(kind, world):
    """Status 80, as nobody listens at the endpoint."""
    routes = [config.to_cluster("demo", "demo")]
    clusters = [config.cluster("demo", f"127.0.0.1:{free_port()}")]
    rpc_failure(answered_by_sabir("refused", routes, clusters, ATTEMPTS, kind, world), "network")


def told_by_sabir(kind, params, world):
    """Status 60 with a message, in the serialization of the caller: it arrives, each time it is retried."""
    consumer = world.consumer(kind)
    routes = [config.to_answer("answer", "not_found", "nothing of that name here")]
    proxy = Sabir(f"sabir-told-{kind}", {"in": routes}, [])
    target = consumer.target(proxy.port("in"), **({"params": params} if params else {}))
    failure = failed_call(consumer, target, method="whoami")
    expect("nothing of that name here" in failure["message"], "the message got lost:", failure)
    if kind != "go33":
        rpc_failure(failure, "network")
    attempts(proxy, "whoami", ATTEMPTS)


def thrown_by_sabir(status, code_name, kind, world):
    """An RpcException in a good reply: told, and not answered by a storm of retries.

    Dubbo 3.3 wraps it into another RpcException without a code; 2.7 throws it as it is.
    """
    routes = [config.to_answer("answer", status, "come back later")]
    failure = answered_by_sabir(status.replace("_", "-"), routes, [], 1, kind, world)
    same(failure["class"], "org.apache.dubbo.rpc.RpcException", "class")
    rpc_failure(failure["root"], code_name)
    same(failure["root"]["message"], "come back later", "message")


def timeout(kind, world):
    """Status 31 when the route's time is up: code 2, retried; late answers reach nobody."""
    consumer, provider = world.consumer(kind), world.provider("java33")
    routes = [
        config.to_cluster("slow", "demo", config.metadata(method="sleep"), timeout="0.3s"),
        config.to_cluster("rest", "demo"),
    ]
    clusters = [config.cluster("demo", provider.address)]
    proxy = Sabir(f"sabir-timeout-{kind}", {"in": routes}, clusters)
    before = provider.count("sleep")
    target = consumer.target(proxy.port("in"))
    report = consumer.ask("call", target=target, method="sleep", millis=700)
    rpc_failure(report["failure"], "timeout")
    expect(900 <= report["elapsed_ms"] < 3000, "three times 300 ms took", report["elapsed_ms"])
    attempts(proxy, "sleep", ATTEMPTS)
    same(provider.count("sleep") - before, ATTEMPTS, "attempts at the provider")
    # Late answers come in among these.
    same(consumer.ask("hammer", target=target, threads=4, calls=200), 800, "calls after it")


def business_exception(kind, world):
    """An exception of the service passes unchanged and is not retried."""
    consumer, provider = world.consumer(kind), world.provider("java33")
    clusters = [config.cluster("demo", provider.address)]
    proxy = Sabir(f"sabir-business-{kind}", {"in": [config.to_cluster("demo", "demo")]}, clusters)
    target = consumer.target(proxy.port("in"))
    failure = failed_call(consumer, target, method="fail", kind="checked", message="no user 7")
    same(failure["class"], "org.sabir.demo.UserNotFoundException", "class")
    same(failure["message"], "no user 7", "message")
    attempts(proxy, "fail", 1)


class TwoProviders:
    """Two fresh providers behind a proxy, so that one can be taken away."""

    def __init__(self, label, provider_kind):
        self.leaving = Provider(provider_kind, f"{label}-leaving")
        self.staying = Provider(provider_kind, f"{label}-staying")
        self.leaving.until_ready()
        self.staying.until_ready()
        clusters = [config.cluster("demo", self.leaving.address, self.staying.address)]
        self.proxy = Sabir(f"sabir-{label}", {"in": [config.to_cluster("demo", "demo")]}, clusters)


def killed(kind, world):
    """SIGKILL of one of two providers under load: only what was in flight on it fails, at once."""
    consumer = world.consumer(kind)
    pair = TwoProviders(f"killed-{kind}", kind)
    target = consumer.target(pair.proxy.port("in"), retries=0)
    with load(consumer, target, threads=CALLERS, hold=50) as running:
        running.until(100, pair.leaving.name)
        pair.leaving.kill()
        running.until(400, pair.staying.name)
        report = running.stop()
    expect(report["failed"] <= CALLERS, f"{report['failed']} failed:", report["failures"][-1:])
    for failure in report["failures"]:
        rpc_failure(failure, "network")


def killed_with_calls(kind, world):
    """SIGKILL with long calls in flight: each of them fails, as a network error and without delay."""
    consumer = world.consumer(kind)
    provider = Provider(kind, f"sole-{kind}")
    provider.until_ready()
    clusters = [config.cluster("demo", provider.address)]
    proxy = Sabir(f"sabir-sole-{kind}", {"in": [config.to_cluster("demo", "demo")]}, clusters)
    target = consumer.target(proxy.port("in"), retries=0)
    pending = [consumer.send("call", target=target, method="sleep", millis=8000) for _ in range(8)]
    wait_until(lambda: provider.count("sleep") == 8, "eight calls to arrive")
    provider.kill()
    for answer in pending:
        report = answer.result()
        expect("failure" in report, "a call of a dead provider succeeded:", report)
        rpc_failure(report["failure"], "network")
        expect(report["elapsed_ms"] < 5000, "noticed late:", report["elapsed_ms"])


def stopped_gracefully(provider_kind, world):
    """SIGTERM of one of two providers under load: it says read-only, and no call fails."""
    consumer = world.consumer("java33")
    pair = TwoProviders(f"stopped-{provider_kind}", provider_kind)
    target = consumer.target(pair.proxy.port("in"), retries=0)
    with load(consumer, target, threads=CALLERS, hold=20) as running:
        running.until(100, pair.leaving.name)
        pair.leaving.signal(signal.SIGTERM)
        pair.leaving.wait(20)
        running.until(200, pair.staying.name)
        no_failures(running.stop())


def provider_returns(world):
    """A provider that went away and came back at the same address gets calls again."""
    consumer, staying = world.consumer("java33"), world.provider("java27")
    first = Provider("java33", "returning-1")
    first.until_ready()
    clusters = [config.cluster("demo", first.address, staying.address)]
    proxy = Sabir("sabir-return", {"in": [config.to_cluster("demo", "demo")]}, clusters)
    with load(consumer, consumer.target(proxy.port("in"), retries=0)) as running:
        running.until(20, first.name)
        first.kill()
        running.until(200, staying.name)
        second = Provider("java33", "returning-2", port=first.port)
        second.until_ready()
        running.until(20, second.name)
        running.stop()


def cases():
    for name, run in [
        ("no route", no_route),
        ("no endpoint", no_endpoint),
        ("refused endpoint", refused_endpoint),
        ("timeout", timeout),
        ("rate limited", partial(thrown_by_sabir, "rate_limited", "limit_exceeded")),
        ("denied", partial(thrown_by_sabir, "denied", "forbidden")),
        ("business exception", business_exception),
        ("provider killed under load", killed),
        ("provider killed with calls in flight", killed_with_calls),
    ]:
        for kind in JAVA:
            yield Case(f"sabir {kind} {name}", partial(run, kind), {kind, "java33"})
    for kind in ALL:
        yield Case(f"sabir {kind} status with a message", partial(told_by_sabir, kind, None), {kind})
    fastjson2 = {"serialization": "fastjson2", "prefer.serialization": "fastjson2,hessian2"}
    yield Case("sabir java33 status with a message in fastjson2", partial(told_by_sabir, "java33", fastjson2), {"java33"})
    for kind in JAVA:
        run = partial(stopped_gracefully, kind)
        yield Case(f"sabir {kind} provider stopped gracefully", run, {kind, "java33"})
    yield Case("sabir provider comes back", provider_returns, set(JAVA))
