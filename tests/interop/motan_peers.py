"""Builds the Motan peers and starts them: motan-java, and motan-go."""

import re
import subprocess

from peers import GROUP, HERE, VERSION, missing
from process import WORK, Peer, PeerError, free_port

JAVA = "motan-java"
GO = "motan-go"
KINDS = [JAVA, GO]
GO_PEER = WORK / GO / "peer"
JVM_OPTIONS = [
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    # The Hessian of Motan reads and writes private fields of the JDK's own classes.
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--add-opens=java.base/java.util=ALL-UNNAMED",
    "-Djava.net.preferIPv4Stack=true",
    f"-Duser.home={WORK}/home",
]


def build():
    """Builds what the machine has the tools for; returns why each other peer is skipped."""
    WORK.mkdir(parents=True, exist_ok=True)
    reasons = {JAVA: _build_java(), GO: _build_go()}
    return {kind: reason for kind, reason in reasons.items() if reason}


def _build_java():
    tool = missing(["java", "mvn"])
    if tool:
        return f"{tool} is not installed"
    done = _run(["mvn", "-B", "-q", f"-Dinterop.work={WORK}", "compile"], HERE / JAVA)
    if done.returncode == 0:
        return None
    if re.search(r"Could not (resolve|find|transfer)", done.stdout):
        return "Maven cannot fetch com.weibo:motan-core"
    raise PeerError(f"maven build failed:\n{done.stdout[-3000:]}")


def _build_go():
    if missing(["go"]):
        return "go is not installed"
    if _run(["go", "mod", "download"], HERE / GO).returncode != 0:
        return "Go cannot fetch github.com/weibocom/motan-go"
    done = _run(["go", "build", "-o", GO_PEER, "."], HERE / GO)
    if done.returncode != 0:
        raise PeerError(f"go build failed:\n{done.stdout[-3000:]}")
    return None


def _run(command, folder):
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _java(main, arguments):
    home = WORK / JAVA
    return ["java", *JVM_OPTIONS, "-cp", f"{home}/classes:{home}/lib/*", f"org.sabir.demo.{main}", *arguments]


class Provider(Peer):
    """A provider process; `address` is where sabir, or a client, finds it."""

    def __init__(self, kind, name, port=None):
        self.kind = kind
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        arguments = [name, str(self.port), GROUP, VERSION]
        super().__init__(name, [GO_PEER, "provider", *arguments] if kind == GO else _java("ProviderMain", arguments))

    def count(self, method):
        """How many calls of `method` have arrived so far."""
        return self.ask("counts").get(method, 0)


class Consumer(Peer):
    """A client process that carries out scenarios against any port."""

    def __init__(self, kind):
        self.kind = kind
        name = f"{kind}-consumer"
        super().__init__(name, [GO_PEER, "consumer", name] if kind == GO else _java("ConsumerMain", [name]))

    def target(self, *ports, **options):
        """The "target" of a command: where to call and how; several ports mean a failover list."""
        address = ",".join(f"127.0.0.1:{port}" for port in ports)
        return {"address": address, "group": GROUP, "version": VERSION, **options}


class Client:
    """A way to call: a consumer of this kind with these options."""

    def __init__(self, label, kind, **options):
        self.label = label
        self.kind = kind
        self._options = options

    def with_options(self, **options):
        return Client(self.label, self.kind, **{**self._options, **options})

    def target(self, world, *ports, **options):
        return self.consumer(world).target(*ports, **{**self._options, **options})

    def consumer(self, world):
        return world.consumer(self.kind)


# "motan" is motan-java's name for version 1.
MOTAN2 = Client("motan2", JAVA, protocol="motan2")
MOTAN1 = Client("motan1", JAVA, protocol="motan")
MOTAN1_COMPRESSED = MOTAN1.with_options(codec="compressMotan")
MOTAN_GO = Client("motan-go", GO)
CLIENTS = [MOTAN2, MOTAN1, MOTAN_GO]
