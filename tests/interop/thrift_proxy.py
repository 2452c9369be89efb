"""A running `sabir run` whose listeners speak Thrift, and the proxies that all cases share."""

import sabir
import sabir_config as config
import thrift_peers
from thrift_peers import CLIENTS, GO

AUTO = {"transport": "auto", "protocol": "auto"}
UNFRAMED = {"transport": "unframed"}
# Go's library writes one-way calls as ordinary ones, so that a proxy has to know them by name.
ONE_WAY = {"one_way": ["note", "Demo:note"]}


class Proxy(sabir.Sabir):
    """A proxy whose listeners speak Thrift; `options` are protocol options by listener name."""

    def __init__(self, name, listeners, clusters, options=None, **more):
        self._options = options or {}
        super().__init__(name, listeners, clusters, **more)

    def document(self, listeners, clusters, **more):
        made = [listener(name, self.port(name), routes, self._options.get(name)) for name, routes in listeners.items()]
        return config.yaml(config.bootstrap(self.admin_port, made, clusters, **more))


def listener(name, port, routes, options=None):
    return config.listener(name, port, routes, protocol="thrift", **_with(options))


def cluster(name, *addresses, options=None, **more):
    return config.cluster(name, *addresses, protocol="thrift", **_with(options), **more)


def _with(options):
    return {"protocol_options": options} if options else {}


def exact(**values):
    """A match of these metadata; names on the wire itself start with a colon."""
    return {"metadata": {key.replace("wire_", ":"): {"exact": value} for key, value in values.items()}}


ANY = exact(protocol="thrift")


def to(name, match=ANY, timeout="20s", route=None, **more):
    """A route to the cluster of this name."""
    return config.to_cluster(route or name, name, match, timeout=timeout, **more)


def spoken(kind):
    """Options that leave room for this kind alone."""
    transport, protocol = kind.split("-")
    return {"transport": transport, "protocol": "binary" if protocol == "lax" else protocol}


def options_of(kind):
    """Options without which clients of this kind are not understood."""
    return UNFRAMED if kind == "unframed-lax" else None


class Front:
    """A proxy in front of the server of a language, which finds out what clients speak, is told, or translates."""

    def __init__(self, server, name, more):
        self._listeners, self._options, self._clusters = {}, {}, []
        self._find_out(server)
        for kind in server.language.kinds:
            self._translate(server, kind)
        options = {listener: {**self._options.get(listener, {}), **more} for listener in self._listeners}
        self.proxy = Proxy(name, self._listeners, self._clusters, options)

    def port(self, listener):
        return self.proxy.port(listener)

    def _find_out(self, server):
        kinds = server.language.kinds
        self._clusters += [cluster(kind, server.address(kind), options=AUTO) for kind in kinds]
        # One listener takes them all; what a call itself says decides where it goes.
        self._listen("auto", [to(kind, exact(wire_transport=kind.split("-")[0], wire_protocol=kind.split("-")[1]))
                              for kind in kinds])
        lax = "unframed-lax"
        self._clusters.append(cluster(lax, server.address("unframed-binary"), options=UNFRAMED))
        self._listen("unframed", [to(lax)], UNFRAMED)
        for kind in filter(server.language.speaks, CLIENTS):
            self._listen(f"fixed-{kind}", [to(lax if kind == lax else CLIENTS[kind])], spoken(kind))

    def _translate(self, server, kind):
        name = f"to-{kind}"
        self._clusters.append(cluster(name, server.address(kind), options=spoken(kind)))
        self._listen(name, [to(name)])
        self._listen(f"{name}-unframed", [to(name)], UNFRAMED)

    def _listen(self, name, routes, options=None):
        self._listeners[name] = routes
        if options:
            self._options[name] = options


def front(world, server_name, client_name):
    """The shared proxy between a client and a server of these languages, started when first needed."""
    if not hasattr(world, "thrift_fronts"):
        world.thrift_fronts = {}
    is_named = client_name == GO
    key = (server_name, is_named)
    if key not in world.thrift_fronts:
        server, _ = thrift_peers.shared(world, server_name)
        name = f"sabir-{server_name}{'-one-way' if is_named else ''}"
        world.thrift_fronts[key] = Front(server, name, ONE_WAY if is_named else {})
        world.kept.add(world.thrift_fronts[key].proxy.child.pid)
    return world.thrift_fronts[key]
