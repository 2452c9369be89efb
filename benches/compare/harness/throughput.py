"""Closed loops, and open ones at a fixed rate: all peers of a scenario run at the same time and are loaded in turn."""

from contextlib import ExitStack

from .measure import Scenario, measure, warm_up
from .peers import DIRECT
from .processes import Cores
from .stage import FAILURES, PROTOCOLS, Run, say, start_backend, start_peers


def run_scenario(run: Run, scenario: Scenario):
    """Measures every peer in every round."""
    kind = "rate" if scenario.rate else "load"
    protocol = PROTOCOLS[scenario.protocol]
    cores = Cores(together=bool(scenario.rate))
    say(f"— {protocol.TITLE}, {scenario.name}")
    with ExitStack() as stack:
        backend, backend_port = start_backend(run, stack, scenario, cores.load)
        started = start_peers(run, stack, _peers(protocol, scenario), scenario, cores, backend_port)
        calls = {}
        for one in started:
            try:
                seconds = min(1.0, run.seconds / 2)
                calls[one.peer.label] = warm_up(scenario, one.port, seconds, cores, one.proxy, protocol.LOAD)
            except FAILURES as error:
                run.fault(f"{one.peer.label}, {scenario.name}, warm-up: {error}")
        for number in range(run.rounds):
            for one in started:
                try:
                    figures = measure(scenario, one.port, run.seconds, cores, one.proxy, backend, protocol.LOAD)
                except FAILURES as error:
                    run.fault(f"{one.peer.label}, {scenario.name}, round {number + 1}: {error}")
                    continue
                cost = f"{figures['cpu_us']:.2f} µs, " if figures["cpu_us"] is not None else ""
                say(f"  {number + 1} {one.peer.label}: {cost}{figures['rps']:.0f}/s, {figures['errors']} errors")
                more = {"round": number + 1, "system_calls": calls.get(one.peer.label)}
                run.record(kind, scenario, one.peer, {**more, **figures})


def _peers(protocol, scenario):
    """At a fixed rate, of each program the configuration that does most, and only proxies: the rest shows little."""
    peers = protocol.all_peers()
    return list({peer.name: peer for peer in peers if peer.name != DIRECT}.values()) if scenario.rate else peers
