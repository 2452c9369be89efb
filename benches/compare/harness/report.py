"""The Markdown page: ratios first, then every figure with its spread."""

import os
import platform
from statistics import median

# A share of a core beyond which it counts as used up.
FULL = 0.9
# A share of both cores, used by others, beyond which figures are doubtful.
DISTURBED = 0.05


def page(records, about, notes):
    """``records``: one per peer and round, each with scenario, peer, routing and the figures."""
    lines = ["# Comparison", "", *about, ""]
    scenarios = list(dict.fromkeys(record["scenario"] for record in records))
    lines += ["## CPU per request, as ratios of medians", "", *_ratios(records, scenarios), ""]
    for scenario in scenarios:
        chosen = [record for record in records if record["scenario"] == scenario]
        lines += [f"## {scenario}", "", *_table(chosen), ""]
    foreign = median(record["foreign_busy"] for record in records) if records else 0.0
    if foreign > DISTURBED:
        notes = [*notes, f"Other processes took {foreign:.0%} of the two cores: take the figures as rough."]
    lines += ["CPU: user and system time of the proxy's process per request. Median (least to most) of the rounds.", ""]
    lines += ["`*`: the core of load generator and backend was full and the proxy's was not, so requests/s and latency"]
    lines += ["are those of the generator; CPU per request is the proxy's all the same.", ""]
    lines += [f"- {note}" for note in notes]
    return "\n".join(lines).rstrip() + "\n"


def machine():
    """The machine in words."""
    model = platform.processor() or "unknown processor"
    try:
        with open("/proc/cpuinfo") as cpuinfo:
            model = next((line.split(":", 1)[1].strip() for line in cpuinfo if line.startswith("model name")), model)
    except OSError:
        pass
    return f"{model}, {len(os.sched_getaffinity(0))} cores, Linux {platform.release()}"


def _ratios(records, scenarios):
    routings = list(dict.fromkeys(record["routing"] for record in records if record["routing"]))
    lines = ["| load | routed by | sabir ÷ Envoy | sabir ÷ haproxy tcp | Envoy ÷ haproxy tcp |", "|---|---|--:|--:|--:|"]
    for scenario in scenarios:
        floor = _median(records, scenario, "haproxy tcp", "", "cpu_us")
        for routing in routings:
            sabir = _median(records, scenario, "sabir", routing, "cpu_us")
            envoy = _median(records, scenario, "Envoy", routing, "cpu_us")
            cells = [_ratio(sabir, envoy), _ratio(sabir, floor), _ratio(envoy, floor)]
            lines.append(f"| {scenario} | {routing} | {' | '.join(cells)} |")
    return lines


def _table(records):
    lines = [
        "| peer | CPU µs/request | requests/s | p50 µs | p99 µs | p99.9 µs | RSS MiB | proxy's core | errors |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for label in dict.fromkeys(record["peer_label"] for record in records):
        rounds = [record for record in records if record["peer_label"] == label]
        busy = median(record["proxy_busy"] for record in rounds)
        limited = busy < FULL and median(record["load_core_busy"] for record in rounds) > FULL
        mark = "*" if limited else ""
        cells = [
            label,
            _spread(rounds, "cpu_us", 2),
            _spread(rounds, "rps", 0) + mark,
            _spread(rounds, "p50_us", 0) + mark,
            _spread(rounds, "p99_us", 0) + mark,
            _spread(rounds, "p999_us", 0) + mark,
            _spread(rounds, "rss_mib", 1),
            f"{busy:.0%}" if rounds[0]["cpu_us"] is not None else "–",
            str(sum(record["errors"] for record in rounds)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _spread(rounds, key, digits):
    values = [record[key] for record in rounds if record[key] is not None]
    if not values:
        return "–"
    form = lambda value: f"{value:,.{digits}f}".replace(",", " ")
    return f"{form(median(values))} ({form(min(values))}–{form(max(values))})"


def _median(records, scenario, peer, routing, key):
    values = [
        record[key]
        for record in records
        if (record["scenario"], record["peer"], record["routing"]) == (scenario, peer, routing) and record[key]
    ]
    return median(values) if values else None


def _ratio(above, below):
    return f"{above / below:.2f}" if above and below else "–"
