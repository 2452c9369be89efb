"""A second generator for a check of plausibility: h2load, whose figures should say the same of the proxy's cost."""

import re
import shutil
import subprocess
from contextlib import ExitStack

from .dubbo import ATTACHMENT
from .measure import LoadError, Scenario
from .peers import DIRECT, FLOOR
from .processes import Cores, confine
from .stage import FAILURES, PROTOCOLS, Run, say, start_backend, start_peers

SCENARIOS = [Scenario("http1", 1024, 32, 1), Scenario("http2", 1024, 8, 16)]
# It does not give up by itself when replies stay away.
PATIENCE_SECONDS = 15
_SENT = re.compile(r"requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded")
_PACE = re.compile(r"finished in \S+, ([0-9.]+) req/s")


def run_check(run: Run):
    """One round of each HTTP peer under h2load, beside what this harness's own generator showed."""
    binary = shutil.which("h2load")
    if not binary:
        return "h2load (package nghttp2-client) is not installed: no second generator checked these figures."
    for scenario in SCENARIOS:
        protocol, cores = PROTOCOLS[scenario.protocol], Cores()
        say(f"— {protocol.TITLE}, {scenario.name}, under h2load")
        body = run.work / "h2load-body"
        body.write_bytes(b"x" * scenario.body)
        with ExitStack() as stack:
            _, backend_port = start_backend(run, stack, scenario, cores.load)
            peers = [peer for peer in protocol.all_peers() if peer.name not in (DIRECT, FLOOR)]
            for one in start_peers(run, stack, peers, scenario, cores, backend_port):
                try:
                    figures = _measure(binary, protocol, scenario, one, cores, run.seconds, body)
                except (*FAILURES, subprocess.TimeoutExpired) as error:
                    run.fault(f"{one.peer.label} under h2load: {error}")
                    continue
                say(f"  {one.peer.label}: {figures['cpu_us']:.2f} µs, {figures['rps']:.0f}/s")
                run.record("second", scenario, one.peer, figures)
    return None


def _measure(binary, protocol, scenario, one, cores, seconds, body):
    # Not by a header: in HTTP/1.1 that would become a second Host.
    command = [binary, "-t", "1", f"--connect-to=127.0.0.1:{one.port}", "-H", f"{ATTACHMENT[0]}: {ATTACHMENT[1]}"]
    command += ["-c", str(scenario.connections), "-m", str(scenario.depth), "-d", str(body)]
    command += ["-D", f"{max(1, round(seconds))}", *(["--h1"] if protocol.short == "h1" else [])]
    before = one.proxy.cpu_seconds()
    done = subprocess.run(
        [*command, f"http://{protocol.authority}{protocol.path}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds + PATIENCE_SECONDS,
        preexec_fn=lambda: confine(cores.load),
    )
    spent = one.proxy.cpu_seconds() - before
    sent, pace = _SENT.search(done.stdout), _PACE.search(done.stdout)
    if done.returncode != 0 or not sent or not pace or not int(sent[2]):
        raise LoadError(f"no request succeeded: {sent[0] if sent else done.stdout.strip()[-200:]}")
    # Replies that came in the warm-up or after the end are not counted by h2load; there are few.
    return {
        "requests": int(sent[2]),
        "errors": int(sent[1]) - int(sent[2]),
        "rps": float(pace[1]),
        "cpu_us": spent * 1e6 / int(sent[2]),
    }
