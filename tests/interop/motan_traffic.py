"""Routing of real Motan traffic: isolation, splits, metadata, changes under load, draining."""

import signal
import time
from functools import partial

import sabir_config as config
from case import Case, expect, same
from motan_peers import CLIENTS, GO, JAVA, MOTAN2, MOTAN_GO, Provider
from motan_sabir import MotanSabir
from peers import GROUP, VERSION
from process import established, wait_until


def trio(world):
    """Three providers by name, the shared one and two that the first case in need starts."""
    if not hasattr(world, "motan_trio"):
        fresh = {version: Provider(JAVA, f"motan-{version}") for version in ("v2", "batch")}
        for provider in fresh.values():
            provider.until_ready()
            world.kept.add(provider.child.pid)
        world.motan_trio = {"v1": world.provider(JAVA), **fresh}
    return world.motan_trio


def users(world):
    """The user group: two versions."""
    three = trio(world)
    return config.cluster("user", *[(three[version].address, {"version": version}) for version in ("v1", "v2")])


def isolation(client, world):
    """Users' calls 90/10 over v1 and v2, batch jobs to the batch provider only."""
    three = trio(world)
    routes = [
        config.to_cluster("batch", "batch", config.metadata(batchjob="true")),
        config.to_weighted("user", "user", {"v1": 90, "v2": 10}),
    ]
    clusters = [users(world), config.cluster("batch", three["batch"].address)]
    proxy = MotanSabir(f"sabir-motan-isolation-{client.label}", {"in": routes}, clusters)
    consumer = client.consumer(world)
    target = client.target(world, proxy.port("in"))
    jobs = consumer.send("spread", target=target, calls=800, attachments={"batchjob": "true"})
    answers = consumer.ask("spread", target=target, calls=4000, attachments={"batchjob": "false"})
    same(jobs.result(), {"motan-batch": 800}, "providers of batch jobs")
    same(sum(answers.values()), 4000, "calls of users")
    share = answers.get("motan-v2", 0) / 4000
    expect("motan-batch" not in answers, "a user's call went to batch:", answers)
    expect(0.075 < share < 0.125, f"v2 got {share:.3f} of them, not 0.1:", answers)


def sticky(world):
    """A split with a hash key: one user, one provider; many users, both."""
    route = config.to_weighted("user", "user", {"v1": 50, "v2": 50}, hash_key=["user-id"])
    proxy = MotanSabir("sabir-motan-sticky", {"in": [route]}, [users(world)])
    consumer = world.consumer(JAVA)
    target = consumer.target(proxy.port("in"))
    seen = set()
    for user in range(30):
        answers = consumer.ask("spread", target=target, calls=8, attachments={"user-id": f"u{user}"})
        expect(len(answers) == 1, f"user {user} wandered:", answers)
        seen.update(answers)
    same(len(seen), 2, "providers of all users together")


def fields(client, world):
    """Routes by method, group and version."""
    routes = [
        config.to_cluster("other", "user", config.metadata(group="other"), {"version": "v1"}),
        config.to_cluster("newer", "user", config.metadata(version="2.0.0"), {"version": "v1"}),
        config.to_cluster("sleep", "user", config.metadata(method="sleep"), {"version": "v1"}),
        config.to_cluster("this", "user", config.metadata(group=GROUP, version=VERSION), {"version": "v2"}),
    ]
    proxy = MotanSabir(f"sabir-motan-fields-{client.label}", {"in": routes}, [users(world)])
    consumer = client.consumer(world)
    target = client.target(world, proxy.port("in"), serialization="hessian2" if client.kind == JAVA else "simple")
    same(consumer.ask("call", target=target, method="whoami").get("value"), "motan-v2", "provider of whoami")
    asleep = consumer.ask("call", target=target, method="sleep", millis=1)
    same(asleep.get("value"), world.provider(JAVA).name, "provider of sleep")


def rewrite(client, world):
    """A call of a group and version that no provider has, rewritten to those there are."""
    changes = {"request_mutation": {"set": {"group": GROUP, "version": VERSION}}}
    match = config.metadata(version="0.9.0", group="old")
    routes = [config.to_cluster("old", "demo", match, **changes)]
    clusters = [config.cluster("demo", world.provider(JAVA).address)]
    proxy = MotanSabir(f"sabir-motan-rewrite-{client.label}", {"in": routes}, clusters)
    target = client.target(world, proxy.port("in"), serialization="simple") | {"group": "old", "version": "0.9.0"}
    seen = client.consumer(world).ask("attachments", target=target)["seen"]
    same((seen["group"], seen["version"]), (GROUP, VERSION), "group and version at the provider")


def mutation(serialization, client, world):
    """Attachments set and removed by sabir, seen by a real provider and a real client."""
    changes = {
        "request_mutation": {"set": {"x-lane": "gold", "x-old": "new"}, "remove": ["x-debug"]},
        "response_mutation": {"set": {"x-served-by": "sabir"}, "remove": ["x-secret"]},
    }
    routes = [config.to_cluster("mutating", "demo", **changes)]
    clusters = [config.cluster("demo", world.provider(JAVA).address)]
    proxy = MotanSabir(f"sabir-motan-mutation-{serialization}-{client.label}", {"in": routes}, clusters)
    sent = {"x-debug": "1", "x-old": "old", "x-kept": "kept 你好"}
    target = client.target(world, proxy.port("in"), serialization=serialization, gzip=10)
    facts = client.consumer(world).ask("attachments", target=target, attachments=sent)
    seen, returned = facts["seen"], facts["returned"]
    values = [seen.get(key) for key in ("x-lane", "x-old", "x-kept", "x-debug")]
    same(values, ["gold", "new", "kept 你好", None], "request")
    same([returned.get("x-served-by"), returned.get("x-secret")], ["sabir", None], "response")


def compressed(world):
    """What a client compressed passes as it is: two mebibytes come in as far less."""
    clusters = [config.cluster("demo", world.provider(JAVA).address)]
    proxy = MotanSabir("sabir-motan-gzip", {"in": [config.to_cluster("demo", "demo")]}, clusters)
    consumer = world.consumer(JAVA)
    consumer.ask("large", target=consumer.target(proxy.port("in"), gzip=100))
    received, sent = (proxy.metric(f"_{way}_cx_rx_bytes_total") for way in ("downstream", "upstream"))
    expect(1000 < received < 500_000, "bytes of requests:", received)
    expect(sent > 1000, "bytes of responses:", sent)


def live_change(world):
    """Changes of routes under load: no call fails."""
    three = trio(world)

    def routes(version):
        return {"in": [config.to_weighted("user", "user", {version: 100})]}

    proxy = MotanSabir("sabir-motan-live", routes("v1"), [users(world)])
    consumer = world.consumer(JAVA)
    running = consumer.send("spread", target=consumer.target(proxy.port("in")), calls=24_000)
    for change in range(6):
        version = ("v2", "v1")[change % 2]
        before = three[version].count("whoami")
        proxy.reconfigure(routes(version), [users(world)])
        wait_until(lambda v=version, b=before: three[v].count("whoami") > b, f"calls at {version}")
    answers = running.result()
    same(sum(answers.values()), 24_000, f"answers ({answers})")


def in_flight_finish(world):
    """SIGTERM with calls in flight: they end well, then sabir exits with 0."""
    consumer, provider = world.consumer(JAVA), world.provider(JAVA)
    clusters = [config.cluster("demo", provider.address)]
    proxy = MotanSabir("sabir-motan-drain", {"in": [config.to_cluster("demo", "demo")]}, clusters)
    before = provider.count("sleep")
    target = consumer.target(proxy.port("in"))
    pending = [consumer.send("call", target=target, method="sleep", millis=1500) for _ in range(8)]
    wait_until(lambda: provider.count("sleep") - before == 8, "eight calls to arrive")
    proxy.signal(signal.SIGTERM)
    for answer in pending:
        report = answer.result()
        same(report.get("value"), provider.name, f"a call in flight ({report})")
    same(proxy.wait(10), 0, "exit status of sabir")


def one_way_unanswered(world):
    """Answers to one-way calls, which nobody asked for, go nowhere; the calls arrive, and others go on."""
    provider, consumer = world.provider(GO), world.consumer(GO)
    clusters = [config.cluster("demo", provider.address)]
    proxy = MotanSabir("sabir-motan-one-way", {"in": [config.to_cluster("demo", "demo")]}, clusters)
    target = consumer.target(proxy.port("in"), timeout=500)
    before = provider.count("touch")
    # Its client waits all the same.
    pending = consumer.send("oneway", target=target).get_or_none(20)
    expect("timeout" in pending.get("error", {}).get("message", ""), "the client heard an answer:", pending)
    same(provider.count("touch") - before, 1, "one-way calls that arrived")
    same(consumer.ask("hammer", target=target, threads=4, calls=100), 400, "calls after it")
    same(proxy.metric("rq_one_way_total"), 1.0, "one-way calls by the metrics")


def kept_alive(kind, world):
    """Heartbeats keep an idle connection to a real provider, which answers them."""
    provider = world.provider(kind)
    clusters = [config.cluster("demo", provider.address, keepalive_interval="0.3s")]
    proxy = MotanSabir(f"sabir-motan-idle-{kind}", {"in": [config.to_cluster("demo", "demo")]}, clusters)
    consumer = world.consumer(kind)
    target = consumer.target(proxy.port("in"))
    consumer.ask("call", target=target, method="whoami")
    used = established(provider.port, proxy.child.pid)
    expect(len(used) >= 1, "no connection to the provider", used)
    heard = proxy.metric("upstream_cx_rx_bytes_total.*demo")
    # Unanswered, they would end the connection after 0.9 s.
    time.sleep(2.5)
    same(established(provider.port, proxy.child.pid), used, "connections after idling")
    expect(proxy.metric("upstream_cx_rx_bytes_total.*demo") >= heard + 5 * 21, "no heartbeats came back")
    same(consumer.ask("call", target=target, method="whoami").get("value"), provider.name, "answer after idling")


def cases():
    for client in CLIENTS:
        kinds = {client.kind, JAVA}
        label = f"in {client.label}"
        yield Case(f"sabir motan isolation of users and batch {label}", partial(isolation, client), kinds)
        yield Case(f"sabir motan routes by method, group and version {label}", partial(fields, client), kinds)
    for client in [MOTAN2, MOTAN_GO]:
        kinds = {client.kind, JAVA}
        yield Case(f"sabir motan rewrites group and version in {client.label}", partial(rewrite, client), kinds)
        run = partial(mutation, "simple", client)
        yield Case(f"sabir motan mutates attachments around simple in {client.label}", run, kinds)
    for serialization in ["hessian2", "breeze"]:
        run = partial(mutation, serialization, MOTAN2)
        yield Case(f"sabir motan mutates attachments around {serialization}", run, {JAVA})
    for kind in [JAVA, GO]:
        yield Case(f"sabir motan heartbeats to an idle provider of {kind}", partial(kept_alive, kind), {kind})
    yield Case("sabir motan one-way calls are not answered", one_way_unanswered, {GO})
    yield Case("sabir motan sticky split", sticky, {JAVA})
    yield Case("sabir motan passes gzip as it is", compressed, {JAVA})
    yield Case("sabir motan live change under load", live_change, {JAVA})
    yield Case("sabir motan drain lets calls finish", in_flight_finish, {JAVA})
