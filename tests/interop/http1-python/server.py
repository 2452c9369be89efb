"""An HTTP/1.1 server of Python's standard library whose paths do what the cases ask for.

    server.py PORT

/echo answers with the body it got, /seen with all it knows of the request, /sink with length and hash
of the body, /bytes/N with N bytes, /status/N with that status; `?chunked=1` answers in chunks. The
others are named after what they do.
"""

import hashlib
import json
import socket
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PIECE = 1 << 16
PATTERN = bytes(range(251)) * (PIECE // 251 + 2)

COUNTS = Counter()
GATES = {}
LOCK = threading.Lock()


def pattern(start, length):
    """Bytes of the body that everybody sends, from offset `start` on."""
    begin = start % 251
    return PATTERN[begin : begin + length]


def gate(name):
    """What a handler waits at until somebody asks for /release/NAME."""
    with LOCK:
        return GATES.setdefault(name, threading.Semaphore(0))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "interop"
    timeout = 60

    def setup(self):
        super().setup()
        self.trailers = []
        self.read_body = False
        COUNTS["connections"] += 1
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_message(self, *_):
        pass

    def handle_one_request(self):
        self.trailers, self.read_body = [], False
        try:
            super().handle_one_request()
        except (ConnectionError, EOFError):
            COUNTS["aborted"] += 1
            self.close_connection = True

    def handle_expect_100(self):
        if self.path.startswith("/refuse"):
            self.close_connection = True
            self.answer(b"no", status=413, headers={"Connection": "close"})
            return False
        COUNTS["continues"] += 1
        return super().handle_expect_100()

    def dispatch(self):
        parts = urlsplit(self.path)
        self.query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        name, *arguments = parts.path.strip("/").split("/")
        COUNTS[f"/{name}"] += 1
        handler = getattr(self, f"path_{name.replace('-', '_')}", None)
        if handler is None:
            self.drain()
            return self.answer(b"hello")
        return handler(*arguments)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = dispatch

    def do_CONNECT(self):
        host, port = self.path.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=20) as server:
            self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            upward = threading.Thread(target=copy, args=(self.rfile.read1, server), daemon=True)
            upward.start()
            copy(lambda _: server.recv(PIECE), self.connection)
            upward.join(20)
        self.close_connection = True

    # What the paths do.

    def path_echo(self, *_):
        body = b"".join(self.body())
        headers = {"X-Method": self.command, "X-Framing": self.framing()}
        self.answer(body, headers=headers)

    def path_seen(self, *_):
        length = sum(map(len, self.body()))
        seen = {"method": self.command, "path": self.path, "version": self.request_version, "length": length,
                "headers": self.headers.items(), "trailers": self.trailers, "framing": self.framing()}
        self.answer(json.dumps(seen).encode())

    def path_sink(self, *_):
        digest, length = hashlib.sha256(), 0
        for piece in self.body():
            digest.update(piece)
            length += len(piece)
        told = {"length": length, "sha256": digest.hexdigest(), "framing": self.framing(), "trailers": self.trailers}
        self.answer(json.dumps(told).encode())

    def path_bytes(self, length):
        self.drain()
        self.stream(int(length), lambda start, size: pattern(start, size))

    def path_flood(self, length):
        """As /bytes, and what has been written so far is counted."""

        def piece(start, size):
            COUNTS["flooded"] = start
            return pattern(start, size)

        self.stream(int(length), piece)

    def path_ignore(self, name):
        """Reads nothing of the body until it is released."""
        gate(name).acquire(timeout=20)
        self.path_sink()

    def path_status(self, status):
        self.drain()
        self.answer(b"" if status in ("204", "304") else f"status {status}".encode(), status=int(status))

    def path_trailers(self):
        self.begin(200, {"Transfer-Encoding": "chunked", "Trailer": "X-Sum"})
        self.wfile.write(b"5\r\nhello\r\n0\r\nX-Sum: 5\r\nHost: forged\r\n\r\n")

    def path_hints(self):
        self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
        self.answer(b"hinted")

    def path_events(self, name, count):
        """Server-sent events, each when it is released."""
        self.begin(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})
        for i in range(int(count)):
            if not gate(name).acquire(timeout=20):
                return
            self.chunk(f"data: {i}\n\n".encode())
        self.chunk(b"")

    def path_release(self, name):
        gate(name).release()
        self.answer(b"released")

    def path_slow(self, milliseconds):
        self.drain()
        time.sleep(int(milliseconds) / 1000)
        self.answer(b"slow")

    def path_cut(self):
        """Breaks off in the middle of a body."""
        if "chunked" in self.query:
            self.begin(200, {"Transfer-Encoding": "chunked"})
            self.wfile.write(b"64\r\nonly a part of it")
        else:
            self.begin(200, {"Content-Length": "1000"})
            self.wfile.write(b"only a part of it")
        self.close_connection = True

    def path_vanish(self):
        """Closes without an answer."""
        self.close_connection = True

    def path_close_idle(self):
        """Answers as if the connection were to go on, and closes it."""
        self.answer(b"bye")
        self.close_connection = True

    def path_counts(self):
        self.answer(json.dumps(COUNTS).encode())

    # Bodies on their way in and out.

    def framing(self):
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return "chunked"
        return "length" if "Content-Length" in self.headers else "none"

    def body(self):
        """Pieces of the request's body; what follows a chunked one is in `trailers`."""
        self.read_body = True
        if self.framing() != "chunked":
            left = int(self.headers.get("Content-Length", 0))
            while left:
                piece = self.exactly(min(left, PIECE))
                left -= len(piece)
                yield piece
            return
        while size := int(self.rfile.readline().split(b";")[0] or b"x", 16):
            yield self.exactly(size)
            self.exactly(2)
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            self.trailers.append(line.decode().strip())

    def exactly(self, size):
        piece = self.rfile.read(size)
        if len(piece) < size:
            raise EOFError
        return piece

    def drain(self):
        for _ in () if self.read_body else self.body():
            pass

    def begin(self, status, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()

    def answer(self, body, status=200, headers=None):
        headers = dict(headers or {})
        if status in (204, 304):
            return self.begin(status, headers)
        if "chunked" in getattr(self, "query", {}):
            self.begin(status, {**headers, "Transfer-Encoding": "chunked"})
            if self.command != "HEAD":
                for start in range(0, len(body), PIECE):
                    self.chunk(body[start : start + PIECE])
                self.chunk(b"")
            return None
        self.begin(status, {**headers, "Content-Length": str(len(body))})
        if self.command != "HEAD":
            self.wfile.write(body)
        return None

    def stream(self, length, piece):
        chunked = "chunked" in self.query
        self.begin(200, {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(length)})
        if self.command == "HEAD":
            return
        write = self.chunk if chunked else self.wfile.write
        for start in range(0, length, PIECE):
            write(piece(start, min(PIECE, length - start)))
        if chunked:
            self.chunk(b"")

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


def copy(read, destination):
    """Copies until there is nothing more, and says so."""
    try:
        while piece := read(PIECE):
            destination.sendall(piece)
        destination.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
