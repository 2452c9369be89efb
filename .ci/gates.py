#!/usr/bin/env python3
"""Checks of the architecture and of the house style that no compiler makes.

    .ci/gates.py              runs every gate; one line each, what is wrong below it
    .ci/gates.py --self-test  shows each gate something it must find

purity     no runtime, transport or HTTP stack in the trees of the pure crates
direction  crates depend on each other only as ARCHITECTURE.md draws it
shape      functions, files, inline tests and structs stay within their limits, or
           `.ci/shape-allowed.txt` says why one does not
words      no paths of one machine, no hosts of registries, no leftovers
quotes     each YAML block of the README is one of the examples, word for word
links      what Markdown files link to in this repository is there
"""

import json
import pathlib
import posixpath
import re
import subprocess
import sys

import shape

ROOT = pathlib.Path(__file__).resolve().parent.parent
ALLOWED = ".ci/shape-allowed.txt"

# What a crate may depend on in this workspace, at build or test time too.
EDGES = {
    "sabir-core": set(),
    "sabir-proto": set(),
    "sabir-codecs": {"sabir-core"},
    "sabir-filters": {"sabir-core"},
    "sabir-router": {"sabir-core"},
    "sabir-proxy": {"sabir-core", "sabir-codecs", "sabir-filters", "sabir-router", "sabir-proto"},
    "sabir": {
        "sabir-core",
        "sabir-codecs",
        "sabir-filters",
        "sabir-router",
        "sabir-proto",
        "sabir-proxy",
    },
    "sabir-benches": {"sabir-core", "sabir-codecs", "sabir-router"},
    "sabir-loadgen": set(),
}
PURE = ["sabir-core", "sabir-codecs", "sabir-filters", "sabir-router", "sabir-proto"]
IMPURE = re.compile(r"(tokio|mio|hyper|tonic|async-std|smol|rustix|socket2)(-[\w-]+)?")

# Brackets around a letter keep this file from finding itself.
PLACES = {
    "path of one machine": re.compile(r"/(?:wor[k]|roo[t]|hom[e]/\w+|User[s]/\w+|tm[p]/\w+)/"),
    "host of a registry": re.compile(
        r"(?:index|static)\.crate[s]\.io|registry\.npm[j]s|py[p]i\.org|python[h]osted\.org"
        r"|(?:proxy|sum)\.golan[g]\.org|repo1?\.mave[n]\.|//(?:10|192\.168)\.[0-9.]+[:/]"
    ),
}
LEFTOVERS = {
    "leftover": re.compile(r"\b(?:TOD[O]|FIXM[E])\b|\b(?:tod[o]|unimplemente[d]|db[g])!\("),
    "allow instead of expect": re.compile(r"#!?\[allo[w]\("),
}
SOURCES = (".rs", ".py", ".proto", ".java", ".go", ".sh")
LOCKS = ("Cargo.lock", "go.sum", "package-lock.json")
GENERATED = "proto/src/generated/"


def main(arguments):
    """Runs what the command line asks for; the exit status."""
    if arguments == ["--self-test"]:
        tests = pathlib.Path(__file__).with_name("gates_test.py")
        return subprocess.run([sys.executable, tests]).returncode
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    files = tracked()
    rust = {path: text for path, text in files.items() if path.endswith(".rs")}
    metadata = json.loads(cargo("metadata", "--no-deps", "--format-version", "1"))
    gates = {
        "purity": purity({crate: tree(crate) for crate in PURE}),
        "direction": direction(metadata),
        "shape": shapes(rust, files.get(ALLOWED, "")),
        "words": words(files),
        "quotes": quotes(files),
        "links": links(files),
    }
    for name, faults in gates.items():
        print(f"{name}: {f'FAIL, {len(faults)} found' if faults else 'ok'}")
        for fault in faults:
            print(f"    {fault}")
    return int(any(gates.values()))


def purity(trees):
    """Faults in `trees`, which map a crate to the `cargo tree` lines of its dependencies."""
    faults = []
    for crate, lines in trees.items():
        names = [line.split()[0] for line in lines if line.strip()]
        if names[:1] != [crate]:
            faults.append(f"{crate}: its dependency tree could not be read")
        impure = sorted({name for name in names if IMPURE.fullmatch(name)})
        faults += [f"{crate} depends on {name}" for name in impure]
    return faults


def direction(metadata):
    """Faults in the edges between the crates of `metadata`, as `cargo metadata` prints it."""
    crates = {package["name"]: package for package in metadata["packages"]}
    faults = [f"{name} is missing" for name in PURE if name not in crates]
    for name, package in sorted(crates.items()):
        if name not in EDGES:
            faults.append(f"{name} has no place in the direction of crates")
            continue
        edges = {d["name"] for d in package["dependencies"]} & (crates.keys() | EDGES.keys())
        faults += [f"{name} depends on {other}" for other in sorted(edges - EDGES[name])]
    return faults


def shapes(rust, allowed):
    """Faults in the sizes of `rust` sources that `allowed` does not justify, and stale entries."""
    sources = {path: text for path, text in rust.items() if not path.startswith(GENERATED)}
    found = shape.excesses(sources)
    faults, justified = [], set()
    for line in allowed.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        key, _, reason = line.partition(": ")
        justified.add(key)
        if len(reason.split()) < 3:
            faults.append(f"{ALLOWED}: '{key}' has no justification")
    faults += [str(excess) for excess in found if excess.key not in justified]
    stale = justified - {excess.key for excess in found}
    return faults + [f"{ALLOWED}: '{key}' is stale" for key in sorted(stale)]


def words(files):
    """Places in `files` with words that do not belong there."""
    faults = []
    for path, text in files.items():
        if path.startswith(GENERATED) or path.endswith(LOCKS):
            continue
        wanted = PLACES | (LEFTOVERS if path.endswith(SOURCES) else {})
        for number, line in enumerate(text.splitlines(), 1):
            found = ((what, pattern.search(line)) for what, pattern in wanted.items())
            faults += [f"{path}:{number}: {what}: {hit[0]}" for what, hit in found if hit]
    return faults


def quotes(files):
    """YAML blocks of the README that are not an example, which CI checks, to the letter."""
    examples = {text for path, text in files.items() if path.endswith(".yaml")}
    block = re.compile(r"^```yaml\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    blocks = block.findall(files.get("README.md", ""))
    return [f"README.md: no example: {b.splitlines()[0]}" for b in blocks if b not in examples]


def links(files):
    """Links of Markdown files to files and folders of this repository that are not there."""
    there = {parent.as_posix() for path in files for parent in pathlib.PurePosixPath(path).parents}
    faults = []
    for path in filter(lambda path: path.endswith(".md"), files):
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", files[path]):
            wanted = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
            if wanted not in files and wanted not in there:
                faults.append(f"{path}: nothing at {target}")
    return faults


def tracked():
    """Text of every file that is committed or about to be, by path."""
    names = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    files = {}
    for name in sorted(filter(None, names.split("\0"))):
        path = ROOT / name
        # Git lists what was deleted and not yet committed, too.
        if path.is_file():
            files[name] = path.read_text(encoding="utf-8", errors="replace")
    return files


def tree(crate):
    """The lines of a crate's dependency tree, all features on, tests and build scripts apart."""
    args = ["-p", crate, "-e", "normal", "--all-features", "--prefix", "none", "--target", "all"]
    return cargo("tree", *args).splitlines()


def cargo(*arguments):
    """What a cargo command prints."""
    return run("cargo", *arguments)


def run(*command):
    """What a command prints. Raises if it fails: a gate that could not look must not pass."""
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
