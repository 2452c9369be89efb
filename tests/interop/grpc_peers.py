"""Builds and starts the gRPC peers: the official interop programs of Go and Java, and one of ours in Python."""

import re
import socket
import subprocess
import sys

from peers import HERE, missing
from process import WORK, Peer, PeerError, Process, free_port, wait_until

GO = "grpc-go"
JAVA = "grpc-java"
PYTHON = "grpc-python"
KINDS = [GO, JAVA, PYTHON]
PYTHON_VERSION = "1.85.1"
GO_PROGRAMS = [f"google.golang.org/grpc/interop/{program}" for program in ("client", "server")]
JVM_OPTIONS = [
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Djava.net.preferIPv4Stack=true",
]
CASE_SECONDS = 40


def build(wanted):
    """Builds those of `wanted` that the machine has the tools for; returns why each other one is skipped."""
    builders = {GO: build_go, JAVA: build_java, PYTHON: build_python}
    reasons = {kind: builder() for kind, builder in builders.items() if kind in wanted}
    return {kind: reason for kind, reason in reasons.items() if reason}


def build_go():
    if missing(["go"]):
        return "go is not installed"
    if run(["go", "mod", "download"], HERE / GO).returncode != 0:
        return "Go cannot fetch google.golang.org/grpc"
    done = run(["go", "build", "-o", f"{WORK / GO}/", *GO_PROGRAMS], HERE / GO)
    if done.returncode != 0:
        raise PeerError(f"go build failed:\n{done.stdout[-3000:]}")
    return None


def build_java():
    tool = missing(["java", "mvn"])
    if tool:
        return f"{tool} is not installed"
    done = run(["mvn", "-B", "-q", f"-Dinterop.work={WORK}", "compile"], HERE / JAVA)
    if done.returncode == 0:
        return None
    if re.search(r"Could not (resolve|find|transfer)", done.stdout):
        return "Maven cannot fetch io.grpc:grpc-interop-testing"
    raise PeerError(f"maven build failed:\n{done.stdout[-3000:]}")


def build_python():
    home = WORK / PYTHON
    marker = home / f"installed-{PYTHON_VERSION}"
    if marker.exists():
        return None
    for command in (
        [sys.executable, "-m", "venv", "--clear", home],
        [home / "bin/python", "-m", "pip", "install", "--quiet", "--only-binary", ":all:", f"grpcio=={PYTHON_VERSION}"],
    ):
        done = run(command, HERE, seconds=300)
        if done.returncode != 0:
            return f"grpcio {PYTHON_VERSION} cannot be installed: {''.join(done.stdout.strip().splitlines()[-1:])}"
    marker.touch()
    return None


def run(command, folder, seconds=900):
    """Runs a command to its end; one that cannot be run, or takes too long, has failed."""
    try:
        return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=seconds)
    except (OSError, subprocess.TimeoutExpired) as failure:
        return subprocess.CompletedProcess(command, 127, str(failure))


def java(main, *arguments):
    home = WORK / JAVA
    return ["java", *JVM_OPTIONS, "-cp", f"{home}/classes:{home}/lib/*", main, *arguments]


def listens(port):
    """Whether somebody takes connections at a port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class OfficialServer(Process):
    """gRPC's own interop server in Go or Java."""

    def __init__(self, kind):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        command = [WORK / GO / "server", "-port", self.port]
        if kind == JAVA:
            server = "io.grpc.testing.integration.TestServiceServer"
            command = java(server, f"--port={self.port}", "--use_tls=false")
        super().__init__(f"{kind}-server", command)

    def until_ready(self):
        wait_until(lambda: self.child.poll() is not None or listens(self.port), f"{self.name} to listen", 30)
        if self.child.poll() is not None:
            raise PeerError(f"{self.name} ended:\n{self.tail()}")


class GoClient:
    """gRPC's own interop client in Go: a process for each case."""

    def run(self, case, port, **flags):
        arguments = {"server_host": "127.0.0.1", "server_port": port, "test_case": case, **flags}
        command = [WORK / GO / "client", *(f"--{flag}={value}" for flag, value in arguments.items())]
        done = run(command, HERE, CASE_SECONDS)
        if done.returncode != 0:
            raise PeerError(f"{case}: exit status {done.returncode}: {done.stdout[-800:]}")


class JavaClient(Peer):
    """gRPC's own interop client in Java, in one process for all cases."""

    def __init__(self, transport="netty"):
        super().__init__(f"{JAVA}-client-{transport}", java("org.sabir.demo.CaseMain"))
        self._okhttp = str(transport == "okhttp").lower()

    def run(self, case, port, **flags):
        arguments = {"server_host": "127.0.0.1", "server_port": port, "test_case": case, "use_tls": "false",
                     "use_okhttp": self._okhttp, **flags}
        self.ask("run", CASE_SECONDS, arguments=[f"--{flag}={value}" for flag, value in arguments.items()])


class Server(Peer):
    """A server of ours, any service, in Python."""

    def __init__(self, name, port=None):
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        super().__init__(name, _python("server", name, str(self.port)))

    def count(self, method):
        """How many calls of `method` have arrived so far, or how many were given up if it is "cancelled"."""
        return self.ask("counts").get(method, 0)


class Client(Peer):
    """A client of ours, in Python."""

    def __init__(self, name):
        super().__init__(name, _python("client"))


def _python(*arguments):
    return [WORK / PYTHON / "bin/python", "-B", HERE / PYTHON / "peer.py", *arguments]
