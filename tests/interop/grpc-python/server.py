"""A gRPC server without generated code: it answers any service, and every method does what its name says."""

import json
import threading
import time
from collections import Counter
from concurrent import futures

import grpc


class Server(grpc.GenericRpcHandler):
    """Methods by their name alone, so that one server is any service."""

    def __init__(self, name):
        self.name = name
        self.counts = Counter()
        self._lock = threading.Lock()

    def service(self, details):
        method = details.method.rsplit("/", 1)[1]
        make, run = METHODS.get(method, (None, None))
        if run is None:
            return None

        def counted(request, context):
            self.count(method)
            return run(self, request, context)

        return make(counted)

    def watch(self, context):
        """An event to be set when a call is about to end well; one that ends without it was given up."""
        ended = threading.Event()

        def gone():
            if not ended.is_set():
                self.count("cancelled")

        if not context.add_callback(gone):
            gone()
        return ended

    def count(self, what):
        with self._lock:
            self.counts[what] += 1


def whoami(server, _request, context):
    context.send_initial_metadata([("served-by", server.name)])
    context.set_trailing_metadata([("finished-by", server.name), ("trace-bin", b"\x00\xff")])
    return server.name.encode()


def echo(_server, request, _context):
    return request


def metadata(_server, _request, context):
    """The metadata of the call as it arrived."""
    seen = [[key, value if isinstance(value, str) else value.hex()] for key, value in context.invocation_metadata()]
    return json.dumps({"seen": seen, "seconds": context.time_remaining()}).encode()


def fail(_server, request, context):
    wanted = json.loads(request)
    code = next(code for code in grpc.StatusCode if code.value[0] == wanted["code"])
    context.abort(code, wanted["message"])


def sleep(server, request, context):
    """Answers after so many milliseconds, unless the caller gives up before."""
    ended = server.watch(context)
    until = time.monotonic() + json.loads(request) / 1000
    while context.is_active() and time.monotonic() < until:
        time.sleep(0.005)
    if context.is_active():
        ended.set()
    return server.name.encode()


def download(_server, request, _context):
    """So many messages of so many bytes."""
    wanted = json.loads(request)
    message = bytes(wanted["size"])
    for _ in range(wanted["messages"]):
        yield message


def upload(_server, requests, _context):
    """How many bytes came."""
    total = sum(len(request) for request in requests)
    return str(total).encode()


def chat(server, requests, context):
    """Each message with the server's name before it, until "end".

    The end of the messages alone does not tell a caller that has ended from one that gave up.
    """
    ended = server.watch(context)
    for request in requests:
        if request == b"end":
            ended.set()
        else:
            yield server.name.encode() + b":" + request


METHODS = {
    "Whoami": (grpc.unary_unary_rpc_method_handler, whoami),
    "Echo": (grpc.unary_unary_rpc_method_handler, echo),
    "Metadata": (grpc.unary_unary_rpc_method_handler, metadata),
    "Fail": (grpc.unary_unary_rpc_method_handler, fail),
    "Sleep": (grpc.unary_unary_rpc_method_handler, sleep),
    "Download": (grpc.unary_stream_rpc_method_handler, download),
    "Upload": (grpc.stream_unary_rpc_method_handler, upload),
    "Chat": (grpc.stream_stream_rpc_method_handler, chat),
}


def serve(name, port):
    """Starts a server; returns it and what is behind it."""
    handler = Server(name)
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1),
               ("grpc.max_metadata_size", 64 << 10), ("grpc.so_reuseport", 0)]
    server = grpc.server(futures.ThreadPoolExecutor(256), options=options)
    server.add_generic_rpc_handlers((handler,))
    if server.add_insecure_port(f"127.0.0.1:{port}") == 0:
        raise SystemExit(f"port {port} is taken")
    server.start()
    return server, handler
