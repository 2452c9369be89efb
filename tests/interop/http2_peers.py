"""The HTTP/2 tools of others: nghttp, h2load and nghttpd, curl, and h2spec."""

import os
import re
import shutil
import subprocess

from grpc_peers import run
from peers import HERE, missing
from process import WORK, PeerError, Process, free_port, wait_until

NGHTTP = "nghttp2"
CURL = "curl"
H2SPEC = "h2spec"
KINDS = [NGHTTP, CURL, H2SPEC]
PROGRAMS = {NGHTTP: ["nghttp", "h2load", "nghttpd"], CURL: ["curl"]}
PACKAGES = {NGHTTP: ["nghttp2-client", "nghttp2-server"], CURL: ["curl"]}
H2SPEC_MODULE = "github.com/summerwind/h2spec/cmd/h2spec"
# The newest state of its sources, which not every module proxy has; h2spec/go.mod has the last release.
H2SPEC_NEWEST = "af83a65f0b62"


def build(wanted):
    """Installs those of `wanted` that the machine has not; returns why each other one is skipped."""
    builders = {NGHTTP: lambda: packaged(NGHTTP), CURL: build_curl, H2SPEC: build_h2spec}
    reasons = {kind: builder() for kind, builder in builders.items() if kind in wanted}
    return {kind: reason for kind, reason in reasons.items() if reason}


def packaged(kind):
    """Installs a Debian package, if the program is missing and this is a machine where that can be done."""
    tool = missing(PROGRAMS[kind])
    if tool is None:
        return None
    if os.geteuid() != 0 or missing(["apt-get"]):
        return f"{tool} is not installed"
    for command in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", *PACKAGES[kind]]):
        run(["env", "DEBIAN_FRONTEND=noninteractive", *command], HERE, seconds=180)
    tool = missing(PROGRAMS[kind])
    return f"{tool} cannot be installed" if tool else None


def build_curl():
    reason = packaged(CURL)
    if reason is None and "HTTP2" not in run(["curl", "--version"], HERE).stdout:
        return "curl is built without HTTP/2"
    return reason


def build_h2spec():
    if missing(["go"]):
        return "go is not installed"
    home = WORK / H2SPEC
    if not (home / "version").exists():
        home.mkdir(parents=True, exist_ok=True)
        newest = ["env", f"GOBIN={home}", "GOFLAGS=-mod=mod", "go", "install", f"{H2SPEC_MODULE}@{H2SPEC_NEWEST}"]
        version = H2SPEC_NEWEST
        if run(newest, home, seconds=120).returncode != 0:
            version = "v2.2.1"
            if run(["go", "mod", "download"], HERE / H2SPEC).returncode != 0:
                return f"Go cannot fetch {H2SPEC_MODULE}"
            done = run(["go", "build", "-o", home / H2SPEC, H2SPEC_MODULE], HERE / H2SPEC)
            if done.returncode != 0:
                raise PeerError(f"go build failed:\n{done.stdout[-3000:]}")
        (home / "version").write_text(version)
    print(f"h2spec is {(home / 'version').read_text()}", flush=True)
    return None


class Nghttpd(Process):
    """nghttpd with a folder of files, in plain text."""

    def __init__(self, name, files, *options):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        folder = WORK / "www" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for file, content in files.items():
            (folder / file).write_bytes(content)
        options = ["--no-tls", "--address=127.0.0.1", "--trailer=x-end: there", "-n", "1", *options]
        super().__init__(name, ["nghttpd", *options, "-d", folder, str(self.port)])

    def until_ready(self):
        def answers():
            return run(["nghttp", "-n", f"http://{self.address}/"], HERE, 5).returncode == 0

        wait_until(answers, f"{self.name} to answer")


def nghttp(url, *options):
    """What nghttp saw, frame by frame."""
    done = run(["nghttp", "-v", *options, url], HERE, 30)
    if done.returncode != 0:
        raise PeerError(f"nghttp: exit status {done.returncode}: {done.stdout[-800:]}")
    return done.stdout


def h2load(url, *options):
    """How many of its requests had a status of 2xx."""
    done = run(["h2load", *options, url], HERE, 60)
    found = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", done.stdout)
    if done.returncode != 0 or found is None:
        raise PeerError(f"h2load: exit status {done.returncode}: {done.stdout[-800:]}")
    return int(found[1])


def curl(url, *options):
    """Status, version of HTTP and body of an answer."""
    command = ["curl", "-sS", "--max-time", "60", "--http2-prior-knowledge", "-w", "\n%{http_code} %{http_version}",
               *options, url]
    done = subprocess.run([str(part) for part in command], capture_output=True, timeout=90)
    if done.returncode != 0:
        raise PeerError(f"curl: exit status {done.returncode}: {done.stderr.decode()[-500:]}")
    body, _, last = done.stdout.rpartition(b"\n")
    status, version = last.decode().split()
    return int(status), version, body


def h2spec(port):
    """How many of its tests there are; every one passed."""
    done = run([WORK / H2SPEC / "h2spec", "--strict", "-h", "127.0.0.1", "-p", str(port), "-o", "5"], HERE, 300)
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    found = re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", text)
    if found is None:
        raise PeerError(f"h2spec did not end: {text[-800:]}")
    count, passed, _skipped, _failed = map(int, found.groups())
    if passed != count:
        failures = text[text.find("Failures:"):]
        raise PeerError(f"h2spec: {found[0]}\n{failures[:3000]}")
    return count
