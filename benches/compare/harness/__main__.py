"""Command line and the order of things."""

import argparse
import signal
import sys
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from . import chart, idle, plan, report, routes, second
from .processes import Cores, allow_many_files, has_priority
from .stage import PROTOCOLS, Run, say
from .throughput import run_scenario

TITLES = {name: protocol.TITLE for name, protocol in PROTOCOLS.items()}
PARTS = ("load", "rate", "idle", "routes", "change", "second")
# A round at the fixed rate has few requests; this gives the tail some.
RATE_SECONDS, QUICK_RATE_SECONDS = 3.0, 2.0
RATE_ROUNDS, QUICK_RATE_ROUNDS = 3, 2


def main():
    arguments = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results = arguments.work / "results"
    results.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
    run = Run(
        work=arguments.work.resolve(),
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        only=arguments.only or [],
        peers=arguments.peer or [],
        quick=arguments.quick,
        lines_path=results / f"{stamp}.jsonl",
    )
    notes = []
    files = allow_many_files()
    about = describe(run, notes)
    is_whole = False
    try:
        measure_all(run, arguments.part or PARTS, files, notes)
        is_whole = not (arguments.quick or arguments.part or arguments.only or arguments.peer)
    finally:
        # What was measured before an interruption is worth a page too.
        if run.records:
            publish(run, about, notes, results / stamp, is_whole)
    # What is not installed is left out with a word; what is and fails, or errs, makes the run a failure.
    return 1 if run.faults or not run.records or any(record["errors"] for record in run.records) else 0


def parse():
    parser = argparse.ArgumentParser(prog="run.sh", description="Compares sabir with its peers on this machine.")
    parser.add_argument("--quick", action="store_true", help="the most telling scenarios, in under five minutes")
    parser.add_argument("--rounds", type=int, help="rounds of each peer and scenario")
    parser.add_argument("--seconds", type=float, help="length of a round")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part of the run; may repeat")
    only = "only scenarios whose name (as in 'dubbo 128 B, 8×16') contains this; may repeat"
    parser.add_argument("--only", action="append", metavar="TEXT", help=only)
    peers = "only peers whose label contains this; may repeat"
    parser.add_argument("--peer", action="append", metavar="TEXT", help=peers)
    parser.add_argument("--work", type=Path, default=Path(".work"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.rounds = arguments.rounds or (3 if arguments.quick else 5)
    arguments.seconds = arguments.seconds or (1.0 if arguments.quick else 1.5)
    if arguments.rounds < 1 or not 0.1 <= arguments.seconds <= 600:
        parser.error("at least one round, of 0.1 to 600 seconds")
    return arguments


def measure_all(run: Run, parts, files, notes):
    """Every part that is asked for; what is not there is added to ``notes``."""
    if "load" in parts:
        for scenario in plan.loads(run.quick):
            if run.wants(f"{scenario.protocol} {scenario.name}"):
                run_scenario(run, scenario)
    if "rate" in parts:
        rounds, seconds = (QUICK_RATE_ROUNDS, QUICK_RATE_SECONDS) if run.quick else (RATE_ROUNDS, RATE_SECONDS)
        slow = replace(run, rounds=min(run.rounds, rounds), seconds=max(run.seconds, seconds))
        for scenario in plan.rates(run.quick):
            if run.wants(f"{scenario.protocol} {scenario.name}"):
                run_scenario(slow, scenario)
    if "idle" in parts:
        for name in plan.idle(run.quick):
            if run.wants(f"{name} idle"):
                idle.run_protocol(run, name, files)
    if "routes" in parts and run.wants("dubbo routes"):
        routes.run_sizes(run, plan.SOME_ROUTES if run.quick else plan.MANY_ROUTES)
    if "change" in parts and run.wants("dubbo change"):
        routes.run_change(replace(run, rounds=1 if run.quick else min(run.rounds, 3)))
    if "second" in parts and not run.quick and run.wants("http second"):
        missing = second.run_check(run)
        notes += [missing] if missing else []


def describe(run, notes):
    """What was compared, where; what is not there goes to ``notes`` and to the terminal at once."""
    peers = [peer for protocol in PROTOCOLS.values() for peer in protocol.all_peers()]
    programs = {peer.program.name: peer.program for peer in peers if peer.program}
    versions = []
    for program in programs.values():
        line = program.describe()
        say(line)
        (versions if program.binary else notes).append(line)
    if Cores().shared:
        notes.append("There is one core only: proxy, load and backend took turns on it.")
    if not has_priority():
        notes.append("Measured processes could not be put ahead of others (needs root and autogroups).")
    return [
        f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, {report.machine()}. {', '.join(versions)}.",
        "",
        f"{run.rounds} interleaved rounds of {run.seconds:g} s. The proxy has a core and one worker, load generator and"
        " backend share another core.",
    ]


def publish(run, about, notes, stem, is_whole):
    """The page and the picture among the results; of a full run, in the repository too."""
    page = lambda picture: report.page(run.records, about, notes + run.faults, TITLES, picture)
    picture = chart.svg(run.records, TITLES, plan.pictured())
    stem.with_suffix(".svg").write_text(picture)
    stem.with_suffix(".md").write_text(page(stem.with_suffix(".svg").name))
    if is_whole:
        Path("RESULTS.md").write_text(page("RESULTS.svg"))
        Path("RESULTS.svg").write_text(picture)
    print(report.short(run.records, about, TITLES) if run.quick else page(stem.with_suffix(".svg").name))
    say("\n".join(str(stem.with_suffix(suffix)) for suffix in (".md", ".svg", ".jsonl")))


if __name__ == "__main__":
    sys.exit(main())
