"""Builds the Thrift peers and starts them: Apache Thrift's Python library, as server and as client."""

import subprocess
import sys
from pathlib import Path

from process import WORK, Peer, free_port

PYTHON = "thrift-python"
VERSION = "0.25.0"
HOME = WORK / PYTHON
SOURCE = Path(__file__).resolve().parent / PYTHON
# What servers listen for, in the order of their ports.
KINDS = ["unframed-binary", "unframed-compact", "framed-binary", "framed-compact", "header-binary", "header-compact"]


def build():
    """Installs the library into an environment of its own; returns why the peer is skipped, if it is."""
    marker = HOME / f"installed-{VERSION}"
    if marker.exists():
        return {}
    for command in (
        [sys.executable, "-m", "venv", "--clear", HOME],
        [HOME / "bin/python", "-m", "pip", "install", "--quiet", f"thrift=={VERSION}"],
    ):
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        except (OSError, subprocess.TimeoutExpired) as failure:
            return {PYTHON: f"Apache Thrift {VERSION} cannot be installed: {failure}"}
        if done.returncode != 0:
            last = done.stdout.decode(errors="replace").strip().splitlines()[-1:]
            return {PYTHON: f"Apache Thrift {VERSION} cannot be installed: {''.join(last)}"}
    marker.touch()
    return {}


class Server(Peer):
    """One process that serves every kind, each on a port of its own."""

    def __init__(self, name):
        self.ports = {kind: free_port() for kind in KINDS}
        ports = [str(port) for port in self.ports.values()]
        super().__init__(name, [HOME / "bin/python", SOURCE / "peer.py", "server", *ports])

    def address(self, kind):
        return f"127.0.0.1:{self.ports[kind]}"

    def count(self, method):
        """How many calls of `method` have arrived so far."""
        return self.ask("counts").get(method, 0)


class Client(Peer):
    """A client process that makes calls to any port."""

    def __init__(self, name):
        super().__init__(name, [HOME / "bin/python", SOURCE / "peer.py", "client"])
