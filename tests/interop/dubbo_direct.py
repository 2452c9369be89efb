"""What Dubbo itself does when things fail, without sabir: the measure for the proxy's cases."""

import signal
from functools import partial

from case import Case, expect, same
from dubbo_load import load, no_failures, rpc_failure
from peers import Provider
from process import free_port, wait_until

JAVA = ["java33", "java27"]


def failed_call(consumer, target, **call):
    """What the consumer reports of a call that must fail."""
    report = consumer.ask("call", target=target, **call)
    expect("failure" in report, "the call succeeded:", report)
    return report["failure"]


def consumer_timeout(kind, world):
    """The consumer's own timeout: code 2, and two retries after the first attempt."""
    consumer, provider = world.consumer(kind), world.provider("java33")
    before = provider.count("sleep")
    target = consumer.target(provider.port, timeout=200)
    rpc_failure(failed_call(consumer, target, method="sleep", millis=500), "timeout")
    same(provider.count("sleep") - before, 3, "attempts")
    again = consumer.ask("call", target=consumer.target(provider.port), method="whoami")
    same(again["value"], provider.name, "an answer after late ones")


def unknown_version(kind, world):
    """A provider that has no such service answers with an error status: code 1, retried."""
    consumer, provider = world.consumer(kind), world.provider("java33")
    failure = failed_call(consumer, consumer.target(provider.port) | {"version": "9.9.9"}, method="whoami")
    rpc_failure(failure, "network")
    expect("Tried 3 times" in failure["message"], "not retried twice:", failure)


def killed(kind, world):
    """SIGKILL while calls are in flight: each fails, as a network error.

    Dubbo 3.3 waits up to the call's timeout before it says so, even though the connection is gone.
    """
    consumer = world.consumer(kind)
    provider = Provider(kind, f"{kind}-killed")
    provider.until_ready()
    target = consumer.target(provider.port, retries=0, timeout=2500)
    pending = [consumer.send("call", target=target, method="sleep", millis=5000) for _ in range(8)]
    wait_until(lambda: provider.count("sleep") == 8, "eight calls to arrive")
    provider.kill()
    for answer in pending:
        report = answer.result()
        expect("failure" in report, "a call on a dead connection succeeded:", report)
        rpc_failure(report["failure"], "network")


def stopped_gracefully(kind, world):
    """SIGTERM of one of two providers: its read-only event keeps new calls away, none fails."""
    consumer = world.consumer(kind)
    providers = [Provider(kind, f"{kind}-stopped-{number}") for number in (1, 2)]
    for provider in providers:
        provider.until_ready()
    leaving, staying = providers
    target = consumer.target(leaving.port, staying.port, retries=0)
    with load(consumer, target, hold=20) as running:
        running.until(20, leaving.name)
        leaving.signal(signal.SIGTERM)
        leaving.wait(20)
        running.until(50, staying.name)
        no_failures(running.stop())


def refused(kind, world):
    """Nobody listens: 3.3 knows of no usable provider, 2.7 of a network error."""
    consumer = world.consumer(kind)
    failure = failed_call(consumer, consumer.target(free_port()), method="whoami")
    rpc_failure(failure, "no_invoker" if kind == "java33" else "network")


def cases():
    for name, run in [
        ("consumer timeout", consumer_timeout),
        ("unknown version", unknown_version),
        ("provider killed", killed),
        ("provider stopped gracefully", stopped_gracefully),
        ("connection refused", refused),
    ]:
        for kind in JAVA:
            yield Case(f"direct {kind} {name}", partial(run, kind), {kind, "java33"})
