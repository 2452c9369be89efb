"""Medians of records, and how they are written."""

from statistics import median

# A share of a core beyond which it counts as used up.
FULL = 0.9


def chosen(records, **wanted):
    """The records that have all these values."""
    return [record for record in records if all(record.get(key) == value for key, value in wanted.items())]


def middle(records, key):
    """The median of what is there; None without anything."""
    values = [record[key] for record in records if record.get(key) is not None]
    return median(values) if values else None


def spread(records, key, digits):
    """The median, with least and most."""
    values = [record[key] for record in records if record.get(key) is not None]
    if not values:
        return "–"
    if len(values) == 1:
        return number(values[0], digits)
    return f"{number(median(values), digits)} ({number(min(values), digits)}–{number(max(values), digits)})"


def number(value, digits):
    """With a space between thousands."""
    return f"{value:,.{digits}f}".replace(",", " ")


def ratio(above, below):
    return f"{above / below:.2f}" if above and below else "–"


def is_limited(rounds):
    """Whether the core of generator and backend was full while the proxy's was not."""
    return (middle(rounds, "proxy_busy") or 0) < FULL < (middle(rounds, "load_core_busy") or 0)
