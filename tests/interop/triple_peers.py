"""The Dubbo peers again, as they speak Triple: Dubbo 3.3 in Java, and dubbo-go."""

import peers
from process import Peer, free_port

JAVA = "java33"
GO = peers.GO
KINDS = [JAVA, GO]


class Provider(Peer):
    """A provider process that speaks Triple and nothing else."""

    def __init__(self, kind, name, group=peers.GROUP):
        self.kind = kind
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        super().__init__(name, *peers.provider(kind, name, self.port, "tri", group=group))

    def count(self, method):
        """How many calls of `method` have arrived so far."""
        return self.ask("counts").get(method, 0)


def target(consumer, *ports, **options):
    """Where a consumer of the Dubbo peers calls in Triple."""
    made = consumer.target(*ports, **options)
    return {**made, "url": made["url"].replace("dubbo://", "tri://")}
