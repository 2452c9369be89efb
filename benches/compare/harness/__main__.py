"""Command line and the order of things: for each scenario all peers start, warm up, and are measured in turn."""

import argparse
import json
import os
import signal
import sys
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path

from . import dubbo, report
from .measure import LoadError, Scenario, load, measure, probe
from .peers import Ports
from .processes import Cores, Running, StartError, free_port

SCENARIOS = [Scenario(128, 8, 16), Scenario(128, 32, 1), Scenario(65536, 8, 4)]
PROTOCOLS = {"dubbo": dubbo}
# Longer than any scenario lasts; a backend that was left behind goes away by itself.
BACKEND_SECONDS = 3600


def main():
    arguments = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results = arguments.work / "results"
    results.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
    lines_path, page_path = results / f"{stamp}.jsonl", results / f"{stamp}.md"
    missing, faults, records = [], [], []
    about = describe(arguments, missing)
    with open(lines_path, "w") as lines:
        for scenario in SCENARIOS:
            for record in run_scenario(arguments, scenario, faults):
                records.append(record)
                lines.write(json.dumps(record) + "\n")
                lines.flush()
    page_path.write_text(report.page(records, about, missing + faults))
    print(page_path.read_text())
    say(f"{page_path}\n{lines_path}")
    # What is not installed is left out with a word; what is and fails, or errs, makes the run a failure.
    return 1 if faults or not records or any(record["errors"] for record in records) else 0


def parse():
    parser = argparse.ArgumentParser(prog="run.sh", description="Compares sabir with its peers on this machine.")
    parser.add_argument("--quick", action="store_true", help="3 rounds of 2 s instead of 5 of 5 s; a few minutes")
    parser.add_argument("--rounds", type=int, help="rounds of each peer and scenario")
    parser.add_argument("--seconds", type=float, help="length of a round")
    parser.add_argument("--protocol", choices=sorted(PROTOCOLS), default="dubbo")
    parser.add_argument("--only", action="append", metavar="NAME", help="only peers whose label contains this; may repeat")
    parser.add_argument("--work", type=Path, default=Path(".work"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.rounds = arguments.rounds or (3 if arguments.quick else 5)
    arguments.seconds = arguments.seconds or (2.0 if arguments.quick else 5.0)
    if arguments.rounds < 1 or not 0.1 <= arguments.seconds <= 600:
        parser.error("at least one round, of 0.1 to 600 seconds")
    return arguments


def describe(arguments, missing):
    """What was compared, where; what is not there goes to ``missing`` and to the terminal at once."""
    peers = PROTOCOLS[arguments.protocol].all_peers()
    programs = {peer.program.name: peer.program for peer in peers if peer.program}
    versions = []
    for program in programs.values():
        line = program.describe()
        say(line)
        (versions if program.binary else missing).append(line)
    if Cores().shared:
        missing.append("There is one core only: proxy, load and backend took turns on it.")
    return [
        f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, {report.machine()}. {', '.join(versions)}.",
        "",
        f"{arguments.protocol}, {arguments.rounds} interleaved rounds of {arguments.seconds:g} s. The proxy has a core and one"
        " worker, load generator and backend share another core. Every reply is checked.",
    ]


def run_scenario(arguments, scenario, faults):
    """Yields one record per round and peer."""
    protocol = PROTOCOLS[arguments.protocol]
    cores = Cores()
    say(f"— {scenario.name}")
    with ExitStack() as stack:
        backend_port = free_port()
        command = [os.environ["LOADGEN_BIN"], "backend", arguments.protocol, "--listen", f"127.0.0.1:{backend_port}"]
        command += ["--body", str(scenario.body), "--seconds", str(BACKEND_SECONDS)]
        log = arguments.work / "backend.log"
        backend = stack.enter_context(Running("backend", command, cores.load, log, backend_port))
        started = start_peers(arguments, scenario, cores, stack, backend_port, faults)
        for _, _, port in started:
            load(arguments.protocol, scenario, port, min(1.0, arguments.seconds), cores.load, protocol.LOAD)
        for number in range(arguments.rounds):
            for peer, proxy, port in started:
                try:
                    figures = measure(
                        arguments.protocol, scenario, port, arguments.seconds, cores, proxy, backend, protocol.LOAD
                    )
                except (LoadError, OSError) as error:
                    faults.append(f"{peer.label}, {scenario.name}, round {number + 1}: {error}")
                    say(faults[-1])
                    continue
                cost = f"{figures['cpu_us']:.2f} µs, " if figures["cpu_us"] is not None else ""
                say(f"  {number + 1} {peer.label}: {cost}{figures['rps']:.0f}/s, {figures['errors']} errors")
                labels = {"peer": peer.name, "routing": peer.routing, "peer_label": peer.label}
                yield {"scenario": scenario.name, "round": number + 1, **labels, **figures}


def start_peers(arguments, scenario, cores, stack, backend_port, faults):
    """Starts what is there, and keeps those that route as they are said to: (peer, process or None, port)."""
    protocol = PROTOCOLS[arguments.protocol]
    started = []
    for peer in protocol.all_peers():
        if arguments.only and not any(part.lower() in peer.label.lower() for part in arguments.only):
            continue
        if peer.program and peer.program.binary is None:
            continue
        try:
            proxy, port = start(arguments, peer, cores, stack, backend_port)
            wrong = probe(arguments.protocol, peer, scenario, port, cores.load, protocol.LOAD)
        except (StartError, LoadError, ValueError, OSError) as error:
            wrong = f"{peer.label}: {error}"
        if wrong:
            faults.append(f"left out of {scenario.name}: {wrong}")
            say(faults[-1])
        else:
            started.append((peer, proxy, port))
    return started


def start(arguments, peer, cores, stack, backend_port):
    if peer.program is None:
        return None, backend_port
    ports = Ports(free_port(), backend_port, free_port())
    path = peer.write_configuration(ports, arguments.work)
    command = peer.program.run(peer.program.binary, str(path))
    running = Running(peer.label, command, cores.proxy, path.with_suffix(".log"), ports.listen)
    return stack.enter_context(running), ports.listen


def say(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
