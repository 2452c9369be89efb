"""What every part of a run shares: the backend, peers that are started and checked, where records and faults go."""

import json
import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import List, Optional

from . import dubbo, http, motan2, thrift
from .measure import LoadError, Scenario, probe
from .peers import Peer, Ports
from .processes import Cores, Running, StartError, free_port

PROTOCOLS = {module.NAME: module for module in (dubbo, thrift, motan2, http.HTTP1, http.HTTP2, http.GRPC)}
# Longer than any part lasts; a backend that was left behind goes away by itself.
BACKEND_SECONDS = 3600
# What one round may fail by; it is said, and the run goes on.
FAILURES = (StartError, LoadError, ValueError, OSError)


@dataclass
class Run:
    """The whole run: what was asked for, and what came of it so far."""

    work: Path
    rounds: int
    seconds: float
    only: List[str]
    peers: List[str]
    quick: bool
    lines_path: Path
    records: List[dict] = field(default_factory=list)
    faults: List[str] = field(default_factory=list)

    def record(self, kind, scenario: Scenario, peer: Peer, figures):
        """Keeps one measurement, and writes it down at once."""
        names = {"peer": peer.name, "routing": peer.routing, "peer_label": peer.label}
        what = {"kind": kind, "protocol": scenario.protocol, "scenario": scenario.name}
        self.records.append({**what, **names, **figures})
        with open(self.lines_path, "a") as lines:
            lines.write(json.dumps(self.records[-1]) + "\n")

    def fault(self, text):
        self.faults.append(text)
        say(text)

    def wants(self, scenario):
        """Whether --only asks for a scenario of this name."""
        return not self.only or any(part.lower() in scenario.lower() for part in self.only)

    def wants_peer(self, peer: Peer):
        """Whether --peer asks for it, and its program is there."""
        is_there = peer.program is None or peer.program.binary is not None
        return is_there and (not self.peers or any(part.lower() in peer.label.lower() for part in self.peers))


@dataclass
class Started:
    """A peer that runs; the direct way has no process."""

    peer: Peer
    proxy: Optional[Running]
    port: int


def start_backend(run: Run, stack: ExitStack, scenario: Scenario, core):
    """The echo backend and its port."""
    port = free_port()
    command = [os.environ["LOADGEN_BIN"], "backend", scenario.protocol, "--listen", f"127.0.0.1:{port}"]
    command += ["--body", str(scenario.body), "--seconds", str(BACKEND_SECONDS)]
    return stack.enter_context(Running("backend", command, core, run.work / "backend.log", port)), port


def start_peer(run: Run, stack: ExitStack, peer: Peer, scenario: Scenario, core, backend_port):
    """Starts one peer; fails by one of FAILURES."""
    if peer.program is None:
        return Started(peer, None, backend_port)
    ports = Ports(free_port(), backend_port, free_port())
    path = peer.write_configuration(ports, run.work, scenario.protocol)
    command = peer.program.run(peer.program.binary, str(path))
    running = Running(peer.label, command, core, path.with_suffix(".log"), ports.listen)
    return Started(peer, stack.enter_context(running), ports.listen)


def start_peers(run: Run, stack: ExitStack, peers: List[Peer], scenario: Scenario, cores: Cores, backend_port):
    """Starts what is there, and keeps those that route as they are said to."""
    extra = PROTOCOLS[scenario.protocol].LOAD
    started = []
    for peer in peers:
        if not run.wants_peer(peer):
            continue
        try:
            one = start_peer(run, stack, peer, scenario, cores.proxy, backend_port)
            wrong = probe(peer, scenario, one.port, cores.load, extra)
        except FAILURES as error:
            wrong = f"{peer.label}: {error}"
        if wrong:
            run.fault(f"left out of {PROTOCOLS[scenario.protocol].TITLE} {scenario.name}: {wrong}")
        else:
            started.append(one)
    return started


def say(text):
    print(text, file=sys.stderr, flush=True)
