#!/usr/bin/env python3
"""Instructions per message, counted by callgrind and compared with what is committed.

    .ci/instructions.py                 counts and compares
    .ci/instructions.py --accept        counts and writes benches/instructions.toml anew
    .ci/instructions.py --only TEXT     only operations with TEXT in their name
    .ci/instructions.py --profile TEXT  where the instructions of these operations go

Counts do not depend on what else the machine does, but on compiler and C library: with others than
the table was made with, differences are told and nothing fails. Otherwise a rise beyond the limit
fails, and so do operations that one side lacks; a fall is told. Exit status 1 if anything failed.
"""

import argparse
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "benches" / "instructions.toml"

# How far a count may be off before it counts as changed: this share of it, and this many
# instructions, whichever is more.
SHARE = 0.05
SLACK = 10

HEADER = """\
# Instructions per exchange (a request and its response; a choice, for routes and balancers).
# Written by `.ci/instructions.py --accept`, compared by `.ci/run instructions`.

"""

# The C library copies with `rep movs` where the processor is good at it, which callgrind counts by
# the byte. Without, a copy counts the same everywhere.
TUNABLES = "glibc.cpu.x86_rep_movsb_threshold=0x7fffffff"


def main(arguments):
    """Runs what the command line asks for; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--accept", action="store_true", help="write the table anew")
    parser.add_argument("--only", default="", metavar="TEXT", help="operations to count")
    parser.add_argument("--profile", metavar="TEXT", help="operations to profile")
    options = parser.parse_args(arguments)
    program = build()
    if options.profile is not None:
        return profile(program, options.profile)
    counts = count(program, options.only)
    if options.accept:
        accepted = counts if not options.only else load()["instructions"] | counts
        TABLE.write_text(written(toolchain(), accepted), encoding="utf-8")
        print(f"{len(counts)} counts written to {TABLE.relative_to(ROOT)}")
        return 0
    return report(load(), toolchain(), counts, options.only)


def report(table, here, counts, only):
    """Prints how `counts` compare with `table`; the exit status."""
    committed = {name: n for name, n in table["instructions"].items() if only in name}
    lines, faults, falls = compare(committed, counts)
    print("\n".join(lines))
    if table["toolchain"] != here:
        print(f"not judged: counted with {here}\n      the table is for {table['toolchain']}")
        return 0
    if falls:
        print(f"{falls} fell: commit that with `.ci/instructions.py --accept`")
    if faults:
        print(f"{faults} rose by more than {SHARE:.0%}, or are not in both.")
        print("`.ci/instructions.py --profile TEXT` shows where they go. If they are worth it, run")
        print("`.ci/instructions.py --accept` and say in the commit what they buy.")
    return int(faults > 0)


def compare(committed, counts):
    """Lines of a report, the number of faults in it, and of falls."""
    lines, faults, falls = [], 0, 0
    for name in sorted(committed.keys() | counts.keys()):
        before, now = committed.get(name), counts.get(name)
        if before is None or now is None:
            verdict = "not in the table" if before is None else "not counted"
            lines.append(f"{before or '-':>9} {now or '-':>9}          {name}: {verdict}")
            faults += 1
            continue
        limit = max(before * SHARE, SLACK)
        rose, fell = now > before + limit, now < before - limit
        verdict = ": ROSE" if rose else ": fell" if fell else ""
        lines.append(f"{before:>9} {now:>9} {now / max(before, 1) - 1:>+8.1%} {name}{verdict}")
        faults, falls = faults + rose, falls + fell
    return lines, faults, falls


def load():
    """The committed table."""
    with TABLE.open("rb") as file:
        return tomllib.load(file)


def written(here, counts):
    """The text of a table."""
    lines = [f"toolchain = {json.dumps(here)}", "", "[instructions]"]
    lines += [f"{json.dumps(name)} = {counts[name]}" for name in sorted(counts)]
    return HEADER + "\n".join(lines) + "\n"


def toolchain():
    """What counts depend on, besides the code."""
    verbose = run("rustc", "--version", "--verbose")
    host = re.search(r"^host: (.*)$", verbose, re.MULTILINE)[1]
    return f"{verbose.splitlines()[0]}, {host}, {' '.join(platform.libc_ver())}"


def build():
    """Builds the program that is counted; its path."""
    built = run(
        "cargo", "build", "--release", "--package", "sabir-benches",
        "--bin", "instructions", "--message-format", "json-render-diagnostics",
    )
    messages = (json.loads(line) for line in built.splitlines())
    paths = [m["executable"] for m in messages if m.get("executable")]
    return paths[-1]


def count(program, only):
    """Instructions of one message by the name of its operation."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder, "counts")
        names = callgrind(program, only, out, "--combine-dumps=yes")
        totals = re.findall(r"^totals: (\d+)$", out.read_text(), re.MULTILINE)
    return per_message(names, [int(total) for total in totals])


def per_message(names, totals):
    """Counts of what the program printed, by the totals between its marks."""
    operations = [line.split(" ", 1) for line in names.splitlines()]
    # Three for each, and one for what follows the last mark.
    if not operations or len(totals) != 3 * len(operations) + 1:
        raise SystemExit(f"{len(totals)} counts of {len(operations)} operations")
    counts = {}
    for at, (messages, name) in enumerate(operations):
        once, twice = totals[3 * at + 1 : 3 * at + 3]
        counts[name] = round((twice - once) / int(messages))
    return counts


def profile(program, only):
    """Prints where the instructions of some operations go, their preparation left out."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder, "profile")
        marks = "*instructions*count*"
        print(callgrind(program, only, out, f"--toggle-collect={marks}"), end="")
        print(run("callgrind_annotate", "--threshold=95", str(out)))
    return 0


def callgrind(program, only, out, *options):
    """Runs the program under callgrind; what it printed."""
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *options]
    command += ["--dump-before=*instructions*mark*"] * ("--combine-dumps=yes" in options)
    return run(*command, program, only, env=os.environ | {"GLIBC_TUNABLES": TUNABLES})


def run(*command, env=None):
    """What a command prints. Raises if it fails."""
    done = subprocess.run(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        raise SystemExit(f"{command[0]} failed")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
