"""A gRPC client without generated code."""

import json
import queue
import threading
import time
from collections import Counter

import grpc

OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A connection of its own for each channel, and what fails is told and not tried again.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
]


class Client:
    """Calls to any port; calls that name the same channel share a connection."""

    def __init__(self):
        self._channels = {}
        self._lock = threading.Lock()
        self._held = {}

    def _channel(self, port, channel):
        with self._lock:
            if (port, channel) not in self._channels:
                self._channels[port, channel] = grpc.insecure_channel(f"127.0.0.1:{port}", options=OPTIONS)
            return self._channels[port, channel]

    def call(self, port, method, body="", metadata=(), timeout=20, channel="", service="demo.Demo"):
        """One unary call: what came back, or how it failed."""
        made = self._channel(port, channel).unary_unary(f"/{service}/{method}")
        began = time.monotonic()
        try:
            value, call = made.with_call(body.encode(), timeout=timeout, metadata=pairs(metadata))
            report = {"value": value.decode()}
        except grpc.RpcError as failure:
            report, call = {}, failure
        report["elapsed_ms"] = (time.monotonic() - began) * 1000
        return {**report, **told(call)}

    def hammer(self, port, threads, calls, method="Whoami", body="", metadata=(), channels=1, service="demo.Demo"):
        """So many calls by each of so many threads: how often each answer came."""
        answers = Counter()

        def work(number):
            for _ in range(calls):
                report = self.call(port, method, body, metadata, channel=f"hammer-{number % channels}", service=service)
                with self._lock:
                    answers[report.get("value", f"failed {report['code']}: {report['message']}")] += 1

        workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return dict(answers)

    def open_streams(self, port, count, name="", service="demo.Demo"):
        """So many conversations on one connection, of which each has said something; who answered each."""
        chat = self._channel(port, name).stream_stream(f"/{service}/Chat")
        self._held[name] = [Conversation(chat) for _ in range(count)]
        return [conversation.say("hello") for conversation in self._held[name]]

    def use_streams(self, name=""):
        """Says something in each: who answered, or how it failed."""
        return [conversation.say("still there") for conversation in self._held[name]]

    def end_streams(self, name=""):
        """Ends each: how they ended."""
        return [conversation.end() for conversation in self._held.pop(name)]

    def cancel_streams(self, name=""):
        """Gives each up."""
        for conversation in self._held.pop(name):
            conversation.cancel()
        return True

    def echo(self, port, size, timeout=60):
        """One message there and back; whether it is the same."""
        message = bytes(range(256)) * (size // 256)
        made = self._channel(port, "").unary_unary("/demo.Demo/Echo")
        return made(message, timeout=timeout) == message

    def upload(self, port, size, messages):
        """So many messages of this size; how many bytes the server saw."""
        made = self._channel(port, "").stream_unary("/demo.Demo/Upload")
        return int(made((bytes(size) for _ in range(messages)), timeout=60))

    def download(self, port, size, messages):
        """How many bytes came."""
        made = self._channel(port, "").unary_stream("/demo.Demo/Download")
        return sum(len(part) for part in made(wanted(size, messages), timeout=60))

    def begin_download(self, port, size, messages):
        """Reads the first message only, until `end_download`."""
        made = self._channel(port, "").unary_stream("/demo.Demo/Download")
        self._held["download"] = made(wanted(size, messages), timeout=60)
        return len(next(self._held["download"]))

    def end_download(self):
        """How many bytes the rest had."""
        return sum(len(part) for part in self._held.pop("download"))


class Conversation:
    """A stream of messages both ways, held open."""

    def __init__(self, chat):
        self._said = queue.Queue()
        self._call = chat(iter(self._said.get, None), timeout=60)

    def say(self, text):
        self._said.put(text.encode())
        try:
            return next(self._call).decode().split(":")[0]
        except grpc.RpcError as failure:
            return f"failed {failure.code().value[0]}"

    def end(self):
        self._said.put(b"end")
        self._said.put(None)
        try:
            rest = len(list(self._call))
        except grpc.RpcError as failure:
            return f"failed {failure.code().value[0]}"
        return f"ended {rest}"

    def cancel(self):
        self._call.cancel()
        self._said.put(None)


def wanted(size, messages):
    return json.dumps({"size": size, "messages": messages}).encode()


def pairs(metadata):
    return [(key, value if not key.endswith("-bin") else bytes.fromhex(value)) for key, value in metadata]


def told(call):
    """How a call ended, and the metadata that came back."""
    def shown(metadata):
        return [[key, value if isinstance(value, str) else value.hex()] for key, value in metadata or ()]

    return {
        "code": call.code().value[0],
        "message": call.details(),
        "initial": shown(call.initial_metadata()),
        "trailing": shown(call.trailing_metadata()),
    }
