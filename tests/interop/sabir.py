"""A running `sabir run`: started, reconfigured by replacing its file, and observed by its admin listener."""

import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import sabir_config as config
from process import WORK, PeerError, Process, free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]
FILES = WORK / "sabir"


def binary():
    """The program under test: SABIR_BIN, else what cargo built last, release before debug; or None."""
    if "SABIR_BIN" in os.environ:
        return shutil.which(os.environ["SABIR_BIN"])
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return next((path for path in (target / "release/sabir", target / "debug/sabir") if path.exists()), None)


def check(name, text):
    """Exit status and output of `sabir check -c` for a file with this text."""
    FILES.mkdir(parents=True, exist_ok=True)
    file = FILES / f"{name}.yaml"
    file.write_text(text)
    done = subprocess.run([binary(), "check", "-c", file], capture_output=True, text=True, timeout=20)
    return done.returncode, done.stdout + done.stderr


class Sabir(Process):
    """One proxy process with listeners by name."""

    def __init__(self, name, listeners, clusters, **more):
        """`listeners`: routes by listener name; each listener gets a port and an access log."""
        FILES.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.admin_port = free_port()
        self._ports = {listener: free_port() for listener in listeners}
        self._generation = 0
        for listener in listeners:
            self.access_log(listener).unlink(missing_ok=True)
        self.write(self.document(listeners, clusters, **more))
        super().__init__(name, [binary(), "run", "-c", self.file])
        self._until_ready()

    @property
    def file(self):
        return FILES / f"{self.name}.yaml"

    def port(self, listener):
        return self._ports[listener]

    def access_log(self, listener):
        return FILES / f"{self.name}-{listener}.access.log"

    def logged(self, listener, method):
        """How many calls of `method` the listener's access log has, each line being a method's name."""
        log = self.access_log(listener)
        lines = log.read_text().splitlines() if log.exists() else []
        return lines.count(method)

    def document(self, listeners, clusters, **more):
        """The whole file's text; a cluster nobody uses tells its generation in the configuration dump."""
        self._generation += 1
        made = [
            config.listener(listener, self._ports[listener], routes, self.access_log(listener))
            for listener, routes in listeners.items()
        ]
        marker = config.cluster(f"generation-{self._generation}")
        return config.yaml(config.bootstrap(self.admin_port, made, [*clusters, marker], **more))

    def write(self, text):
        """Replaces the file in one step, as careful deployments do."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(text)
        os.replace(fresh, self.file)

    def reconfigure(self, listeners, clusters):
        """Replaces the configuration and waits until it is in force."""
        self.write(self.document(listeners, clusters))
        marker = f"generation-{self._generation}"
        wait_until(lambda: marker in self.admin("/config_dump")[1], f"{marker} to be in force")

    def admin(self, path):
        """Status and body of an admin request; status 0 when nobody answers."""
        url = f"http://127.0.0.1:{self.admin_port}{path}"
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()
        except OSError:
            return 0, ""

    def metric(self, pattern):
        """Sum of the Prometheus samples whose name and labels match the pattern."""
        total = 0.0
        for line in self.admin("/metrics")[1].splitlines():
            if line and not line.startswith("#") and re.search(pattern, line):
                total += float(line.rsplit(" ", 1)[1])
        return total

    def _until_ready(self):
        def ready_or_dead():
            return self.child.poll() is not None or self.admin("/ready")[0] == 200

        wait_until(ready_or_dead, f"{self.name} to be ready")
        if self.child.poll() is not None:
            raise OSError(f"{self.name} ended with {self.child.returncode}:\n{self.tail()}")


def shared(world):
    """The proxy of the matrix: a listener of each provider's kind, started when first needed."""
    if isinstance(world.shared_sabir, Exception):
        raise world.shared_sabir
    if world.shared_sabir is None:
        kinds = world.kinds()
        listeners = {kind: [config.to_cluster("demo", kind)] for kind in kinds}
        clusters = [config.cluster(kind, world.provider(kind).address) for kind in kinds]
        try:
            world.shared_sabir = Sabir("sabir-matrix", listeners, clusters)
        except (OSError, PeerError) as failure:
            world.shared_sabir = failure
            raise
        world.kept.add(world.shared_sabir.child.pid)
    return world.shared_sabir
