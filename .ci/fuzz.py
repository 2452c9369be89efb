#!/usr/bin/env python3
"""Runs every fuzz target for its share of a given time, two at a time.

    .ci/fuzz.py FOLDER SECONDS     FOLDER has the binaries, SECONDS is what all take together

First every seed of `fuzz/corpus` is run, nothing is written there, and one that fails fails the run.
Then each target looks for what is not known yet. What it finds is said and does not fail the run, which
would otherwise depend on luck: it is a bug, or an expectation that is wrong, to be settled with a seed.
The end of what the target said is printed, and the input as base64, so that a log is enough to try
again: `base64 -d >input` and `cargo fuzz run TARGET input`.

Exit status: 0, or 1 if a seed failed, or 3 if all seeds passed and something was found.
"""

import base64
import pathlib
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

FUZZ = pathlib.Path(__file__).resolve().parent.parent / "fuzz"
AT_A_TIME = 2
LIMITS = ["-rss_limit_mb=1024", "-timeout=10", "-print_final_stats=1", "-verbosity=0"]
# Beyond its share: loading seeds, and the input it is at.
GRACE_SECONDS = 60
TAIL_LINES = 40


def main(arguments):
    """Runs what the command line asks for; the exit status."""
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    folder, seconds = pathlib.Path(arguments[0]), int(arguments[1])
    targets = sorted(path.stem for path in (FUZZ / "fuzz_targets").glob("*.rs"))
    share = max(1, seconds * AT_A_TIME // len(targets))
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        results = list(pool.map(lambda target: run(folder, target, share), targets))
    failed = sum(not known for known, _, _ in results)
    found = sum(known and not quiet for known, quiet, _ in results)
    executions = sum(executions for _, _, executions in results)
    print(f"{len(targets)} targets, {executions} executions, {found} targets found something")
    print(f"{len(targets) - failed} passed, {failed} failed")
    return 1 if failed else 3 if found else 0


def run(folder, target, seconds):
    """Whether the seeds of a target passed, whether it found nothing, and how many inputs it tried."""
    known, _ = explore(folder, target, ["-runs=0"], GRACE_SECONDS, "seeds FAILED")
    quiet, executions = explore(folder, target, [f"-max_total_time={seconds}"], seconds + GRACE_SECONDS, "FOUND")
    return known, quiet, executions


def explore(folder, target, limits, seconds, verdict):
    """Whether a target passed, and how many inputs it tried. Says how it went."""
    with tempfile.TemporaryDirectory() as work:
        found, artifacts = pathlib.Path(work, "found"), pathlib.Path(work, "artifacts")
        found.mkdir()
        artifacts.mkdir()
        command = [folder / target, found, FUZZ / "corpus" / target, *options(target)]
        command += [*limits, f"-artifact_prefix={artifacts}/", *LIMITS]
        begun = time.monotonic()
        status, said = execute(command, seconds)
        executions = re.search(r"number_of_executed_units: *(\d+)", said)
        executions = int(executions[1]) if executions else 0
        took = round(time.monotonic() - begun)
        report = [f"{target}: {'ok' if status == 0 else verdict}, {executions} in {took} s"]
        if status != 0:
            report += said.splitlines()[-TAIL_LINES:]
            report += [spelled(path) for path in sorted(artifacts.iterdir())]
    print("\n".join(report), flush=True)
    return status == 0, executions


def options(target):
    """Options of a target: its dictionary, if it has one."""
    dictionary = FUZZ / "dictionaries" / f"{target.split('_')[-1]}.txt"
    return [f"-dict={dictionary}"] if dictionary.exists() else []


def execute(command, seconds):
    """Exit status of a command and what it said, also if it took too long."""
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return -1, (late.stdout or b"").decode(errors="replace") + "\nit did not come to an end"
    return done.returncode, done.stdout.decode(errors="replace")


def spelled(path):
    """A file's name, and what is in it."""
    return f"{path.name} {base64.b64encode(path.read_bytes()).decode()}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
