"""Builds the Thrift peers and starts them: Apache Thrift's libraries, as server and as client."""

import hashlib
import re
import shutil
import subprocess
import sys

from peers import HERE, missing
from process import WORK, Peer, PeerError, free_port

PYTHON, JAVA, GO, NODE = "thrift-python", "thrift-java", "thrift-go", "thrift-node"
PYTHON_VERSION = "0.25.0"
# What servers listen for, in the order of their ports.
KINDS = ["unframed-binary", "unframed-compact", "framed-binary", "framed-compact", "header-binary", "header-compact"]
# Transport and protocol that clients have, and the kind of server that takes them. "lax" is the
# binary protocol of old, which servers read beside the strict one.
CLIENTS = {**{kind: kind for kind in KINDS}, "unframed-lax": "unframed-binary", "framed-lax": "framed-binary"}


class Language:
    """A library: how its peer is started, and what it is like."""

    def __init__(self, name, command, has_header=True, has_zlib=True, says_type=True):
        self.name = name
        self.command = command
        self.kinds = [kind for kind in KINDS if has_header or "header" not in kind]
        self.has_zlib = has_zlib
        # Whether exceptions of its framework tell their type on the wire.
        self.says_type = says_type

    @property
    def label(self):
        return self.name.removeprefix("thrift-")

    def speaks(self, kind):
        """Whether its client does."""
        return CLIENTS[kind] in self.kinds


JVM_OPTIONS = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"]
LANGUAGES = {
    language.name: language
    for language in (
        Language(PYTHON, [WORK / PYTHON / "bin/python", HERE / PYTHON / "peer.py"]),
        Language(
            JAVA,
            ["java", *JVM_OPTIONS, "-cp", f"{WORK}/{JAVA}/classes:{WORK}/{JAVA}/lib/*", "org.sabir.thrift.Peer"],
            has_header=False,
            has_zlib=False,
        ),
        Language(GO, [WORK / GO / "peer"]),
        Language(NODE, ["node", "--no-deprecation", HERE / NODE / "peer.js"], has_zlib=False, says_type=False),
    )
}


def build():
    """Builds what the machine has the tools for; returns why each other peer is skipped."""
    WORK.mkdir(parents=True, exist_ok=True)
    reasons = {PYTHON: _build_python(), JAVA: _build_java(), GO: _build_go(), NODE: _build_node()}
    return {name: reason for name, reason in reasons.items() if reason}


def _build_python():
    home = WORK / PYTHON
    marker = home / f"installed-{PYTHON_VERSION}"
    if marker.exists():
        return None
    for command in (
        [sys.executable, "-m", "venv", "--clear", home],
        [home / "bin/python", "-m", "pip", "install", "--quiet", f"thrift=={PYTHON_VERSION}"],
    ):
        done = _run(command)
        if done.returncode != 0:
            return f"pip cannot install Apache Thrift {PYTHON_VERSION}: {_last_line(done)}"
    marker.touch()
    return None


def _build_java():
    tool = missing(["java", "mvn"])
    if tool:
        return f"{tool} is not installed"
    done = _run(["mvn", "-B", "-q", f"-Dinterop.work={WORK}", "compile"], HERE / JAVA)
    if done.returncode == 0:
        return None
    if re.search(r"Could not (resolve|find|transfer)", done.stdout):
        return "Maven cannot fetch org.apache.thrift:libthrift"
    raise PeerError(f"maven build of {JAVA} failed:\n{done.stdout[-3000:]}")


def _build_go():
    if missing(["go"]):
        return "go is not installed"
    done = _run(["go", "mod", "download"], HERE / GO)
    if done.returncode != 0:
        return f"Go cannot fetch github.com/apache/thrift: {_last_line(done)}"
    done = _run(["go", "build", "-o", WORK / GO / "peer", "."], HERE / GO)
    if done.returncode != 0:
        raise PeerError(f"go build of {GO} failed:\n{done.stdout[-3000:]}")
    return None


def _build_node():
    tool = missing(["node", "npm"])
    if tool:
        return f"{tool} is not installed"
    home, files = WORK / NODE, [HERE / NODE / name for name in ("package.json", "package-lock.json")]
    wanted = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    marker = home / "installed"
    if marker.exists() and marker.read_text() == wanted:
        return None
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    for file in files:
        shutil.copy(file, home)
    done = _run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], home)
    if done.returncode != 0:
        return f"npm cannot install thrift: {_last_line(done)}"
    if _run(["node", "--no-deprecation", "-e", "require('thrift')"], home).returncode != 0:
        return "this version of node is too old for thrift, of which a part is a module of the newer kind"
    marker.write_text(wanted)
    return None


def _run(command, folder=None):
    """A command that has ended; one that cannot run or takes too long has failed."""
    try:
        return subprocess.run(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600
        )
    except (OSError, subprocess.TimeoutExpired) as failure:
        return subprocess.CompletedProcess(command, 1, str(failure))


def _last_line(done):
    return "".join(done.stdout.strip().splitlines()[-1:])


class Server(Peer):
    """One process that serves every kind of its language, each on a port of its own."""

    def __init__(self, language, name):
        self.language = language
        self.ports = {kind: free_port() for kind in language.kinds}
        ports = [str(port) for port in self.ports.values()]
        super().__init__(name, [*language.command, "server", *ports], env=ENVIRONMENT)

    def address(self, kind):
        return f"127.0.0.1:{self.ports[kind]}"

    def count(self, method):
        """How many calls of `method` have arrived so far."""
        return self.ask("counts").get(method, 0)


class Client(Peer):
    """A client process that makes calls to any port."""

    def __init__(self, language, name):
        self.language = language
        super().__init__(name, [*language.command, "client"], env=ENVIRONMENT)


# Where Node finds what npm has installed.
ENVIRONMENT = {"NODE_PATH": str(WORK / NODE / "node_modules")}


def shared(world, name):
    """The server and the client of this language that all cases share, started when first needed."""
    if not hasattr(world, "thrift"):
        world.thrift = {}
    if name not in world.thrift:
        language = LANGUAGES[name]
        world.thrift[name] = (Server(language, f"{name}-server"), Client(language, f"{name}-client"))
        for peer in world.thrift[name]:
            world.kept.add(peer.child.pid)
            peer.until_ready()
    return world.thrift[name]
