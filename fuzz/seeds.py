#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets: `corpus/<target>/<name>`, from the samples.

A seed that is there already is written again, and one of another origin (a regression, say) is left
alone. How the input of each target is read stands in `src/`.
"""

import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
PROTOCOLS = ["dubbo", "motan2", "thrift", "http1", "http2"]
# Of each role: the first setting, and cuts of 2, 7 and 30 bytes, then of one each.
CUTS = bytes([4, 0, 1, 6, 29])
SERVER, CLIENT = bytes([0]) + CUTS, bytes([128]) + CUTS
# Set a pair, remove the first one, set the service.
CHANGES = bytes([9, 2, 4, 0, 0, 2, 0, 3, 5, 0])


def main():
    """Writes all seeds."""
    for protocol in PROTOCOLS:
        samples = list(read(protocol))
        for kind, name, octets in samples:
            role = CLIENT if kind == "response" else SERVER
            write(f"bytes_{protocol}", f"{kind}-{name}", role + octets)
            if kind == "request" and protocol in ("dubbo", "thrift", "motan2"):
                write("bytes_auto", f"{protocol}-{name}", CUTS + octets)
        operations(protocol, samples)
    for name, octets in {"tls": "160301", "redis": "2a310d0a", "ssh": "5353482d"}.items():
        write("bytes_auto", name, CUTS + bytes.fromhex(octets))
    for protocol in ("http1", "http2"):
        for kind, name, octets in list(read(protocol))[:8]:
            write("bytes_auto", f"{protocol}-{name}", CUTS + octets)
    bodies()
    pairs()
    peer()


def bodies():
    """Writes what is inside of messages, and changes to make."""
    flags = [0xC2, 0x02, 0xC6, 0x06, 0xD6, 0x16, 0xD7, 0x17, 0x82, 0xE2, 0xC8]
    for kind, name, octets in read("dubbo"):
        if octets[2] in flags:
            frame = bytes([flags.index(octets[2]), octets[3]])
            write("bodies", f"dubbo-{kind}-{name}", b"\0" + CHANGES + frame + octets[16:])
    for kind, name, octets in read("motan2"):
        size = int.from_bytes(octets[13:17], "big")
        if octets[3] >> 3 == 1 and size < 256:
            frame = bytes([octets[2], octets[3] & 7, octets[4] >> 3, size])
            body = octets[17 : 17 + size] + octets[21 + size :]
            write("bodies", f"motan2-{kind}-{name}", b"\2" + CHANGES + frame + body)
    for kind, name, octets in read("thrift"):
        if "unframed" in name:
            write("bodies", f"thrift-{kind}-{name}", b"\3" + CHANGES + b"\0" + octets)
        elif "theader" in name:
            size = 4 * int.from_bytes(octets[12:14], "big")
            frame = bytes([2, size]) + octets[14:]
            write("bodies", f"thrift-{kind}-{name}", b"\3" + CHANGES + frame)
        else:
            write("bodies", f"thrift-{kind}-{name}", b"\3" + CHANGES + b"\1" + octets[4:])


def pairs():
    """Writes exchanges through two protocols, or two settings of one."""
    order = ["http1-http2", "http2-http1", "http1-http1", "http2-http2"]
    order += ["thrift-thrift", "dubbo-dubbo", "motan2-motan2"]
    for index, pair in enumerate(order):
        near, far = pair.split("-")
        requests = [(n, o) for k, n, o in read(near) if k == "request"]
        responses = [(n, o) for k, n, o in read(far) if k == "response"]
        for at, (name, request) in enumerate(requests[:10]):
            answer, response = responses[at % len(responses)]
            size = len(request).to_bytes(2, "big")
            head = bytes([index, 0, at % 8]) + size
            write("pairs", f"{pair}-{name}-{answer}", head + request + response)


def peer():
    """Writes calls between the crate `h2` and us."""
    calls = {
        "bare": [2, 1, 65, 0, 0, 0, 0, 0],
        "bodies": [2, 1, 65, 1, 9, 0, 1, 200, 0, 0],
        "trailers": [2, 1, 65, 5, 9, 0, 5, 30, 1, 1],
        "long": [2, 1, 65, 3, 2, 0, 0, 2, 3, 2, 0, 0, 2, 0],
        "long-word": [0, 0, 0, 0, 0, 0],
        "early": [10, 1, 65, 7, 2, 0, 0, 1, 7, 1, 0, 0, 3, 2],
        "slow": [50, 1, 65, 3, 2, 9, 9, 4, 3, 2, 8, 8, 4, 1],
        "client-resets": [2, 1, 65, 0x3B, 2, 0, 0, 1, 0, 0, 1, 0, 0, 0],
        "server-resets": [2, 1, 65, 0, 0, 0x3B, 2, 0, 0, 1, 0, 0, 1, 0],
    }
    windows = {"roomy": [3, 6, 2, 0, 0, 0], "tight": [0, 3, 0, 1, 1, 1], "none": [1, 1, 1, 2, 2, 2]}
    for role in (0, 1):
        for window, settings in windows.items():
            for name, call in calls.items():
                script = bytes([role, *settings, 1, *call, *call, 0, 0, 200, 40, 1, 7])
                who = ["server", "client"][role]
                write("h2_peer", f"{who}-{window}-{name}", script)


def operations(protocol, samples):
    """Writes an exchange in either role for each of a few samples."""
    prefix, target = b"", f"operations_{protocol}"
    if protocol in ("thrift", "dubbo", "motan2"):
        prefix = bytes([["thrift", "dubbo", "motan2"].index(protocol)])
        target = "operations_messages"
    requests = [s for s in samples if s[0] == "request"]
    responses = [s for s in samples if s[0] == "response"]
    for at, (_, name, _) in enumerate(requests[:6]):
        # Feed it, answer with a head, a body, trailers; consume; feed it again.
        script = bytes([0, 2, at, 5, 0, 0, 7, 0, 0, 0, 9, 1, 9, 0, 0, 13, 0, 2, at])
        write(target, f"{protocol}-{name}-answered", prefix + b"\0" + script)
        script = bytes([0, 2, at, 11, 0, 3, 15, 1, 15, 0])
        write(target, f"{protocol}-{name}-refused", prefix + b"\0" + script)
    for at, (_, name, _) in enumerate(responses[:6]):
        # Ask, send a body, feed the response, give up.
        script = bytes([5, 0, 0, 7, 0, 0, 0, 9, 1, 0, 2, at, 13, 5, 1, 0, 10, 0, 2])
        write(target, f"{protocol}-asked-{name}", prefix + b"\x80" + script)


def read(protocol):
    """Kind, name and octets of each sample."""
    for line in (HERE / "samples" / f"{protocol}.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        kind, name, text = line.split(" ", 2)
        yield kind, name, unescape(text) if protocol == "http1" else bytes.fromhex(text)


def unescape(text):
    """Octets of text in which `\\r`, `\\n` and `\\x00` stand for what they do elsewhere."""
    plain = {r"\r": "\r", r"\n": "\n"}
    escape = re.compile(r"\\[rn]|\\x[0-9a-f]{2}")
    octet = lambda found: plain.get(found[0]) or chr(int(found[0][2:], 16))
    return escape.sub(octet, text).encode("latin-1")


def write(target, name, octets):
    """Writes a seed."""
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(octets)


if __name__ == "__main__":
    main()
