"""Child processes of the suite: started, talked to, and ended by id whatever happens."""

import atexit
import json
import os
import queue
import random
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

WORK = Path(__file__).resolve().parent / ".work"
LOGS = WORK / "logs"

_RUNNING = {}
_PORTS = set()


class PeerError(Exception):
    """A peer did not start, died, was too slow, or answered a command with an error."""


def free_port():
    """A TCP port below the usual ephemeral range, never handed out twice by this run."""
    while True:
        port = random.randint(12000, 31000)
        if port in _PORTS:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _PORTS.add(port)
        return port


def wait_until(condition, what, seconds=10.0):
    """Polls until `condition()` is truthy and returns its value; PeerError after `seconds`.

    `what` is a text, or a function of none that makes it when it is needed.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise PeerError(f"waited {seconds:g} s for {what() if callable(what) else what}")
        time.sleep(0.02)


def established(port, pid):
    """Local ports of the connections that process `pid` has open towards `port`."""
    sockets = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            sockets.add(os.readlink(entry))
        except OSError:
            continue
    ports = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            local, remote, state = fields[1:4]
            if state == "01" and int(remote.rsplit(":", 1)[1], 16) == port and f"socket:[{fields[9]}]" in sockets:
                ports.add(int(local.rsplit(":", 1)[1], 16))
    return ports


class Process:
    """One child, with its standard error in a log file of its own."""

    def __init__(self, name, command, env=None, cwd=None, stdout=None):
        LOGS.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.log = LOGS / f"{name}.log"
        with open(self.log, "wb") as log:
            self.child = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.PIPE,
                stdout=stdout or log,
                stderr=log,
                cwd=cwd,
                env={**os.environ, **(env or {})},
            )
        _RUNNING[self.child.pid] = self

    def signal(self, number):
        self.child.send_signal(number)

    def wait(self, seconds):
        """Exit status, or PeerError when it still runs after `seconds`."""
        try:
            status = self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise PeerError(f"{self.name} still runs after {seconds:g} s") from None
        _RUNNING.pop(self.child.pid, None)
        return status

    def kill(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        _RUNNING.pop(self.child.pid, None)

    def tail(self, lines=15):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Peer(Process):
    """A peer that speaks the suite's control protocol: a JSON object per line, both ways."""

    def __init__(self, name, command, env=None):
        super().__init__(name, command, env=env, stdout=subprocess.PIPE)
        self._next_id = 0
        self._lock = threading.Lock()
        self._waiting = {}
        self._ready = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def until_ready(self, seconds=60.0):
        """What the peer said about itself when it had started."""
        try:
            facts = self._ready.get(timeout=seconds)
        except queue.Empty:
            facts = None
        if facts is None:
            raise PeerError(f"{self.name} did not start:\n{self.tail()}")
        return facts

    def ask(self, op, seconds=60.0, **arguments):
        """Sends a command and returns its result; PeerError carries the peer's own error."""
        answer = self.send(op, **arguments).get_or_none(seconds)
        if answer is None:
            raise PeerError(f"{self.name} gave no answer to {op} within {seconds:g} s")
        if "error" in answer:
            raise PeerError(f"{op}: {answer['error']}")
        return answer["result"]

    def send(self, op, **arguments):
        """Sends a command; the answer can be awaited later, so that commands overlap."""
        pending = Pending()
        with self._lock:
            self._next_id += 1
            self._waiting[self._next_id] = pending
            line = json.dumps({"id": self._next_id, "op": op, **arguments})
            self.child.stdin.write(line.encode() + b"\n")
            self.child.stdin.flush()
        return pending

    def _read(self):
        for line in self.child.stdout:
            if not line.startswith(b"{"):
                continue
            answer = json.loads(line)
            if "ready" in answer:
                self._ready.put(answer["ready"])
            else:
                self._waiting.pop(answer["id"]).put(answer)
        self._ready.put(None)
        for pending in list(self._waiting.values()):
            pending.put({"error": f"{self.name} ended"})


class Pending:
    """The answer to a command, once it is there."""

    def __init__(self):
        self._answers = queue.Queue()

    def put(self, answer):
        self._answers.put(answer)

    def get_or_none(self, seconds):
        try:
            return self._answers.get(timeout=seconds)
        except queue.Empty:
            return None

    def result(self, seconds=60.0):
        answer = self.get_or_none(seconds)
        if answer is None or "error" in answer:
            raise PeerError(f"no result: {answer}")
        return answer["result"]


def running():
    """Ids of the processes that this run has started and not yet seen end."""
    return set(_RUNNING)


def end(pids):
    """Ends these of the processes that this run started: politely first, so that none leaves a mess."""
    children = [process for pid, process in list(_RUNNING.items()) if pid in pids]
    for process in children:
        if process.child.poll() is None:
            process.child.terminate()
    deadline = time.monotonic() + 1.0
    for process in children:
        while process.child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()


def end_all():
    end(running())


def _interrupted(number, _frame):
    raise SystemExit(128 + number)


atexit.register(end_all)
signal.signal(signal.SIGTERM, _interrupted)
