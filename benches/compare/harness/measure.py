"""One load through one peer, and what it cost."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import Optional

from .processes import Cores, Running, busy_seconds, confine

PROBE_SECONDS = 0.1
PROBES = 5
# Connecting, the last replies and leaving; beyond it something hangs.
SLACK_SECONDS = 60


class LoadError(Exception):
    """The load generator could not measure."""


@dataclass(frozen=True)
class Scenario:
    """What is sent: bytes of argument and result, connections, requests in flight on each, and a rate if open loop.
    With a rate, everything is on one core."""

    protocol: str
    body: int
    connections: int
    depth: int
    rate: Optional[float] = None

    @property
    def name(self):
        size = f"{self.body // 1024} KiB" if self.body >= 1024 else f"{self.body} B"
        pace = f", {self.rate:.0f}/s" if self.rate else ""
        return f"{size}, {self.connections}×{self.depth}{pace}"


def load_command(scenario: Scenario, port, seconds, extra):
    command = [os.environ["LOADGEN_BIN"], "load", scenario.protocol, "--target", f"127.0.0.1:{port}"]
    command += ["--connections", str(scenario.connections), "--depth", str(scenario.depth)]
    command += ["--body", str(scenario.body), "--seconds", str(seconds), *extra]
    if scenario.rate:
        command += ["--rate", str(scenario.rate)]
    return command


def load(scenario: Scenario, port, seconds, core, extra):
    """Runs the load generator and returns what it printed."""
    done = subprocess.run(
        load_command(scenario, port, seconds, extra),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=seconds + SLACK_SECONDS,
        preexec_fn=lambda: confine(core),
    )
    if done.returncode != 0:
        raise LoadError(done.stderr.strip())
    return json.loads(done.stdout)


def probe(peer, scenario, port, core, load_arguments):
    """Makes sure that the peer lets the right requests through and refuses the others. Returns what is wrong, or None."""
    one = Scenario(scenario.protocol, scenario.body, 1, 1)
    seen = _ask(one, port, core, load_arguments)
    if seen["errors"] or not seen["requests"]:
        return f"{peer.label}: {seen['requests']} requests, {seen['errors']} errors {seen['error_kinds']}"
    for refused in peer.refused_loads:
        seen = _ask(one, port, core, refused)
        if seen["rps"] or not seen["errors"]:
            return f"{peer.label}: lets through what it should not route: {' '.join(refused)}"
    return None


def _ask(scenario, port, core, extra):
    """A load so short that on a busy machine it may be over before its first request: then once more."""
    for _ in range(PROBES):
        seen = load(scenario, port, PROBE_SECONDS, core, extra)
        if seen["requests"] or seen["errors"]:
            break
    return seen


def warm_up(scenario, port, seconds, cores: Cores, proxy: Optional[Running], extra):
    """A round that is not timed; returns the proxy's system calls per request if perf is there to count them."""
    perf = shutil.which("perf")
    if not perf or not proxy:
        load(scenario, port, seconds, cores.load, extra)
        return None
    with tempfile.NamedTemporaryFile() as counts:
        pids = ",".join(map(str, proxy.pids))
        command = [perf, "stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-o", counts.name, "-p", pids]
        counter = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            seen = load(scenario, port, seconds, cores.load, extra)
        finally:
            counter.send_signal(2)
            counter.wait(SLACK_SECONDS)
        found = [line.split(b",")[0] for line in counts.read().splitlines() if b"raw_syscalls" in line]
    return int(found[0]) / seen["requests"] if found and found[0].isdigit() and seen["requests"] else None


def measure(scenario, port, seconds, cores: Cores, proxy: Optional[Running], backend: Running, extra):
    """One round of one peer, as a flat record."""
    watched = {cores.proxy, cores.load}
    started, busy = time.monotonic(), busy_seconds(watched)
    backend_cpu = backend.cpu_seconds()
    proxy_cpu = proxy.cpu_seconds() if proxy else 0.0
    seen = load(scenario, port, seconds, cores.load, extra)
    wall = time.monotonic() - started
    proxy_cpu = (proxy.cpu_seconds() if proxy else 0.0) - proxy_cpu
    backend_cpu = backend.cpu_seconds() - backend_cpu
    busy = busy_seconds(watched) - busy
    known = proxy_cpu + backend_cpu + seen["cpu_seconds"]
    requests = seen["requests"]
    if proxy and requests and not proxy_cpu:
        raise LoadError("requests passed without any processor time of the proxy: its figures are wrong")
    return {
        **seen,
        "cpu_us": proxy_cpu * 1e6 / requests if proxy and requests else None,
        "proxy_cpu_seconds": proxy_cpu,
        "backend_cpu_seconds": backend_cpu,
        "wall_seconds": wall,
        "proxy_busy": proxy_cpu / wall,
        "load_core_busy": (backend_cpu + seen["cpu_seconds"]) / wall,
        "foreign_busy": max(0.0, busy - known) / (wall * len(watched)),
        "rss_mib": proxy.rss_kib() / 1024 if proxy else None,
    }
