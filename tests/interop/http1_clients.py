"""HTTP/1.1 clients of the cases: curl, Python's http.client, Node's http and undici, and bare sockets."""

import hashlib
import http.client
import socket
import subprocess
import tempfile

from http1_peers import CURL, NODE, PATTERN
from process import PeerError

SECONDS = 60


def pattern(size):
    """The body of that many bytes that everybody sends."""
    return (PATTERN * (size // 251 + 1))[:size]


class Answer:
    """What a client made of a response. Names of headers are in lower case."""

    def __init__(self, status, headers, body=b"", **more):
        self.status = status
        self.headers = headers
        self.length = len(body)
        self.sha256 = hashlib.sha256(body).hexdigest()
        self.text = body.decode(errors="replace") if len(body) < 4096 else None
        for name, value in more.items():
            setattr(self, name, value)

    def __repr__(self):
        return f"{self.status} {self.headers} {self.length} bytes {self.text!r:.200}"

    def is_pattern(self, size):
        return self.length == size and self.sha256 == hashlib.sha256(pattern(size)).hexdigest()


class Curl:
    """curl, one process a request; connections are its own."""

    kind = CURL

    def request(self, port, method, path, size=None, chunked=False, headers=(), options=()):
        done, body = self.run(port, path, size, [
            *(["-I"] if method == "HEAD" else ["-X", method]),
            *(["-H", "Transfer-Encoding: chunked"] if chunked else []),
            *(part for header in headers for part in ("-H", f"{header[0]}: {header[1]}")),
            *options,
        ])
        if done.returncode != 0:
            raise PeerError(f"curl {method} {path}: {done.returncode} {done.stderr.decode().strip()}")
        if method == "HEAD":
            body = b""
        # Each interim response has a head of its own.
        *interim, last = done.stdout.decode("latin-1").strip().split("\r\n\r\n")
        lines = last.split("\r\n")
        pairs = [line.split(":", 1) for line in lines[1:]]
        found = {name.lower(): value.strip() for name, value in pairs}
        return Answer(int(lines[0].split()[1]), found, body, interim=[head.split()[1] for head in interim])

    def run(self, port, path, size, options):
        """The finished process, whose output is the heads, and the body."""
        with tempfile.NamedTemporaryFile() as received, tempfile.NamedTemporaryFile() as sent:
            if size is not None:
                sent.write(pattern(size))
                sent.flush()
                options = [*options, "--data-binary", f"@{sent.name}"]
            done = subprocess.run(
                ["curl", "-q", "-sS", "--http1.1", "--max-time", str(SECONDS), "-o", received.name, "-D", "-",
                 "-H", "Content-Type:", *options, f"http://127.0.0.1:{port}{path}"],
                capture_output=True, timeout=SECONDS + 5,
            )
            return done, received.read()

    def reuses(self, port, times):
        """Whether that many requests took one connection."""
        urls = [f"http://127.0.0.1:{port}/hello"] * times
        done = subprocess.run(
            ["curl", "-q", "-sS", "-o", "/dev/null", "-w", "%{num_connects}\n", urls[0],
             *(part for url in urls[1:] for part in ("-o", "/dev/null", url))],
            capture_output=True, timeout=SECONDS,
        )
        return sum(map(int, done.stdout.split())) == 1


class Python:
    """http.client, with a connection for each port."""

    kind = "python"

    def __init__(self):
        self._connections = {}

    def request(self, port, method, path, size=None, chunked=False, headers=()):
        connection = self._connections.get(port)
        reused = connection is not None and connection.sock is not None
        if connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
            self._connections[port] = connection
        body = None if size is None else pattern(size)
        if chunked and size is not None:
            body = [body[at : at + 65536] for at in range(0, size, 65536)]
        connection.request(method, path, body, dict(headers), encode_chunked=chunked)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read(), reused=reused)

    def reuses(self, port, times):
        return all([self.request(port, "GET", "/hello").reused for _ in range(times)][1:])


class Node:
    """A client of the Node peer: `http` or `undici`."""

    def __init__(self, peer, op):
        self.kind, self._peer, self._op = NODE, peer, op

    def request(self, port, method, path, size=None, chunked=False, headers=()):
        told = self._peer.ask(self._op, seconds=SECONDS, port=port, method=method, path=path, size=size,
                              chunked=chunked, headers=dict(headers))
        made = Answer(told["status"], told["headers"], reused=told["reused"])
        made.length, made.sha256, made.text = told["length"], told["sha256"], told["text"]
        return made

    def reuses(self, port, times):
        return all([self.request(port, "GET", "/hello").reused for _ in range(times)][1:])


class Wire:
    """A bare socket that says what it is told to, and understands responses."""

    def __init__(self, port=None, receive_buffer=None, taken=None):
        """Connects to `port`, or speaks on a connection that was `taken`."""
        self.socket = taken or socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(SECONDS)
        if taken is None:
            self.socket.connect(("127.0.0.1", port))
        self.unread = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def say(self, text):
        self.socket.sendall(text if isinstance(text, bytes) else text.encode("latin-1"))

    def end(self):
        """Ends this side alone."""
        self.socket.shutdown(socket.SHUT_WR)

    def until(self, end):
        """All up to `end`; EOFError if it does not come."""
        while end not in self.unread:
            if not self.more():
                raise EOFError(f"closed after {self.unread[:300]!r}")
        heard, self.unread = self.unread.split(end, 1)
        return heard + end

    def exactly(self, size):
        pieces, held = [self.unread], len(self.unread)
        self.unread = b""
        while held < size:
            piece = self.socket.recv(1 << 18)
            if not piece:
                raise EOFError(f"closed after {held} of {size} bytes")
            pieces.append(piece)
            held += len(piece)
        heard = b"".join(pieces)
        self.unread = heard[size:]
        return heard[:size]

    def rest(self):
        """All until the other side closes."""
        while self.more():
            pass
        heard, self.unread = self.unread, b""
        return heard

    def more(self):
        try:
            piece = self.socket.recv(1 << 16)
        except ConnectionResetError:
            return False
        self.unread += piece
        return bool(piece)

    def head(self):
        """Status and headers of the next response, whatever its status."""
        lines = self.until(b"\r\n\r\n").decode("latin-1").strip().split("\r\n")
        pairs = [line.split(":", 1) for line in lines[1:]]
        return int(lines[0].split()[1]), {name.lower(): value.strip() for name, value in pairs}

    def response(self, method="GET"):
        """The next response that is final, whole."""
        interim = []
        while True:
            status, headers = self.head()
            if status == 101 or status >= 200:
                break
            interim.append(status)
        trailers = []
        if method == "HEAD" or status in (101, 204, 304):
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            pieces = []
            while size := int(self.until(b"\r\n"), 16):
                pieces.append(self.exactly(size))
                self.exactly(2)
            body = b"".join(pieces)
            while (line := self.until(b"\r\n")) != b"\r\n":
                trailers.append(line.decode().strip())
        elif "content-length" in headers:
            body = self.exactly(int(headers["content-length"]))
        else:
            body = self.rest()
        return Answer(status, headers, body, interim=interim, trailers=trailers)

    def ask(self, path, method="GET", headers="", body=b""):
        self.say(f"{method} {path} HTTP/1.1\r\nHost: a\r\n{headers}\r\n".encode() + body)
        return self.response(method)
