"""A running `sabir run` whose listeners speak Motan."""

import sabir_config as config
from motan_peers import KINDS
from process import PeerError
from sabir import Sabir


class MotanSabir(Sabir):
    """One proxy process with Motan listeners by name."""

    def __init__(self, name, listeners, clusters, **options):
        """`options`: further fields of each listener."""
        self._options = options
        super().__init__(name, listeners, clusters)

    def document(self, listeners, clusters, **more):
        """The whole file's text, as for Dubbo but for the protocol."""
        self._generation += 1
        made = [
            config.listener(name, self._ports[name], routes, self.access_log(name), protocol="motan2", **self._options)
            for name, routes in listeners.items()
        ]
        marker = config.cluster(f"generation-{self._generation}")
        return config.yaml(config.bootstrap(self.admin_port, made, [*clusters, marker], **more))


def shared(world):
    """The proxy of the matrix: a listener for each provider's kind, started when first needed."""
    made = getattr(world, "shared_motan", None)
    if isinstance(made, Exception):
        raise made
    if made is None:
        kinds = [kind for kind in KINDS if kind in world.kinds()]
        clusters = [config.cluster(kind, world.provider(kind).address) for kind in kinds]
        try:
            routes = {kind: _routes(kind) for kind in kinds}
            # What motan-go's client calls one-way it awaits the answer of.
            options = {"protocol_options": {"answer_one_way": True}}
            made = world.shared_motan = MotanSabir("sabir-motan", routes, clusters, **options)
        except (OSError, PeerError) as failure:
            world.shared_motan = failure
            raise
        world.kept.add(made.child.pid)
    return made


def _routes(kind):
    # Compressed calls of motan1 do not say whom they are for.
    unread = config.to_cluster("unread", kind, {"metadata": {"protocol": {"exact": "motan2"}}})
    return [config.to_cluster("demo", kind), unread]
