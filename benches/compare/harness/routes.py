"""Many routes: what a request costs among 10 000 and 100 000 of them, and what a change of 10 000 does to traffic."""

import json
import os
import subprocess
import time
import urllib.request
from contextlib import ExitStack

from . import peers, sabir
from .dubbo import ATTACHMENT, METHOD, SERVICE
from .measure import LoadError, Scenario, load_command
from .peers import SABIR, Peer, as_text
from .processes import Cores, confine
from .stage import FAILURES, PROTOCOLS, Run, Started, say, start_backend, start_peer
from . import measure as measuring

# Services that the load calls in turn, so that not one route alone is used.
CALLED = 1000
SCENARIO = Scenario("dubbo", 128, 8, 16)
LOAD = ["--service", SERVICE, "--method", METHOD, "--services", str(CALLED), "--attachment", "=".join(ATTACHMENT)]

CHANGED = 10_000
CHANGE_RATE = 10_000
BEFORE_SECONDS = 2.0
# What the change may need at most; the load ends then.
CHANGE_SECONDS = 4.0
# For how long traces of the change are looked for when it is in force.
AFTER_SECONDS = 0.5


def run_sizes(run: Run, sizes):
    """Interleaved rounds of one sabir per number of routes; the first number is the one that others are compared to."""
    say("— Dubbo, many routes")
    cores = Cores()
    with ExitStack() as stack:
        backend, backend_port = start_backend(run, stack, SCENARIO, cores.load)
        started = []
        for size in sizes:
            peer = _peer(size)
            if peer.program.binary is None:
                return
            try:
                one = start_peer(run, stack, peer, SCENARIO, cores.proxy, backend_port)
                started.append((size, one))
                measuring.warm_up(SCENARIO, one.port, 1.0, cores, one.proxy, LOAD)
            except FAILURES as error:
                run.fault(f"{peer.label}: {error}")
        for number in range(run.rounds):
            for size, one in started:
                figures = measuring.measure(SCENARIO, one.port, run.seconds, cores, one.proxy, backend, LOAD)
                say(f"  {number + 1} {one.peer.label}: {figures['cpu_us']:.2f} µs, {figures['errors']} errors")
                run.record("routes", SCENARIO, one.peer, {"round": number + 1, "routes": size, **figures})


def run_change(run: Run):
    """One sabir with 10 000 routes gets as many others while calls arrive."""
    say(f"— Dubbo, a change of {CHANGED} routes under load")
    cores, peer = Cores(), _peer(CHANGED)
    if peer.program.binary is None:
        return
    with ExitStack() as stack:
        _, backend_port = start_backend(run, stack, SCENARIO, cores.load)
        try:
            one = start_peer(run, stack, peer, SCENARIO, cores.proxy, backend_port)
            for number in range(run.rounds):
                figures = _change(run, one, peer, cores, number)
                before, during = figures["before"]["p99_us"], figures["during"]["p99_us"]
                say(f"  {number + 1} p99 {before:.0f} → {during:.0f} µs, {figures['errors']} errors")
                run.record("change", SCENARIO, peer, figures)
        except (*FAILURES, subprocess.TimeoutExpired) as error:
            run.fault(f"change of routes: {error}")


def _peer(size):
    return Peer(SABIR, f"{size} routes", peers.sabir(), lambda ports: _configuration(ports, size))


def _configuration(ports, size, mark=""):
    """Services numbered from 0, of which the first thousand are called; one route has them all by their prefix."""
    if size == 1:
        match = {"metadata": {"service": {"prefix": SERVICE}, "method": {"exact": METHOD}}}
        return sabir.bootstrap(ports, "dubbo", [{"name": "all", "match": match, "route": {"cluster": "echo"}}])
    routes = [sabir.route(f"r{mark}{index}", service=f"{SERVICE}{index:06}", method=METHOD) for index in range(size)]
    return sabir.bootstrap(ports, "dubbo", routes)


def _change(run, one: Started, peer, cores, number):
    """Phases of a load: before, then from the writing of the file until half a second after it is in force."""
    path = run.work / "dubbo-sabir-10000-routes.yaml"
    old = json.loads(path.read_text())
    ports = _ports(old)
    new = as_text(_configuration(ports, CHANGED, f"change-{number}-"))
    scenario = Scenario("dubbo", 128, 8, 16, CHANGE_RATE)
    command = [*load_command(scenario, one.port, BEFORE_SECONDS + CHANGE_SECONDS, LOAD), "--phases"]
    generator = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: confine(cores.load)
    )
    try:
        time.sleep(BEFORE_SECONDS)
        updates = _updates(ports.admin)
        _begin_phase(generator)
        started = time.monotonic()
        beside = path.with_suffix(".new")
        beside.write_text(new)
        os.replace(beside, path)
        _await(ports.admin, updates, started + CHANGE_SECONDS - AFTER_SECONDS)
        took = time.monotonic() - started
        time.sleep(AFTER_SECONDS)
        _begin_phase(generator)
        seen = json.loads(generator.stdout.read())
    finally:
        generator.kill()
        generator.wait()
    phases = dict(zip(("before", "during", "after"), seen["phases"]))
    return {"round": number + 1, "took_seconds": took, **seen, **phases}


def _begin_phase(generator):
    generator.stdin.write("\n")
    generator.stdin.flush()


def _ports(configuration):
    """Of a configuration of sabir's, so that another one keeps them."""
    port = lambda address: int(address.rpartition(":")[2])
    endpoint = configuration["clusters"][0]["load_assignment"]["endpoints"][0]
    return peers.Ports(
        port(configuration["listeners"][0]["address"]), port(endpoint["address"]), port(configuration["admin"]["address"])
    )


def _updates(admin):
    """How many configurations were put in force so far, and how many refused."""
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=10) as page:
        lines = page.read().decode().splitlines()
    counts = {line.split('"')[1]: int(line.split()[1]) for line in lines if line.startswith("sabir_config_updates_total{")}
    return counts["accepted"], counts["rejected"]


def _await(admin, before, deadline):
    """Until one more configuration is in force."""
    while time.monotonic() < deadline:
        time.sleep(0.1)
        accepted, rejected = _updates(admin)
        if rejected > before[1]:
            raise LoadError("the changed configuration is refused")
        if accepted > before[0]:
            return
    raise LoadError(f"the changed configuration was not in force after {CHANGE_SECONDS:.0f} s")
