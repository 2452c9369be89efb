"""HTTP/1.1, HTTP/2 and gRPC: who is compared. All route one path of one authority with one header."""

from dataclasses import dataclass
from typing import List

from . import envoy, haproxy, nginx, peers, sabir
from .dubbo import ATTACHMENT, METHOD, SERVICE
from .peers import DIRECT, ENVOY, FLOOR, HAPROXY, NGINX, SABIR, Peer, Ports

BY_HEADER = "authority+path+header"
AUTHORITY = "bench.sabir.test"
_HEADER = ["--attachment", "=".join(ATTACHMENT)]


@dataclass(frozen=True)
class Flavour:
    """One of the three; looks like a protocol's module."""

    NAME: str
    TITLE: str
    # Of haproxy and nginx, of Envoy, of sabir.
    short: str
    codec: str
    protocol: str
    # What the load generator is told, and what is routed by.
    service: str
    method: str
    authority: str
    path: str

    @property
    def LOAD(self):
        return [*self._call(self.service, self.method), *_HEADER]

    def all_peers(self) -> List[Peer]:
        """In the order of the rounds."""
        refused = [
            [*self._call(self.service, f"{self.method}2"), *_HEADER],
            [*self._call(f"{self.service}2", self.method), *_HEADER],
            [*self._call(self.service, self.method), "--attachment", f"{ATTACHMENT[0]}=false"],
            self._call(self.service, self.method),
        ]
        words = (self.short, self.authority, self.path, ATTACHMENT)
        return [
            Peer(DIRECT, ""),
            Peer(FLOOR, "", peers.haproxy(), haproxy.tcp),
            Peer(HAPROXY, BY_HEADER, peers.haproxy(), lambda ports: haproxy.http(ports, *words), refused),
            Peer(NGINX, BY_HEADER, peers.nginx(), lambda ports: nginx.http(ports, *words), refused),
            Peer(ENVOY, BY_HEADER, peers.envoy(), self._envoy, refused),
            Peer(SABIR, BY_HEADER, peers.sabir(), self._sabir, refused),
        ]

    def _envoy(self, ports: Ports):
        header = {"name": ATTACHMENT[0], "string_match": {"exact": ATTACHMENT[1]}}
        return envoy.http(ports, self.codec, self.authority, {"path": self.path, "headers": [header]})

    def _sabir(self, ports: Ports):
        route = sabir.route("echo", service=self.service, method=self.method, **dict([ATTACHMENT]))
        return sabir.bootstrap(ports, self.protocol, [route])

    @staticmethod
    def _call(service, method):
        return ["--service", service, "--method", method]


HTTP1 = Flavour("http1", "HTTP/1.1", "h1", "HTTP1", "http1", AUTHORITY, f"/{METHOD}", AUTHORITY, f"/{METHOD}")
HTTP2 = Flavour("http2", "HTTP/2", "h2", "HTTP2", "http2", AUTHORITY, f"/{METHOD}", AUTHORITY, f"/{METHOD}")
# The generator's authority of gRPC is "bench", and its path made of service and method.
GRPC = Flavour("grpc", "gRPC", "h2", "HTTP2", "http2", SERVICE, METHOD, "bench", f"/{SERVICE}/{METHOD}")
