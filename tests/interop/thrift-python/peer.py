"""A server and a client of Apache Thrift in Python, told what to do by JSON lines.

    peer.py server PORT...      one port for each of KINDS
    peer.py client
"""

import json
import sys
import threading
import time
from collections import Counter

from service import METHODS, EchoArguments, EchoResult, Failure, FailResult, MapResult, Nothing, Processor, Record
from service import SleepArguments, Text, TextResult
from thrift.protocol.TBinaryProtocol import TBinaryProtocol, TBinaryProtocolFactory
from thrift.protocol.TCompactProtocol import TCompactProtocol, TCompactProtocolFactory
from thrift.protocol.THeaderProtocol import THeaderProtocol, THeaderProtocolFactory
from thrift.protocol.TMultiplexedProtocol import TMultiplexedProtocol
from thrift.server.TServer import TThreadedServer
from thrift.Thrift import TApplicationException, TMessageType
from thrift.TMultiplexedProcessor import TMultiplexedProcessor
from thrift.transport.THeaderTransport import THeaderClientType, THeaderSubprotocolID
from thrift.transport.TSocket import TServerSocket, TSocket
from thrift.transport.TTransport import TBufferedTransport, TBufferedTransportFactory, TFramedTransport
from thrift.transport.TTransport import TFramedTransportFactory

HOST = "127.0.0.1"
KINDS = ["unframed-binary", "unframed-compact", "framed-binary", "framed-compact", "header-binary", "header-compact"]
HEADERS_ONLY = (THeaderClientType.HEADERS,)
SUBPROTOCOL = {"binary": THeaderSubprotocolID.BINARY, "compact": THeaderSubprotocolID.COMPACT}
ZLIB = 1


class Handler:
    """The demo service."""

    def __init__(self):
        self.counts = Counter()

    def echo(self, call, _iprot, _oprot):
        self.counts["echo"] += 1
        return EchoResult(success=call.record)

    def touch(self, _call, _iprot, _oprot):
        self.counts["touch"] += 1
        return Nothing()

    def note(self, _call, _iprot, _oprot):
        self.counts["note"] += 1

    def fail(self, call, _iprot, _oprot):
        self.counts["fail"] += 1
        return FailResult(failure=Failure(call.text))

    def crash(self, _call, _iprot, _oprot):
        self.counts["crash"] += 1
        raise RuntimeError("out of order")

    def headers(self, _call, iprot, oprot):
        seen = iprot.get_headers()
        oprot.set_header(b"server", b"python")
        return MapResult(success={key.decode(): value.decode() for key, value in seen.items()})

    def sleep(self, call, _iprot, _oprot):
        time.sleep(call.milliseconds / 1000)
        return TextResult(success=call.text)


def serve(kind, port, processor):
    transport, protocol = kind.split("-")
    factories = {"binary": TBinaryProtocolFactory, "compact": TCompactProtocolFactory}
    if transport == "header":
        transports = TBufferedTransportFactory()
        protocols = THeaderProtocolFactory(HEADERS_ONLY, SUBPROTOCOL[protocol])
    else:
        framed = transport == "framed"
        transports = TFramedTransportFactory() if framed else TBufferedTransportFactory()
        protocols = factories[protocol]()
    server = TThreadedServer(processor, TServerSocket(HOST, port), transports, protocols, daemon=True)
    threading.Thread(target=server.serve, daemon=True).start()


class Link:
    """A connection of a client, of a kind of KINDS or with "lax" for the binary protocol of old."""

    def __init__(self, kind, port, zlib=False):
        transport, protocol = kind.split("-")
        socket = TSocket(HOST, port)
        socket.setTimeout(20_000)
        wrap = TFramedTransport if transport == "framed" else TBufferedTransport
        self.transport = wrap(socket)
        if transport == "header":
            self.protocol = THeaderProtocol(self.transport, HEADERS_ONLY, SUBPROTOCOL[protocol])
            self.transport = self.protocol.trans
        elif protocol == "compact":
            self.protocol = TCompactProtocol(self.transport)
        else:
            self.protocol = TBinaryProtocol(self.transport, strictWrite=protocol != "lax")
        self._zlib = zlib
        self._seqid = 0
        if zlib:
            self.protocol.add_transform(ZLIB)
        self.transport.open()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.transport.close()

    def call(self, method, arguments, result, service=None, headers=None):
        """Makes a call as generated code does, and checks that the answer is to it."""
        self._seqid += 1
        for name, value in (headers or {}).items():
            self.protocol.set_header(name.encode(), value.encode())
        out = TMultiplexedProtocol(self.protocol, service) if service else self.protocol
        kind = TMessageType.ONEWAY if result is None else TMessageType.CALL
        out.writeMessageBegin(method, kind, self._seqid)
        arguments.write(out)
        out.writeMessageEnd()
        self.transport.flush()
        if result is None:
            return None
        name, kind, seqid = self.protocol.readMessageBegin()
        expect((name, seqid) == (method, self._seqid), f"answer to {name} {seqid}, not {method} {self._seqid}")
        answer = TApplicationException() if kind == TMessageType.EXCEPTION else result()
        answer.read(self.protocol)
        self.protocol.readMessageEnd()
        if kind == TMessageType.EXCEPTION:
            raise answer
        return answer


def record(size=0):
    return Record(
        text="zoë 你好 " + "x" * size,
        number=-5,
        flag=True,
        numbers=[1, -1, 2**62, -(2**63)],
        counts={"a": 1, "": -1},
        ratio=-0.5,
        blob=bytes(range(256)),
        tiny=-128,
        small=-300,
        few={7},
        nested={-2: [Text(text="deep"), Text()]},
        flags=[True, False] * 10,
        none={},
        nobody=[],
    )


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def echo(link, sizes=(0,), service=None):
    for size in sizes:
        sent = record(size)
        got = link.call("echo", EchoArguments(record=sent), EchoResult, service).success
        expect(got == sent, f"the record of {size} came back changed")


class Client:
    """What a client can be asked to do."""

    def echo(self, link, times=1, service=None):
        echo(link, (0,) * times, service)

    def large(self, link):
        echo(link, (2**20, 10, 3 * 2**20))

    def touch(self, link, service=None, method="touch"):
        link.call(method, Nothing(), Nothing, service)

    def note(self, link, times=1):
        """One-way calls, and then an ordinary one that none of them may have upset."""
        for _ in range(times):
            link.call("note", Text(text="note"), None)
        echo(link)

    def fail(self, link, text):
        return link.call("fail", Text(text=text), FailResult).failure.text

    def headers(self, link, headers, service=None):
        seen = link.call("headers", Nothing(), MapResult, service, headers).success
        back = link.protocol.get_headers()
        return {"seen": seen, "back": {key.decode(): value.decode() for key, value in back.items()}}

    def sleep(self, link, milliseconds, text):
        """A call that takes a while."""
        answer = link.call("sleep", SleepArguments(milliseconds=milliseconds, text=text), TextResult).success
        expect(answer == text, f"{text} was answered by {answer}")

    def refused(self, link, method, service=None, again=None, milliseconds=0):
        """The framework's exception for a call; the connection then still serves, if `again` names a method."""
        try:
            if method == "sleep":
                self.sleep(link, milliseconds, "refused")
            else:
                link.call(method, Nothing(), Nothing, service)
        except TApplicationException as refusal:
            if again:
                link.call(again, Nothing(), METHODS[again][1])
            return {"type": refusal.type, "message": refusal.message}
        raise AssertionError(f"{method} was not refused")

    def late(self, link, milliseconds, times=40):
        """A call that takes too long, and then others: each must get its own answer."""
        try:
            self.sleep(link, milliseconds, "late")
        except TApplicationException as refusal:
            for i in range(times):
                self.sleep(link, 20, f"quick {i}")
            return {"type": refusal.type, "message": refusal.message}
        raise AssertionError("it was not refused")

    def many(self, kind, port, threads, calls):
        """Threads with a connection each, whose answers must be their own."""
        failures = []

        def work(number):
            try:
                with Link(kind, port) as link:
                    for i in range(calls):
                        self.sleep(link, 0, f"{number}-{i}")
            except Exception as failure:
                failures.append(f"{type(failure).__name__}: {failure}")

        workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        expect(not failures, "; ".join(failures[:3]))
        return threads * calls


def client(command):
    """Carries out one command: an operation on a connection of its own."""
    operation, kind, port = command.pop("op"), command.pop("kind"), command.pop("port")
    if operation == "many":
        return Client().many(kind, port, **command)
    zlib = command.pop("zlib", False)
    with Link(kind, port, zlib) as link:
        return getattr(Client(), operation)(link, **command)


def answer_commands(carry_out):
    """Answers each line until there are no more."""
    for line in sys.stdin:
        command = json.loads(line)
        number = command.pop("id")
        try:
            answer = {"result": carry_out(command)}
        except Exception as failure:
            answer = {"error": f"{type(failure).__name__}: {failure}"}
        print(json.dumps({"id": number, **answer}), flush=True)


def main():
    if sys.argv[1] == "client":
        print(json.dumps({"ready": {}}), flush=True)
        return answer_commands(client)
    handler = Handler()
    processor = TMultiplexedProcessor()
    processor.registerDefault(Processor(handler))
    processor.registerProcessor("Demo", Processor(handler))
    for kind, port in zip(KINDS, sys.argv[2:]):
        serve(kind, int(port), processor)
    for port in sys.argv[2:]:
        until_listening(int(port))
    print(json.dumps({"ready": {}}), flush=True)
    return answer_commands(lambda command: dict(handler.counts))


def until_listening(port):
    while True:
        probe = TSocket(HOST, port)
        try:
            probe.open()
            return probe.close()
        except Exception:
            time.sleep(0.02)


if __name__ == "__main__":
    main()
