"""gRPC's own interop cases, by the official programs: direct, and through sabir.

Left out are the cases that need TLS, credentials or a server of Google's; `cacheable_unary` (a GET, which
neither server takes); `pick_first_unary` (neither server says who it is); `orca_oob`, which takes half a
minute; and of the compressed ones those with Go's programs, which do not have them, and the probes, which
grpc-java's server does not answer.
"""

from functools import partial

import sabir_config as config
from case import Case
from grpc_peers import GO, JAVA, GoClient, JavaClient, OfficialServer
from grpc_sabir import ANY, GrpcSabir, to

CASES = [
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "timeout_on_sleeping_server",
    "cancel_after_begin",
    "cancel_after_first_response",
    "status_code_and_message",
    "special_status_message",
    "custom_metadata",
    "unimplemented_method",
    "unimplemented_service",
    "rpc_soak",
    "channel_soak",
    "orca_per_rpc",
]
# Between programs of Java only.
OF_JAVA = [
    "very_large_request",
    "client_compressed_unary_noprobe",
    "server_compressed_unary",
    "client_compressed_streaming_noprobe",
    "server_compressed_streaming",
]
ORCA = {"service_config_json": '{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}'}
FLAGS = {
    "orca_per_rpc": ORCA,
    "rpc_soak": {"soak_iterations": 40, "soak_num_threads": 4},
    "channel_soak": {"soak_iterations": 20, "soak_num_threads": 4},
}
# grpc-java has two transports, of which each is an implementation of HTTP/2.
CLIENTS = {"go": GO, "java": JAVA, "okhttp": JAVA}
SERVERS = {"go": GO, "java": JAVA}


class Official:
    """The servers, the clients and the proxy of all cases, each started when first needed."""

    def __init__(self, world):
        self._world = world
        if not hasattr(world, "grpc_official"):
            world.grpc_official = {}
        self._made = world.grpc_official

    def port(self, way, server):
        if way == "direct":
            return self._kept(f"server {server}", lambda: OfficialServer(SERVERS[server])).port
        return self._kept("proxy", self._proxy).port(server)

    def client(self, client):
        makers = {"go": GoClient, "java": JavaClient, "okhttp": partial(JavaClient, "okhttp")}
        return self._kept(f"client {client}", makers[client])

    def _proxy(self):
        there = [server for server, kind in SERVERS.items() if kind not in self._world.skipped]
        clusters = [config.cluster(server, f"127.0.0.1:{self.port('direct', server)}") for server in there]
        return GrpcSabir("sabir-grpc", {server: [to("all", server, ANY)] for server in there}, clusters)

    def _kept(self, what, make):
        if what not in self._made:
            made = self._made[what] = make()
            if hasattr(made, "child"):
                self._world.kept.add(made.child.pid)
            if hasattr(made, "until_ready"):
                made.until_ready()
        return self._made[what]


def run(way, client, server, case, world):
    official = Official(world)
    official.client(client).run(case, official.port(way, server), **FLAGS.get(case, {}))


def cases(way):
    for client, server in ((client, server) for client in CLIENTS for server in SERVERS):
        more = OF_JAVA if client == "java" and server == "java" else []
        for case in [*CASES, *more]:
            kinds = {CLIENTS[client], SERVERS[server]}
            yield Case(f"{way} grpc {client}->{server} {case}", partial(run, way, client, server, case), kinds)


def direct_cases():
    return list(cases("direct"))


def proxy_cases():
    return list(cases("sabir"))
