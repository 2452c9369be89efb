"""Idle connections: what a proxy's memory grows by for each that carried one request and stays."""

import json
import os
import subprocess
import time
from contextlib import ExitStack

from . import haproxy
from .measure import LoadError, Scenario, load
from .peers import DIRECT, FLOOR, HAPROXY
from .processes import Cores, confine
from .stage import FAILURES, PROTOCOLS, Run, say, start_backend, start_peers

CONNECTIONS = 10_000
BODY = 128
WARM_SECONDS = 0.5
OPEN_SECONDS = 120
# In which a proxy may give back what it only needed for the request.
REST_SECONDS = 1.0


def run_protocol(run: Run, name, files):
    """Measures every peer that keeps idle connections, once."""
    protocol, cores = PROTOCOLS[name], Cores()
    scenario = Scenario(name, BODY, 8, 1)
    # Forwarders of bytes need two files a connection and keep nothing else for it; the direct way keeps nothing.
    peers = [peer for peer in protocol.all_peers() if peer.name not in (DIRECT, FLOOR)]
    routed = {peer.name: peer for peer in peers}
    say(f"— {protocol.TITLE}, idle connections")
    for peer in routed.values():
        most = haproxy.most_connections() if peer.name == HAPROXY else files
        connections = min(CONNECTIONS, most - 500)
        with ExitStack() as stack:
            _, backend_port = start_backend(run, stack, scenario, cores.load)
            for one in start_peers(run, stack, [peer], scenario, cores, backend_port):
                try:
                    figures = _grow(one, scenario, cores, connections, protocol.LOAD)
                except (*FAILURES, subprocess.TimeoutExpired) as error:
                    run.fault(f"{peer.label}, idle connections of {protocol.TITLE}: {error}")
                    continue
                say(f"  {peer.label}: {figures['kib']:.2f} KiB each, {figures['errors']} errors")
                run.record("idle", scenario, peer, figures)


def _grow(one, scenario, cores, connections, extra):
    load(scenario, one.port, WARM_SECONDS, cores.load, extra)
    time.sleep(REST_SECONDS)
    before = one.proxy.rss_kib()
    command = [os.environ["LOADGEN_BIN"], "hold", scenario.protocol, "--target", f"127.0.0.1:{one.port}"]
    command += ["--connections", str(connections), "--body", str(scenario.body), *extra]
    crowd = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: confine(cores.load)
    )
    try:
        opened = crowd.stdout.readline()
        if not opened:
            raise LoadError(f"the load generator ended with status {crowd.wait(OPEN_SECONDS)}")
        time.sleep(REST_SECONDS)
        after = one.proxy.rss_kib()
        last, _ = crowd.communicate(timeout=OPEN_SECONDS)
    finally:
        crowd.kill()
        crowd.wait()
    seen = json.loads(last.splitlines()[-1])
    return {
        "connections": connections,
        "requests": seen["requests"],
        "errors": seen["errors"],
        "error_kinds": seen["error_kinds"],
        "rss_before_kib": before,
        "rss_after_kib": after,
        "kib": (after - before) / connections,
    }
