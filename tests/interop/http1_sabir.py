"""Proxies that speak HTTP/1.1, and the servers behind them that the cases share."""

import sabir_config as config
from http1_peers import HAPROXY, NGINX, NODE, WEBSOCKETS, NodePeer, PythonServer, WebSocketPeer, haproxy, nginx
from sabir import Sabir

ANY = {"metadata": {"protocol": {"present": True}}}
SERVERS = ["python", NGINX, HAPROXY, NODE]
SOCKETS = [WEBSOCKETS, NODE]


def exact(**values):
    """A match of these metadata; underscores stand for dashes, `at_` for a colon in front."""
    named = {name.replace("at_", ":").replace("_", "-"): value for name, value in values.items()}
    return {"metadata": {name: {"exact": value} for name, value in named.items()}}


def to(name, match=ANY, timeout="20s", route=None, **more):
    """A route to the cluster of this name."""
    return config.to_cluster(route or name, name, match, timeout=timeout, **more)


def cluster(name, *endpoints, protocol="http1", **more):
    return config.cluster(name, *endpoints, protocol=protocol, **more)


class Proxy(Sabir):
    """One proxy process; `options` are further fields of each listener."""

    def __init__(self, name, listeners, clusters, options=None, **more):
        self._options = {"protocol": "http1", **(options or {})}
        super().__init__(f"sabir-http1-{name}", listeners, clusters, **more)

    def document(self, listeners, clusters, **more):
        self._generation += 1
        made = [
            config.listener(name, self.port(name), routes, self.access_log(name), **self._options)
            for name, routes in listeners.items()
        ]
        marker = cluster(f"generation-{self._generation}")
        return config.yaml(config.bootstrap(self.admin_port, made, [*clusters, marker], **more))

    def peak_bytes(self):
        """The most memory that the process has had at a time."""
        with open(f"/proc/{self.child.pid}/status", encoding="ascii") as status:
            lines = dict(line.split(":", 1) for line in status)
        return int(lines["VmHWM"].split()[0]) << 10


class Shared:
    """Servers and a proxy in front of each of them, started when first needed."""

    def __init__(self, world):
        self._world = world
        if not hasattr(world, "http1"):
            world.http1 = {}
        self._made = world.http1

    def server(self, kind):
        return self._once(kind, self._server)

    def socket_port(self, kind):
        """Where a kind of WebSocket peer listens."""
        return self.server(kind).socket_port

    def proxy(self):
        return self._once("proxy", self._proxy)

    def _once(self, name, make):
        if name not in self._made:
            try:
                self._made[name] = make(name)
                self._world.kept.add(self._made[name].child.pid)
            except Exception as failure:  # every case that needs it fails for the same reason
                self._made[name] = failure
        if isinstance(self._made[name], Exception):
            raise self._made[name]
        return self._made[name]

    def _server(self, kind):
        if kind in (NGINX, HAPROXY):
            return {NGINX: nginx, HAPROXY: haproxy}[kind](self.server("python").address)
        if kind == "python":
            return PythonServer()
        made = NodePeer() if kind == NODE else WebSocketPeer()
        self._world.kept.add(made.child.pid)
        made.until_ready()
        return made

    def _proxy(self, _):
        able = [kind for kind in SERVERS if kind not in self._world.skipped]
        sockets = [kind for kind in SOCKETS if kind not in self._world.skipped]
        routes = {kind: [to(kind)] for kind in able}
        routes.update({f"socket-{kind}": [to(f"socket-{kind}")] for kind in sockets})
        clusters = [cluster(kind, self.server(kind).address) for kind in able]
        clusters += [cluster(f"socket-{kind}", f"127.0.0.1:{self.socket_port(kind)}") for kind in sockets]
        return Proxy("matrix", routes, clusters)
