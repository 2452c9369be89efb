"""What sabir is to reach, and whether it did. Each bar is a ratio to peers measured beside it, or a figure of its own."""

from dataclasses import dataclass
from typing import List, Optional

from .dubbo import BY_ATTACHMENT, BY_METHOD
from .figures import chosen, middle, number
from .http import BY_HEADER
from .peers import ENVOY, FLOOR, HAPROXY, NGINX, SABIR

MET, MISSED, UNKNOWN = "met", "**not met**", "not measured"


@dataclass(frozen=True)
class Verdict:
    """One line of the table of bars."""

    work: str
    bar: str
    found: Optional[str]
    # How far from the bar, 1.0 being on it; None if not measured.
    distance: Optional[float]

    @property
    def word(self):
        if self.distance is None:
            return UNKNOWN
        return MET if self.distance <= 1.0 else f"{MISSED}: {self.distance:.2f} × the bar"


def verdicts(records, titles) -> List[Verdict]:
    """Every bar. ``titles``: of protocols."""
    return [
        *_costs(records, titles),
        *_rates(records, titles),
        *_idle(records, titles),
        _rss(records),
        *_routes(records),
        *_change(records),
    ]


# Protocol, scenario, routing, and for each bar the peers (the best of them counts) and the ratio.
_COSTS = [
    ("dubbo", "128 B, 8×16", BY_ATTACHMENT, [((ENVOY,), 0.10), ((FLOOR,), 2.2)]),
    ("dubbo", "128 B, 8×16", BY_METHOD, [((ENVOY,), 0.13)]),
    ("dubbo", "128 B, 32×1", BY_ATTACHMENT, [((ENVOY,), 0.40), ((FLOOR,), 1.0)]),
    ("dubbo", "64 KiB, 8×4", BY_ATTACHMENT, [((ENVOY,), 0.17), ((FLOOR,), 1.15)]),
    ("thrift", "128 B, 8×16", BY_METHOD, [((ENVOY,), 0.15)]),
    ("thrift", "128 B, 32×1", BY_METHOD, [((ENVOY,), 0.45)]),
    ("thrift", "1 KiB, 8×16", BY_METHOD, [((ENVOY,), 0.15)]),
    ("thrift", "1 KiB, 32×1", BY_METHOD, [((ENVOY,), 0.45)]),
    ("motan2", "128 B, 8×16", BY_ATTACHMENT, [((FLOOR,), 2.2)]),
    *(
        ("http1", f"{size}, {shape}", BY_HEADER, [((NGINX, HAPROXY), 0.90), ((ENVOY,), 0.30)])
        for size in ("128 B", "1 KiB")
        for shape in ("32×1", "128×1")
    ),
    ("http1", "64 KiB, 32×1", BY_HEADER, [((NGINX, HAPROXY), 1.0)]),
    *(
        (protocol, f"1 KiB, {shape}", BY_HEADER, [((HAPROXY,), 0.90), ((ENVOY,), envoy)])
        for protocol in ("http2", "grpc")
        for shape, envoy in (("8×16", 0.30), ("32×1", 0.36))
    ),
]


def _costs(records, titles):
    for protocol, scenario, routing, bars in _COSTS:
        here = chosen(records, kind="load", protocol=protocol, scenario=scenario)
        ours = middle(chosen(here, peer=SABIR, routing=routing), "cpu_us")
        for peers, limit in bars:
            costs = [middle(_beside(here, peer, routing), "cpu_us") for peer in peers]
            best = min((cost for cost in costs if cost), default=None)
            bar = f"CPU ≤ {limit:.2f} × {' or '.join(peers)}"
            yield _verdict(f"{titles[protocol]}, {scenario}, {routing}", bar, ours and best and ours / best, limit)


def _rates(records, titles):
    for protocol in dict.fromkeys(record["protocol"] for record in chosen(records, kind="rate")):
        here = chosen(records, kind="rate", protocol=protocol)
        ours, floor = chosen(here, peer=SABIR), chosen(here, peer=FLOOR)
        work = f"{titles[protocol]}, {here[0]['scenario']}, one core"
        for key, name, limit in (("cpu_us", "CPU", 1.15), ("p99_us", "p99", 1.2)):
            above, below = middle(ours, key), middle(floor, key)
            yield _verdict(work, f"{name} ≤ {limit} × {FLOOR}", above and below and above / below, limit)
        above, below = middle(ours, "p50_us"), middle(floor, "p50_us")
        more = above - below if above and below else None
        found = f"{more:+.1f} µs" if more is not None else None
        yield Verdict(work, f"p50 ≤ {FLOOR} + 6 µs", found, max(0.0, more / 6) if more is not None else None)


def _idle(records, titles):
    for record in chosen(records, kind="idle", peer=SABIR):
        limit = 6 if record["protocol"] in ("http2", "grpc") else 2
        work = f"{titles[record['protocol']]}, idle connection, {number(record['connections'], 0)} of them"
        yield Verdict(work, f"≤ {limit} KiB of RSS each", f"{record['kib']:.2f} KiB", record["kib"] / limit)


def _rss(records):
    most = max((record["rss_mib"] for record in chosen(records, kind="load", peer=SABIR)), default=None)
    return Verdict("RSS after load, the most of all", "≤ 20 MiB", most and f"{most:.1f} MiB", most and most / 20)


def _routes(records):
    here = chosen(records, kind="routes")
    one = middle(chosen(here, routes=1), "cpu_us")
    for routes, limit in ((10_000, 1.05), (100_000, 1.25)):
        many = middle(chosen(here, routes=routes), "cpu_us")
        work = f"Dubbo, {number(routes, 0)} routes instead of 1"
        yield _verdict(work, f"CPU ≤ {limit} × of 1", one and many and many / one, limit)


def _change(records):
    here = chosen(records, kind="change")
    work = "Dubbo, change of 10 000 routes under load"
    failed = sum(record["errors"] for record in here)
    yield Verdict(work, "no failed call", str(failed) if here else None, (1.0 + failed) if here else None)
    ratios = [record["during"]["p99_us"] / record["before"]["p99_us"] for record in here]
    ratios.sort()
    yield _verdict(work, "p99 during ≤ 2 × before", ratios[len(ratios) // 2] if ratios else None, 2.0)


def _beside(here, peer, routing):
    """The peer's records with the same routing, or with the only one it has."""
    return chosen(here, peer=peer, routing=routing) or chosen(here, peer=peer)


def _verdict(work, bar, found, limit):
    return Verdict(work, bar, f"{found:.2f}" if found else None, found / limit if found else None)
