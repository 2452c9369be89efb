"""Builds the Dubbo peers and starts them: Java 2.7 and 3.3 from one source tree, and dubbo-go."""

import os
import shutil
import subprocess
from pathlib import Path

from process import WORK, Peer, PeerError, free_port

HERE = Path(__file__).resolve().parent
SERVICE = "org.sabir.demo.UserService"
GROUP = "interop"
VERSION = "1.0.0"
JAVA = {"java27": "dubbo27", "java33": "dubbo33"}
GO = "go33"

# Java Dubbo replaces 127.* and localhost by the machine's LAN address. This name, known to the
# peers' JVMs only, resolves to loopback and is left alone.
LOOPBACK = "loopback.test"
JVM_OPTIONS = [
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--add-opens=java.base/java.math=ALL-UNNAMED",
    f"-Djdk.net.hosts.file={WORK}/hosts",
    "-Djava.net.preferIPv4Stack=true",
    f"-Duser.home={WORK}/home",
    f"-Ddubbo.meta.cache.filePath={WORK}/home",
    "-Ddubbo.application.qos-enable=false",
    "-Ddubbo.application.logger=slf4j",
    "-Ddubbo.service.shutdown.wait=2000",
]


def missing(tools):
    """The first of `tools` that is not installed, or None."""
    return next((tool for tool in tools if shutil.which(tool) is None), None)


def build():
    """Builds what the machine has the tools for; returns why each other peer is skipped."""
    WORK.mkdir(parents=True, exist_ok=True)
    (WORK / "home").mkdir(exist_ok=True)
    names = f"{LOOPBACK} localhost {os.uname().nodename}"
    (WORK / "hosts").write_text(f"127.0.0.1 {names}\n")
    skipped = {}
    tool = missing(["java", "mvn"])
    if tool:
        skipped.update({kind: f"{tool} is not installed" for kind in JAVA})
    else:
        _run("maven", ["mvn", "-B", "-q", f"-Dinterop.work={WORK}", "compile"], HERE / "dubbo-java")
    tool = missing(["go"])
    if tool:
        skipped[GO] = f"{tool} is not installed"
    else:
        _run("go", ["go", "build", "-o", WORK / "dubbo-go/peer", "."], HERE / "dubbo-go")
    return skipped


def _run(what, command, folder):
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise PeerError(f"{what} build failed:\n{done.stdout.decode(errors='replace')[-3000:]}")


def java(kind, main, arguments):
    home = WORK / JAVA[kind]
    return ["java", *JVM_OPTIONS, "-cp", f"{home}/classes:{home}/lib/*", f"org.sabir.demo.{main}", *arguments]


def provider(kind, name, port, *protocol, group=GROUP):
    """Command and environment of a provider, which speaks Dubbo unless `protocol` is "tri"."""
    arguments = [name, str(port), group, VERSION, *protocol]
    if kind == GO:
        return [WORK / "dubbo-go/peer", "provider", *arguments], {}
    return java(kind, "ProviderMain", arguments), {"DUBBO_IP_TO_BIND": LOOPBACK, "DUBBO_IP_TO_REGISTRY": LOOPBACK}


class Provider(Peer):
    """A provider process; `address` is where sabir, or a consumer, finds it."""

    def __init__(self, kind, name, port=None):
        self.kind = kind
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        super().__init__(name, *provider(kind, name, self.port))

    def count(self, method):
        """How many calls of `method` have arrived so far."""
        return self.ask("counts").get(method, 0)


class Consumer(Peer):
    """A consumer process that carries out scenarios against any port."""

    def __init__(self, kind):
        self.kind = kind
        name = f"{kind}-consumer"
        if kind == GO:
            command = [WORK / "dubbo-go/peer", "consumer", name]
        else:
            command = java(kind, "ConsumerMain", [name])
        super().__init__(name, command)

    def target(self, *ports, service=SERVICE, single=False, **options):
        """The "target" of a command: where to call and how; several ports mean a failover list.

        `single`: exactly one connection may result, at the price of no cluster in Dubbo 2.7.
        """
        host = "127.0.0.1" if self.kind == GO else LOOPBACK
        if self.kind == "java27" and len(ports) == 1 and not single:
            # For one URL, Dubbo 2.7 has no cluster: neither failover nor response attachments.
            ports = ports * 2
        url = ";".join(f"dubbo://{host}:{port}/{service}?cluster=failover" for port in ports)
        return {"url": url, "group": GROUP, "version": VERSION, **options}
