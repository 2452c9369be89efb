"""Processes of a run: pinned to a core, ahead of the neighbours, known to be ready, always ended; and what /proc says."""

import ctypes
import os
import random
import resource
import signal
import socket
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
READY_SECONDS = 60.0
STOP_SECONDS = 5.0
# Below the range from which the system takes ports of outgoing connections, so that none of those gets in the way.
PORTS = range(20000, 32000)
PR_SET_PDEATHSIG = 1
# Of the autogroup, as nice values are. `nice` itself does nothing between sessions where the kernel groups by them.
PRIORITY = "-20"
FILES_WANTED = 65536


class StartError(Exception):
    """A process did not come up; says which, and what it printed last."""


class Cores:
    """Which core the measured proxy has, and which the load and the backend share."""

    def __init__(self, together=False):
        allowed = sorted(os.sched_getaffinity(0))
        self.proxy = allowed[0]
        self.load = allowed[1] if len(allowed) > 1 and not together else allowed[0]

    @property
    def shared(self):
        return self.proxy == self.load


class Running:
    """A child process. Use as a context manager: it is ended on every way out."""

    def __init__(self, name, command, core, log_path, ready_port):
        self.name, self.log_path = name, log_path
        with open(log_path, "wb") as log:
            self.child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: confine(core),
            )
        try:
            self._wait_until_ready(ready_port)
        except BaseException:
            self.stop()
            raise

    @property
    def pids(self):
        """Its own and its workers': nginx listens before it has one."""
        return [self.child.pid, *_children(self.child.pid)]

    def _wait_until_ready(self, port):
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.child.poll() is not None:
                raise StartError(f"{self.name} ended with status {self.child.returncode}:\n{self.last_words()}")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise StartError(f"{self.name} did not listen within {READY_SECONDS:.0f} s:\n{self.last_words()}")

    def last_words(self):
        with open(self.log_path, "rb") as log:
            return log.read()[-2000:].decode(errors="replace").strip()

    def cpu_seconds(self):
        """User and system time of all threads so far."""
        return sum(_cpu_seconds(pid) for pid in self.pids)

    def rss_kib(self):
        """Resident memory, of a worker process and its master together."""
        return sum(_rss_kib(pid) for pid in self.pids)

    def stop(self):
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def confine(core):
    """Run in a child before its program: pins it to a core, gives it a session and thus a scheduling group of its own,
    and ends it should the harness be killed."""
    os.sched_setaffinity(0, {core})
    os.setsid()
    try:
        with open("/proc/self/autogroup", "w") as autogroup:
            autogroup.write(PRIORITY)
    except OSError:
        pass  # Not root, or a kernel without such groups.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def has_priority():
    """Whether measured processes can be put ahead of the neighbours: root, and a kernel that groups by sessions."""
    try:
        with open("/proc/sys/kernel/sched_autogroup_enabled") as enabled:
            return enabled.read().strip() == "1" and os.geteuid() == 0
    except OSError:
        return False


def allow_many_files():
    """Raises the number of files a process may have, for all children; returns what it is now."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (max(hard, FILES_WANTED), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return wanted
        except (OSError, ValueError):
            continue
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def busy_seconds(cores):
    """Time for which the cores did anything at all, stolen time included."""
    wanted = {f"cpu{core}" for core in cores}
    total = 0
    with open("/proc/stat") as stat:
        for line in stat:
            name, *fields = line.split()
            if name in wanted:
                user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
                total += user + nice + system + irq + softirq + steal
    return total / TICKS


def free_port():
    """A loopback port that nobody listens on at the moment."""
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise StartError("no port is free")


def _children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as children:
            return [int(child) for child in children.read().split()]
    except OSError:
        return []


def _cpu_seconds(pid):
    """By the scheduler's nanoseconds; by ticks of usually 10 ms where the kernel does not tell them."""
    try:
        total = 0
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat") as schedstat:
                total += int(schedstat.read().split()[0])
        return total / 1e9
    except (OSError, ValueError, IndexError):
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def _rss_kib(pid):
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0
