"""The picture: CPU per request by peer and scenario, as an SVG that follows the reader's light or dark mode."""

from html import escape

from .figures import chosen, middle
from .peers import DIRECT, ENVOY, FLOOR, HAPROXY, NGINX, SABIR

_WIDTH, _LEFT, _RIGHT = 860, 250, 90
_BAR, _GAP, _TITLE = 16, 4, 30
# In light and in dark; told apart also by those who do not see colours well, and sabir by strength.
_COLOURS = {
    SABIR: ("#d1480a", "#ff8a4c"),
    FLOOR: ("#8a8f98", "#8a8f98"),
    HAPROXY: ("#5b7fa6", "#7fa5cf"),
    NGINX: ("#4f9a7c", "#6fc0a0"),
    ENVOY: ("#8c6bb1", "#b294d6"),
}


def svg(records, titles, pictured):
    """A group of bars per scenario, each on a scale of its own. ``titles``: of protocols; ``pictured``: scenarios."""
    shown = {(scenario.protocol, scenario.name) for scenario in pictured}
    groups = _groups([record for record in records if (record["protocol"], record["scenario"]) in shown], titles)
    height = 40 + sum(_TITLE + len(bars) * (_BAR + _GAP) + 10 for _, bars in groups)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
        ' font-family="system-ui, sans-serif" font-size="12" role="img"'
        ' aria-label="Processor time per request of each proxy">',
        f"<style>{_style()}</style>",
        '<text x="0" y="16" class="head">Processor time of the proxy per request, µs (less is better;'
        " each group has its own scale)</text>",
    ]
    top = 30
    for title, bars in groups:
        top += _TITLE
        lines.append(f'<text x="0" y="{top - 8}" class="title">{escape(title)}</text>')
        longest = max(cost for _, _, cost in bars)
        for label, peer, cost in bars:
            width = max(1.0, cost / longest * (_WIDTH - _LEFT - _RIGHT))
            y = top + _BAR - 4
            lines.append(f'<text x="{_LEFT - 8}" y="{y}" class="text" text-anchor="end">{escape(label)}</text>')
            lines.append(f'<rect x="{_LEFT}" y="{top}" width="{width:.1f}" height="{_BAR}" class="{_class(peer)}"/>')
            value = f"{cost:.2f}" if cost < 10 else f"{cost:.1f}"
            lines.append(f'<text x="{_LEFT + width + 6:.1f}" y="{y}" class="text">{value}</text>')
            top += _BAR + _GAP
        top += 10
    return "\n".join([*lines, "</svg>"]) + "\n"


def _groups(records, titles):
    """(title, bars) per scenario, in the order measured; a bar is (label, peer, cost)."""
    loads = [record for record in chosen(records, kind="load") if record["peer"] != DIRECT]
    groups = []
    for protocol, scenario in dict.fromkeys((record["protocol"], record["scenario"]) for record in loads):
        here = chosen(loads, protocol=protocol, scenario=scenario)
        bars = []
        for label in dict.fromkeys(record["peer_label"] for record in here):
            rounds = chosen(here, peer_label=label)
            cost = middle(rounds, "cpu_us")
            if cost:
                bars.append((label, rounds[0]["peer"], cost))
        if bars:
            groups.append((f"{titles[protocol]}, {scenario}", bars))
    return groups


def _style():
    light = ".text{fill:#24292f}.title,.head{fill:#24292f;font-weight:600}"
    dark = ".text,.title,.head{fill:#e6edf3}"
    for peer, (day, night) in _COLOURS.items():
        light += f".{_class(peer)}{{fill:{day}}}"
        dark += f".{_class(peer)}{{fill:{night}}}"
    return f"{light}@media (prefers-color-scheme: dark){{{dark}}}"


def _class(peer):
    return peer.lower().replace(" ", "-")
