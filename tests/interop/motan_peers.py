"""Builds the Motan peers and starts them: motan-java, and motan-go where its module can be had."""

import re
import subprocess

from peers import GROUP, HERE, VERSION, missing
from process import WORK, Peer, PeerError, free_port

JAVA = "motan-java"
KINDS = [JAVA]
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
    tool = missing(["java", "mvn"])
    if tool:
        return {JAVA: f"{tool} is not installed"}
    command = ["mvn", "-B", "-q", f"-Dinterop.work={WORK}", "compile"]
    done = subprocess.run(command, cwd=HERE / JAVA, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode == 0:
        return {}
    if re.search(r"Could not (resolve|find|transfer)", done.stdout):
        return {JAVA: "Maven cannot fetch com.weibo:motan-core"}
    raise PeerError(f"maven build failed:\n{done.stdout[-3000:]}")


def _java(main, arguments):
    home = WORK / JAVA
    return ["java", *JVM_OPTIONS, "-cp", f"{home}/classes:{home}/lib/*", f"org.sabir.demo.{main}", *arguments]


class Provider(Peer):
    """A provider process; `address` is where sabir, or a client, finds it."""

    def __init__(self, kind, name, port=None):
        self.kind = kind
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        super().__init__(name, _java("ProviderMain", [name, str(self.port), GROUP, VERSION]))

    def count(self, method):
        """How many calls of `method` have arrived so far."""
        return self.ask("counts").get(method, 0)


class Consumer(Peer):
    """A client process that carries out scenarios against any port."""

    def __init__(self, kind):
        self.kind = kind
        name = f"{kind}-consumer"
        super().__init__(name, _java("ConsumerMain", [name]))

    def target(self, *ports, **options):
        """The "target" of a command: where to call and how; several ports mean a failover list."""
        address = ",".join(f"127.0.0.1:{port}" for port in ports)
        return {"address": address, "group": GROUP, "version": VERSION, **options}
