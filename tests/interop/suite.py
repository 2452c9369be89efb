"""The interop suite: builds the peers, runs the cases, prints a line for each, and sums up."""

import argparse
import fcntl
import re
import sys
import time
from collections import Counter
from contextlib import contextmanager

import dubbo_direct
import dubbo_failures
import dubbo_matrix
import dubbo_traffic
import grpc_failures
import grpc_matrix
import grpc_peers
import grpc_traffic
import http1_failures
import http1_matrix
import http1_peers
import http1_smuggling
import http1_traffic
import http2_matrix
import http2_peers
import motan_failures
import motan_matrix
import motan_peers
import motan_traffic
import peers
import sabir
import thrift_matrix
import thrift_peers
import thrift_traffic
import triple_matrix
import triple_streams
from process import WORK, PeerError, end, end_all, running


class World:
    """What cases share: one provider and one consumer of each kind, and a proxy in front of each provider."""

    def __init__(self, skipped):
        self.skipped = skipped
        self.shared_sabir = None
        self.kept = set()
        self._providers = {}
        self._consumers = {}

    def kinds(self):
        return list(self._providers)

    def provider(self, kind):
        return self._providers[kind]

    def consumer(self, kind):
        return self._consumers[kind]

    def start(self, kinds):
        """Starts the shared peers of these kinds side by side."""
        for kind in kinds:
            made = motan_peers if kind in motan_peers.KINDS else peers
            self._providers[kind] = made.Provider(kind, f"{kind}-provider")
            self._consumers[kind] = made.Consumer(kind)
        for peer in [*self._providers.values(), *self._consumers.values()]:
            peer.until_ready()
        self.kept = running()

    def tidy(self):
        """Ends what a case has started and left."""
        end(running() - self.kept)


def selected(options):
    """The cases to run, by the command line."""
    cases = [*dubbo_matrix.direct_cases(), *dubbo_direct.cases()]
    cases += [*motan_matrix.direct_cases(), *thrift_matrix.direct_cases(), *grpc_matrix.direct_cases()]
    cases += [*grpc_traffic.direct_cases(), *http2_matrix.direct_cases(), *triple_matrix.direct_cases()]
    cases += [*triple_streams.cases("direct"), *http1_matrix.direct_cases()]
    if not options.direct:
        cases += [*dubbo_matrix.proxy_cases(), *dubbo_traffic.cases(), *dubbo_failures.cases()]
        cases += [*motan_matrix.proxy_cases(), *motan_traffic.cases(), *motan_failures.cases()]
        cases += [*thrift_matrix.proxy_cases(), *thrift_traffic.cases(), *grpc_matrix.proxy_cases()]
        cases += [*grpc_traffic.proxy_cases(), *grpc_failures.cases()]
        cases += [*http2_matrix.proxy_cases(), *triple_matrix.proxy_cases(), *triple_streams.cases("sabir")]
        cases += [*http1_matrix.proxy_cases(), *http1_traffic.cases(), *http1_failures.cases()]
        cases += http1_smuggling.cases()
    return [case for case in cases if not options.k or re.search(options.k, case.name)]


def counted(cases):
    """How many cases there are of each family of protocols, and in all."""
    families = (re.search("motan|thrift|grpc|triple|http2|h2spec|http1|websocket", case.name) for case in cases)
    names = (SAME.get(found[0], found[0]) if found else "dubbo" for found in families)
    return [f"{count} {name}" for name, count in Counter(names).items()] + [f"{len(cases)} in all"]


def kinds_of(cases):
    """The peers that these cases need."""
    return {kind for case in cases for kind in case.kinds}


def build(cases):
    """Builds the peers that these cases need, as far as this machine can; returns why it cannot build the others."""
    wanted = kinds_of(cases)
    skipped = {}
    for kinds, builder in BUILDERS:
        if wanted & kinds:
            skipped.update(builder())
    return {**skipped, **grpc_peers.build(wanted), **http2_peers.build(wanted)}


def attempt(step):
    """Runs a step of a case; what went wrong in one line or more, or None."""
    try:
        step()
    except (AssertionError, PeerError, OSError) as failure:
        return f"{type(failure).__name__}: {failure}"
    return None


def run(cases, world):
    """Prepares and then runs all cases; returns how many passed, failed and were skipped."""
    counts = {"ok": 0, "FAIL": 0, "skip": 0}
    wanted = [case for case in cases if not case.skip_reason(world)]
    world.start(sorted(kinds_of(wanted) & SHARED))
    prepared = {case.name: attempt(lambda case=case: case.prepare(world)) for case in wanted}
    for case in cases:
        start = time.monotonic()
        reason = case.skip_reason(world)
        if reason:
            outcome, detail = "skip", f" ({reason})"
        else:
            failure = prepared[case.name] or attempt(lambda case=case: case.run(world))
            world.tidy()
            outcome = "FAIL" if failure else "ok"
            detail = f": {failure}" if failure else f" [{time.monotonic() - start:.1f} s]"
        counts[outcome] += 1
        print(f"{outcome} {case.name}{detail}", flush=True)
    return counts


@contextmanager
def one_at_a_time():
    """Two runs in one checkout would overwrite each other's builds, logs and configurations."""
    WORK.mkdir(parents=True, exist_ok=True)
    with open(WORK / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-k", metavar="PATTERN", help="only cases whose name this regular expression finds")
    parser.add_argument("--direct", action="store_true", help="only peers with each other, without sabir")
    parser.add_argument("--strict", action="store_true", help="a skipped case is a failure")
    parser.add_argument("--list", action="store_true", help="print the names of the cases and stop")
    parser.add_argument("--count", action="store_true", help="print how many cases each family of protocols has and stop")
    options = parser.parse_args()
    cases = selected(options)
    if options.count:
        print("\n".join(counted(cases)))
        return 0
    if options.list:
        print("\n".join(case.name for case in cases))
        return 0
    if not options.direct and sabir.binary() is None:
        print("no sabir binary: build one (cargo build --release), set SABIR_BIN, or use --direct", file=sys.stderr)
        return 2
    with one_at_a_time():
        counts = run(cases, World(build(cases)))
        end_all()
    print(f"{counts['ok']} passed, {counts['FAIL']} failed, {counts['skip']} skipped")
    return 1 if counts["FAIL"] or options.strict and counts["skip"] else 0


# Names that cases of a family have instead of its own.
SAME = {"h2spec": "http2", "websocket": "http1"}
# Families of peers that are built together.
BUILDERS = [
    ({*peers.JAVA, peers.GO}, peers.build),
    (set(motan_peers.KINDS), motan_peers.build),
    (set(thrift_peers.LANGUAGES), thrift_peers.build),
    (set(http1_peers.KINDS), http1_peers.build),
]
# Kinds of which all cases share a provider and a consumer; the others' cases start what they need.
SHARED = {*peers.JAVA, peers.GO, *motan_peers.KINDS}

if __name__ == "__main__":
    sys.exit(main())
