"""The Markdown: whether the bars are met, ratios, then every figure with its spread; and a short table for the README."""

import os
import platform

from . import bars
from .figures import chosen, is_limited, middle, number, ratio, spread
from .peers import ENVOY, FLOOR, HAPROXY, NGINX, SABIR

# A share of the cores, used by others, beyond which figures are doubtful.
DISTURBED = 0.05
_BESIDE = (FLOOR, HAPROXY, NGINX, ENVOY)

FACTS = """- Envoy's dubbo_proxy and thrift_proxy open one upstream connection per request in flight: 128 at 8×16. The
  others share a few.
- A match on an attachment makes Envoy's dubbo_proxy decode the arguments: at 64 KiB that is most of its cost.
- `nice` does nothing between sessions where the kernel groups processes by them, so each measured process has a
  session, and thus a scheduling group, of its own, put ahead of the neighbours' (needs root).
- A slow backend or generator corrupts a proxy's figure: both are counted, figures that are theirs are marked `*`, and
  a second generator, h2load, checks the order of magnitude in a full run.
- sabir has many clients share an upstream connection where the protocol allows it, so the kernel works less for it than
  for a forwarder of bytes, which has as many connections behind as in front of it."""

NOTES = """CPU: user and system time of the proxy's processes per request. Median (least–most) of the rounds. System calls
are those of the warm-up, counted by perf. HTTP/2 and gRPC of nginx go through grpc_pass. Every reply's status, length and
content are compared, and each has a token of its request.

`*`: the core of load generator and backend was full and the proxy's was not, so requests/s and latency are those of the
generator; CPU per request is the proxy's all the same."""


def page(records, about, notes, titles, picture=None):
    """``records``: one per peer and round, each with kind, protocol, scenario, peer, routing and the figures."""
    lines = ["# Comparison", "", *about, ""]
    foreign = middle(chosen(records, kind="load"), "foreign_busy") or 0.0
    if foreign > DISTURBED:
        notes = [*notes, f"Other processes took {foreign:.0%} of the cores: take the figures as rough."]
    if notes:
        lines += [*(f"- {note}" for note in notes), ""]
    if picture:
        lines += [f"![Processor time per request of each proxy]({picture})", ""]
    lines += ["## Bars", "", *_bars(records, titles), ""]
    lines += ["## CPU per request: sabir ÷ each peer", "", *_ratios(records, titles), ""]
    lines += ["## What to know", "", FACTS, "", NOTES, ""]
    for kind, title in (("load", ""), ("rate", ", everything on one core")):
        here = chosen(records, kind=kind)
        for protocol, scenario in dict.fromkeys((record["protocol"], record["scenario"]) for record in here):
            rounds = chosen(here, protocol=protocol, scenario=scenario)
            lines += [f"## {titles[protocol]}, {scenario}{title}", "", *_table(rounds), ""]
    lines += [*_idle(records, titles), *_routes(records), *_change(records), *_second(records, titles)]
    return "\n".join(lines).rstrip() + "\n"


def short(records, about, titles):
    """The table for the README: ratios, and what they are ratios of."""
    lines = [about[0], "", "| load | sabir, µs | ÷ haproxy tcp | ÷ haproxy http | ÷ nginx | ÷ Envoy |"]
    lines.append("|---|--:|--:|--:|--:|--:|")
    for title, ours, cells in _rows(records, titles):
        lines.append(f"| {title} | {ours:.2f} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def machine():
    """The machine in words."""
    model = platform.processor() or "unknown processor"
    try:
        with open("/proc/cpuinfo") as cpuinfo:
            model = next((line.split(":", 1)[1].strip() for line in cpuinfo if line.startswith("model name")), model)
    except OSError:
        pass
    release = ".".join(platform.release().split("-")[0].split(".")[:2])
    return f"{model}, {len(os.sched_getaffinity(0))} cores, Linux {release}"


def _bars(records, titles):
    lines = ["| work | bar | found | |", "|---|---|--:|---|"]
    for verdict in bars.verdicts(records, titles):
        lines.append(f"| {verdict.work} | {verdict.bar} | {verdict.found or '–'} | {verdict.word} |")
    lines.append("| two workers instead of one | ≥ 1.8 × the throughput | – | not measured: needs four cores |")
    return lines


def _rows(records, titles):
    """(title, sabir's cost, ratios) per scenario and routing."""
    loads = chosen(records, kind="load")
    for protocol, scenario in dict.fromkeys((record["protocol"], record["scenario"]) for record in loads):
        here = chosen(loads, protocol=protocol, scenario=scenario)
        for routing in dict.fromkeys(record["routing"] for record in chosen(here, peer=SABIR)):
            ours = middle(chosen(here, peer=SABIR, routing=routing), "cpu_us")
            if not ours:
                continue
            beside = [chosen(here, peer=peer, routing=routing) or chosen(here, peer=peer, routing="") for peer in _BESIDE]
            cells = [ratio(ours, middle(rounds, "cpu_us")) for rounds in beside]
            yield f"{titles[protocol]}, {scenario}, {routing}", ours, cells


def _ratios(records, titles):
    lines = [f"| load, routed by | {' | '.join(_BESIDE)} |", "|---|--:|--:|--:|--:|"]
    for title, _, cells in _rows(records, titles):
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines


def _table(records):
    lines = [
        "| peer | CPU µs/request | requests/s | p50 µs | p99 µs | p99.9 µs | RSS MiB | system calls/request | proxy's core |"
        " errors |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for label in dict.fromkeys(record["peer_label"] for record in records):
        rounds = chosen(records, peer_label=label)
        calls = rounds[0]["system_calls"]
        mark = "*" if is_limited(rounds) else ""
        cells = [
            label,
            spread(rounds, "cpu_us", 2),
            spread(rounds, "rps", 0) + mark,
            spread(rounds, "p50_us", 0) + mark,
            spread(rounds, "p99_us", 0) + mark,
            spread(rounds, "p999_us", 0) + mark,
            spread(rounds, "rss_mib", 1),
            f"{calls:.2f}" if calls else "–",
            f"{middle(rounds, 'proxy_busy'):.0%}" if rounds[0]["cpu_us"] is not None else "–",
            str(sum(record["errors"] for record in rounds)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _idle(records, titles):
    here = chosen(records, kind="idle")
    if not here:
        return []
    lines = ["## Idle connections, after one request each", ""]
    lines += ["| protocol | peer | connections | KiB of RSS each | errors |", "|---|---|--:|--:|--:|"]
    for record in here:
        count = number(record["connections"], 0)
        kib = f"{record['kib']:.2f}"
        lines.append(f"| {titles[record['protocol']]} | {record['peer']} | {count} | {kib} | {record['errors']} |")
    return [*lines, ""]


def _routes(records):
    here = chosen(records, kind="routes")
    if not here:
        return []
    lines = ["## Many routes: Dubbo, 128 B, 8×16, a thousand services called in turn", ""]
    lines += ["| routes | CPU µs/request | ÷ 1 route | RSS MiB | errors |", "|--:|--:|--:|--:|--:|"]
    one = middle(chosen(here, routes=1), "cpu_us")
    for routes in dict.fromkeys(record["routes"] for record in here):
        rounds = chosen(here, routes=routes)
        cells = [number(routes, 0), spread(rounds, "cpu_us", 2), ratio(middle(rounds, "cpu_us"), one)]
        cells += [spread(rounds, "rss_mib", 1), str(sum(record["errors"] for record in rounds))]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _change(records):
    here = chosen(records, kind="change")
    if not here:
        return []
    lines = ["## A change of 10 000 routes under 10 000 calls a second", ""]
    lines += ["| round | in force after s | p99 before µs | p99 during µs | most during µs | errors |"]
    lines += ["|--:|--:|--:|--:|--:|--:|"]
    for record in here:
        before, during = record["before"], record["during"]
        cells = [str(record["round"]), f"{record['took_seconds']:.2f}"]
        cells += [number(value, 0) for value in (before["p99_us"], during["p99_us"], during["max_us"])]
        lines.append(f"| {' | '.join(cells)} | {record['errors']} |")
    return [*lines, ""]


def _second(records, titles):
    here = chosen(records, kind="second")
    if not here:
        return []
    lines = ["## Under a second generator, h2load", ""]
    lines += ["| load | peer | CPU µs/request | under our own | requests/s | under our own |", "|---|---|--:|--:|--:|--:|"]
    for record in here:
        wanted = {key: record[key] for key in ("protocol", "scenario", "peer_label")}
        own = chosen(records, kind="load", **wanted)
        known = lambda key, digits: number(middle(own, key), digits) if own else "–"
        cells = [f"{titles[record['protocol']]}, {record['scenario']}", record["peer_label"]]
        cells += [number(record["cpu_us"], 2), known("cpu_us", 2), number(record["rps"], 0), known("rps", 0)]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]
