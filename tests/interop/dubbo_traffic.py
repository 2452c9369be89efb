"""Routing of real Dubbo traffic: isolation, splits, metadata, changes under load, draining."""

import json
import signal
from functools import partial

import sabir
import sabir_config as config
from case import Case, expect, same
from dubbo_load import load, no_failures, rpc_failure
from peers import GROUP, SERVICE, VERSION
from process import established, wait_until
from sabir import Sabir

JAVA = ["java33", "java27"]
KINDS = ["java33", "java27", "go33"]
USER = {"v1": "java33", "v2": "java27"}


def users(world):
    """The user group: v1 is the Dubbo 3.3 provider, v2 the 2.7 one."""
    return config.cluster(
        "user", *[(world.provider(kind).address, {"version": version}) for version, kind in USER.items()]
    )


def name_of(world, version):
    return world.provider(USER[version]).name


def isolation(world):
    """Users' calls 90/10 over v1 and v2, batch jobs to the batch provider only, from every consumer."""
    batch = world.provider("go33")
    routes = [
        config.to_cluster("batch", "batch", config.metadata(batchjob="true")),
        config.to_weighted("user", "user", {"v1": 90, "v2": 10}),
    ]
    clusters = [users(world), config.cluster("batch", batch.address)]
    proxy = Sabir("sabir-isolation", {"in": routes}, clusters)
    for kind in JAVA:
        consumer = world.consumer(kind)
        target = consumer.target(proxy.port("in"))
        user = load(consumer, target, threads=8, attachments={"batchjob": "false"})
        jobs = load(consumer, target, threads=4, attachments={"batchjob": "true"})
        with user as running, jobs as working:
            running.until(4000)
            working.until(500)
            job_report, report = working.stop(), running.stop()
        no_failures(report)
        no_failures(job_report)
        same(list(job_report["answers"]), [batch.name], f"providers of {kind}'s batch jobs")
        calls = sum(report["answers"].values())
        share = report["answers"].get(name_of(world, "v2"), 0) / calls
        expect(batch.name not in report["answers"], "a user's call went to batch:", report["answers"])
        expect(0.075 < share < 0.125, f"v2 got {share:.3f} of {calls} calls, not 0.1 of them")


def subset_fallback(world):
    """Labels nobody has: the declared fallback decides."""
    strict = config.to_cluster("strict", "user", config.metadata(lane="strict"), {"version": "v9"})
    lenient = config.to_cluster("lenient", "user", None, {"version": "v9"})
    lenient["route"]["fallback_policy"] = "ANY_ENDPOINT"
    proxy = Sabir("sabir-subset", {"in": [strict, lenient]}, [users(world)])
    consumer = world.consumer("java33")
    target = consumer.target(proxy.port("in"), retries=0)
    answer = consumer.ask("call", target=target, method="whoami")
    expect(answer.get("value") in (name_of(world, "v1"), name_of(world, "v2")), "no fallback:", answer)
    refused = consumer.ask("call", target=target, method="whoami", attachments={"lane": "strict"})
    rpc_failure(refused["failure"], "network")


def sticky(world):
    """A split with a hash key: one user, one provider; many users, both."""
    route = config.to_weighted("user", "user", {"v1": 50, "v2": 50}, hash_key=["user-id"])
    proxy = Sabir("sabir-sticky", {"in": [route]}, [users(world)])
    consumer = world.consumer("java33")
    target = consumer.target(proxy.port("in"))
    seen = {}
    for user in range(40):
        for _ in range(3):
            answer = consumer.ask("call", target=target, method="whoami", attachments={"user-id": f"u{user}"})
            seen.setdefault(user, set()).add(answer["value"])
    same({user: len(names) for user, names in seen.items() if len(names) != 1}, {}, "users that wandered")
    same(len(set.union(*seen.values())), 2, "providers of all users together")


def real_method_of_generic_call(world):
    """A generic call is routed by the method it is about, not by $invoke."""
    routes = [
        config.to_cluster("whoami", "user", config.metadata(method="whoami"), {"version": "v2"}),
        config.to_cluster("rest", "user", None, {"version": "v1"}),
    ]
    proxy = Sabir("sabir-generic", {"in": routes}, [users(world)])
    for kind in JAVA:
        consumer = world.consumer(kind)
        seen = consumer.ask("generic", target=consumer.target(proxy.port("in")))
        same(seen, name_of(world, "v2"), f"provider of {kind}'s generic call of whoami")


def group_and_version(world):
    """Routes by group, which is only in the attachments, and by version."""
    routes = [
        config.to_cluster("other", "user", config.metadata(group="other"), {"version": "v1"}),
        config.to_cluster("newer", "user", config.metadata(version="2.0.0"), {"version": "v1"}),
        config.to_cluster("this", "user", config.metadata(group=GROUP, version=VERSION), {"version": "v2"}),
    ]
    proxy = Sabir("sabir-group", {"in": routes}, [users(world)])
    for kind in KINDS:
        consumer = world.consumer(kind)
        answer = consumer.ask("call", target=consumer.target(proxy.port("in")), method="whoami")
        same(answer.get("value"), name_of(world, "v2"), f"provider of {kind}'s call ({answer})")


def rewrite(world):
    """A call of a group and version that no provider has, rewritten to those there are."""
    changes = {"request_mutation": {"set": {"group": GROUP, "version": VERSION}}}
    routes = [config.to_cluster("old", "demo", config.metadata(version="0.9.0"), **changes)]
    for provider_kind in KINDS:
        provider = world.provider(provider_kind)
        clusters = [config.cluster("demo", provider.address)]
        proxy = Sabir(f"sabir-rewrite-{provider_kind}", {"in": routes}, clusters)
        for kind in KINDS:
            consumer = world.consumer(kind)
            target = consumer.target(proxy.port("in"), retries=0) | {"group": "old", "version": "0.9.0"}
            answer = consumer.ask("call", target=target, method="whoami")
            same(answer.get("value"), provider.name, f"{kind} to {provider_kind} ({answer})")


def mutation(world):
    """Attachments set and removed by sabir, seen by real providers and consumers."""
    changes = {
        "request_mutation": {"set": {"x-lane": "gold", "x-old": "new"}, "remove": ["x-debug"]},
        "response_mutation": {"set": {"x-served-by": "sabir"}, "remove": ["x-secret"]},
    }
    routes = [config.to_cluster("mutating", "java33", **changes)]
    clusters = [config.cluster("java33", world.provider("java33").address)]
    proxy = Sabir("sabir-mutation", {"in": routes}, clusters)
    for kind in KINDS:
        consumer = world.consumer(kind)
        facts = consumer.ask(
            "attachments",
            target=consumer.target(proxy.port("in")),
            attachments={"x-debug": "1", "x-old": "old", "x-kept": "kept"},
        )
        seen, returned = facts["seen"], facts["returned"]
        same((seen.get("x-lane"), seen.get("x-old"), seen.get("x-kept")), ("gold", "new", "kept"), f"{kind} request")
        expect("x-debug" not in seen, "not removed:", seen)
        same((returned.get("x-served-by"), returned.get("provider")), ("sabir", "java33-provider"), f"{kind} response")
        expect("x-secret" not in returned, "not removed:", returned)


def live_change(kind, world):
    """Ten changes of routes and endpoints under load: no call fails, no connection is lost."""
    consumer = world.consumer(kind)

    def routes(version):
        return {"in": [config.to_weighted("user", "user", {version: 100})]}

    proxy = Sabir(f"sabir-live-{kind}", routes("v1"), [users(world)])
    with load(consumer, consumer.target(proxy.port("in"), retries=0)) as running:
        running.until(100, name_of(world, "v1"))
        before = established(proxy.port("in"), consumer.child.pid)
        for change in range(10):
            version = ("v2", "v1")[change % 2]
            proxy.reconfigure(routes(version), [users(world)])
            running.until(100, name_of(world, version))
        one_endpoint = config.cluster("user", (world.provider("java27").address, {"version": "v1"}))
        proxy.reconfigure(routes("v1"), [one_endpoint])
        running.until(200, name_of(world, "v2"))
        after = established(proxy.port("in"), consumer.child.pid)
        no_failures(running.stop())
    same(after, before, "the consumer's connections after the changes")


def bad_configuration(world):
    """A file that is refused changes nothing; the next good one counts."""
    consumer = world.consumer("java33")
    routes = {"in": [config.to_weighted("user", "user", {"v1": 100})]}
    proxy = Sabir("sabir-rejects", routes, [users(world)])
    with load(consumer, consumer.target(proxy.port("in"), retries=0)) as running:
        dangling = {"in": [config.to_cluster("user", "nowhere")]}
        proxy.write(proxy.document(dangling, [users(world)]))
        wait_until(lambda: "nowhere" in proxy.tail(50), "the log to say what is wrong")
        running.until(100, name_of(world, "v1"))
        expect("nowhere" not in proxy.admin("/config_dump")[1], "the bad configuration is in force")
        proxy.reconfigure({"in": [config.to_weighted("user", "user", {"v2": 100})]}, [users(world)])
        running.until(100, name_of(world, "v2"))
        no_failures(running.stop())


def check_command(world):
    """`sabir check` tells good from bad, and names the place and every error at once."""
    good = config.bootstrap(9901, [config.listener("in", 20880, [config.to_cluster("r", "c")])], [config.cluster("c")])
    status, said = sabir.check("check-good", config.yaml(good))
    same(status, 0, f"status for a good file ({said})")
    bad = json.loads(json.dumps(good))
    bad["clusters"][0]["lb_polcy"] = "ROUND_ROBIN"
    bad["listeners"][0]["route_configuration"]["routes"][0]["route"]["timeout"] = "soon"
    status, said = sabir.check("check-bad", config.yaml(bad))
    expect(status != 0, "a bad file passed:", said)
    expect("lb_polcy" in said and "timeout" in said and "check-bad.yaml:" in said, "not all was said:", said)


def in_flight_finish(kind, world):
    """SIGTERM with calls in flight: they end well, then sabir exits with 0."""
    consumer, provider = world.consumer(kind), world.provider("java33")
    clusters = [config.cluster("demo", provider.address)]
    proxy = Sabir(f"sabir-drain-{kind}", {"in": [config.to_cluster("demo", "demo")]}, clusters)
    before = provider.count("sleep")
    target = consumer.target(proxy.port("in"), retries=0)
    pending = [consumer.send("call", target=target, method="sleep", millis=1500) for _ in range(8)]
    wait_until(lambda: provider.count("sleep") - before == 8, "eight calls to arrive")
    proxy.signal(signal.SIGTERM)
    for answer in pending:
        report = answer.result()
        same(report.get("value"), provider.name, f"a call in flight ({report})")
    same(proxy.wait(10), 0, "exit status of sabir")


def draining_is_told(kind, world):
    """One of two proxies stops under load: its read-only event keeps new calls away, none fails."""
    consumer = world.consumer(kind)
    clusters = [config.cluster("demo", world.provider("java33").address)]
    listeners = {"in": [config.to_cluster("demo", "demo")]}
    leaving = Sabir(f"sabir-leaving-{kind}", listeners, clusters)
    staying = Sabir(f"sabir-staying-{kind}", listeners, clusters)
    target = consumer.target(leaving.port("in"), staying.port("in"), retries=0)
    with load(consumer, target, hold=20) as running:
        wait_until(lambda: leaving.logged("in", "sleep") > 10, "calls through the first proxy")
        leaving.signal(signal.SIGTERM)
        same(leaving.wait(20), 0, "exit status of sabir")
        running.until(100)
        no_failures(running.stop())


def callback_and_calls(world):
    """Callbacks reach the consumer that asked, while other consumers use the same provider."""
    provider = world.provider("java33")
    clusters = [config.cluster("demo", provider.address)]
    proxy = Sabir("sabir-callback", {"in": [config.to_cluster("demo", "demo")]}, clusters)
    targets = {kind: world.consumer(kind).target(proxy.port("in"), connections=1) for kind in JAVA}
    with load(world.consumer("java27"), targets["java27"]) as running:
        for _ in range(5):
            heard = world.consumer("java33").ask("callback", target=targets["java33"])
            same(heard, [f"{provider.name} {turn}" for turn in range(3)], "what the listener heard")
        running.until(50)
        no_failures(running.stop())


def admin_listener(world):
    """The admin listener says that it lives, and counts the calls that there were."""
    consumer = world.consumer("java33")
    clusters = [config.cluster("demo", world.provider("java33").address)]
    proxy = Sabir("sabir-admin", {"in": [config.to_cluster("demo", "demo")]}, clusters)
    consumer.ask("string", target=consumer.target(proxy.port("in")))
    for path in ("/live", "/ready", "/stats", "/clusters", "/listeners"):
        same(proxy.admin(path)[0], 200, path)
    expect(SERVICE in proxy.admin("/metrics")[1], "no metric tells the service")
    wait_until(lambda: proxy.logged("in", "echoString") == 4, "four lines in the access log")


def cases():
    yield Case("sabir isolation of users and batch", isolation, KINDS)
    yield Case("sabir subset fallback", subset_fallback, JAVA)
    yield Case("sabir sticky split", sticky, JAVA)
    yield Case("sabir routes generic calls by their method", real_method_of_generic_call, JAVA)
    yield Case("sabir routes by group and version", group_and_version, KINDS)
    yield Case("sabir rewrites group and version", rewrite, KINDS)
    yield Case("sabir mutates attachments", mutation, KINDS)
    yield Case("sabir callbacks beside other calls", callback_and_calls, JAVA)
    yield Case("sabir refuses a bad configuration", bad_configuration, JAVA)
    yield Case("sabir check", check_command, set())
    yield Case("sabir admin listener", admin_listener, {"java33"})
    for kind in JAVA:
        yield Case(f"sabir {kind} live change under load", partial(live_change, kind), JAVA)
        yield Case(f"sabir {kind} drain lets calls finish", partial(in_flight_finish, kind), {kind, "java33"})
        yield Case(f"sabir {kind} drain is told", partial(draining_is_told, kind), {kind, "java33"})
