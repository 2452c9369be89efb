"""Which scenarios are measured, in full and quickly."""

from .measure import Scenario

RATE = 2000
RATE_CONNECTIONS, RATE_DEPTH = 32, 1
MANY_ROUTES = (1, 10_000, 100_000)
SOME_ROUTES = (1, 10_000)


def loads(quick):
    """Closed loops. HTTP/1.1 has one request in flight on a connection."""
    small, middle, large = 128, 1024, 65536
    if quick:
        return [
            Scenario("dubbo", small, 8, 16),
            Scenario("dubbo", small, 32, 1),
            Scenario("thrift", small, 8, 16),
            Scenario("motan2", small, 8, 16),
            Scenario("http1", middle, 32, 1),
            Scenario("http2", middle, 8, 16),
            Scenario("grpc", middle, 8, 16),
        ]
    messages = [(small, 8, 16), (small, 32, 1), (small, 128, 1), (middle, 8, 16), (middle, 32, 1), (large, 8, 4)]
    http1 = [(small, 32, 1), (small, 128, 1), (middle, 32, 1), (middle, 128, 1), (large, 32, 1)]
    http2 = [(middle, 8, 16), (middle, 32, 1), (large, 8, 4)]
    shapes = {
        "dubbo": messages,
        "thrift": messages,
        "motan2": [messages[0], messages[1], messages[3], messages[5]],
        "http1": http1,
        "http2": [(small, 8, 16), *http2],
        "grpc": http2,
    }
    return [Scenario(protocol, *shape) for protocol, chosen in shapes.items() for shape in chosen]


def pictured():
    """Closed loops that the picture shows."""
    return [*loads(quick=True), Scenario("dubbo", 65536, 8, 4), Scenario("http1", 65536, 32, 1)]


def rates(quick):
    """A slow fixed rate, with everything on one core so that wake-ups between cores do not drown it."""
    protocols = ("dubbo", "http1") if quick else ("dubbo", "thrift", "motan2", "http1", "http2", "grpc")
    return [Scenario(protocol, 128, RATE_CONNECTIONS, RATE_DEPTH, RATE) for protocol in protocols]


def idle(quick):
    """Protocols whose idle connections are weighed."""
    return ("dubbo", "http1") if quick else ("dubbo", "thrift", "motan2", "http1", "http2", "grpc")
