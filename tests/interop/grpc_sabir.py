"""A running `sabir run` whose listeners speak HTTP/2, and so gRPC."""

import sabir_config as config
from sabir import Sabir

SERVICE = "demo.Demo"
ANY = {"metadata": {"protocol": {"exact": "http2"}}}


class GrpcSabir(Sabir):
    """One proxy process with HTTP/2 listeners by name."""

    def __init__(self, name, listeners, clusters, root=None, **options):
        """`options`: further fields of each listener; `root`: of the file."""
        self._options = options
        super().__init__(name, listeners, clusters, **(root or {}))

    def document(self, listeners, clusters, **more):
        """The whole file's text; a cluster nobody uses tells its generation in the configuration dump."""
        self._generation += 1
        made = [
            config.listener(name, self._ports[name], routes, self.access_log(name), **{"protocol": "http2", **self._options})
            for name, routes in listeners.items()
        ]
        marker = config.cluster(f"generation-{self._generation}")
        return config.yaml(config.bootstrap(self.admin_port, made, [*clusters, marker], **more))


def match(**exact):
    """A match of these metadata, beside the service; underlines stand for hyphens."""
    values = {"service": SERVICE, **{key.replace("_", "-"): value for key, value in exact.items()}}
    return {"metadata": {key: {"exact": value} for key, value in values.items()}}


def to(name, cluster, when=None, **more):
    """A route to a cluster."""
    return config.to_cluster(name, cluster, match() if when is None else when, **more)
