"""Sizes of functions, files, inline tests and structs in Rust sources.

A lexer blanks comments and literals, keeping every offset, so that braces can be matched and
commas counted; no more of the language is understood than that.
"""

import posixpath
import re
from dataclasses import dataclass

FUNCTION_LINES = 60
FILE_LINES = 500
INLINE_TEST_LINES = 150
STRUCT_FIELDS = 12

OPENING = re.compile(
    r"""//[^\n]*
      | (?P<block>/\*)
      | (?<!\w)(?:b|c)?r(?P<hashes>\#*)"
      | "(?:\\.|[^"\\])*"
      | '(?:\\(?:x[0-9a-fA-F]{2}|u\{[^}]*\}|.)|[^\\'\n])'
    """,
    re.VERBOSE | re.DOTALL,
)
TEST_MODULE = re.compile(
    r"#\[cfg\((?:test|all\(test\b[^\]]*\))\)\]"
    r"(?P<attributes>(?:\s*#\[[^\]]*\])*)"
    r"\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+(?P<name>\w+)\s*(?P<open>[;{])"
)
PATH_ATTRIBUTE = re.compile(r'#\[path\s*=\s*"([^"]+)"\]')
FUNCTION = re.compile(r"\bfn\s+(\w+)")
STRUCT = re.compile(r"\bstruct\s+(\w+)")
CLOSING = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, order=True)
class Excess:
    """Something larger than it may be. `key` is how the list of justified ones names it."""

    key: str
    size: int
    limit: int

    def __str__(self):
        return f"{self.key}: {self.size} > {self.limit}"


def excesses(sources):
    """Lists what is too large in `sources`, a mapping of path to text."""
    masked = {path: mask(text) for path, text in sources.items()}
    tests = {
        file
        for path, text in sources.items()
        for file in test_files(path, text, masked[path])
    }
    found = []
    for path, text in masked.items():
        if path not in tests and not is_test(path):
            found.extend(in_file(path, text))
    return sorted(found)


def in_file(path, masked):
    """Lists what is too large in one file of which `masked` is the text without literals."""
    rest, inline = without_tests(masked)
    lines = rest.count("\n")
    if lines > FILE_LINES:
        yield Excess(f"file {path}", lines, FILE_LINES)
    if inline > INLINE_TEST_LINES:
        yield Excess(f"inline-tests {path}", inline, INLINE_TEST_LINES)
    for name, lines in functions(rest):
        if lines > FUNCTION_LINES:
            yield Excess(f"function {path} {name}", lines, FUNCTION_LINES)
    for name, fields in structs(rest):
        if fields > STRUCT_FIELDS:
            yield Excess(f"struct {path} {name}", fields, STRUCT_FIELDS)


def is_test(path):
    """Whether a path alone says that the file is a test or a benchmark."""
    parts = path.split("/")
    name = parts[-1]
    return (
        "tests" in parts[:-1]
        or "benches" in parts[:-1]
        or name == "tests.rs"
        or name.endswith("_tests.rs")
    )


def test_files(path, text, masked):
    """Files that `path` includes for tests only."""
    folder, name = posixpath.split(path)
    stem = posixpath.splitext(name)[0]
    own = folder if stem in ("lib", "main", "mod") else posixpath.join(folder, stem)
    for module in TEST_MODULE.finditer(masked):
        if module["open"] != ";":
            continue
        given = PATH_ATTRIBUTE.search(text[module.start("attributes") : module.end("attributes")])
        if given:
            yield posixpath.normpath(posixpath.join(folder, given[1]))
            continue
        yield posixpath.join(own, module["name"] + ".rs")
        yield posixpath.join(own, module["name"], "mod.rs")


def mask(text):
    """Blanks comments and literals but for line ends."""
    out, at = [], 0
    while found := OPENING.search(text, at):
        end = literal_end(text, found)
        out.append(text[at : found.start()])
        out.append(re.sub(r"[^\n]", " ", text[found.start() : end]))
        at = end
    out.append(text[at:])
    return "".join(out)


def literal_end(text, opening):
    """Offset past the comment or literal that `opening` starts."""
    if opening["block"]:
        return block_end(text, opening.end())
    if opening["hashes"] is None:
        return opening.end()
    close = '"' + opening["hashes"]
    end = text.find(close, opening.end())
    return len(text) if end < 0 else end + len(close)


def block_end(text, at):
    """Offset past the block comment whose inside starts at `at`; such comments nest."""
    depth = 1
    for edge in re.compile(r"/\*|\*/").finditer(text, at):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(text)


def without_tests(masked):
    """Text without its test modules, and the number of lines these have."""
    out, at, inline = [], 0, 0
    for module in TEST_MODULE.finditer(masked):
        if module["open"] == ";" or module.start() < at:
            continue
        end = group_end(masked, module.end() - 1)
        out.append(masked[at : module.start()])
        inline += masked.count("\n", module.start(), end) + 1
        at = end
    out.append(masked[at:])
    return "".join(out), inline


def functions(masked):
    """Name and number of lines of each function with a body."""
    for found in FUNCTION.finditer(masked):
        body = first_outside_groups(masked, found.end(), "{;")
        if body is not None and masked[body] == "{":
            end = group_end(masked, body)
            yield found[1], masked.count("\n", found.start(), end) + 1


def structs(masked):
    """Name and number of fields of each struct."""
    for found in STRUCT.finditer(masked):
        at = generics_end(masked, found.end())
        opening = re.compile(r"\s*(\(|(?:where\b)?)").match(masked, at)
        start = opening.end() - 1 if opening[1] == "(" else first_outside_groups(masked, at, "{;")
        if start is not None and masked[start] != ";":
            yield found[1], fields(masked[start + 1 : group_end(masked, start) - 1])


def fields(inside):
    """Number of fields between the delimiters of a struct."""
    depth, count, pending = 0, 0, False
    for before, char in zip(" " + inside, inside):
        if char in "([{<":
            depth += 1
        elif char in ")]}" or (char == ">" and before not in "-="):
            depth -= 1
        if char == "," and depth == 0:
            count, pending = count + pending, False
        elif not char.isspace():
            pending = True
    return count + pending


def generics_end(masked, at):
    """Offset past the generic parameters at `at`, if there are any."""
    depth = 0
    for i in range(at, len(masked)):
        if masked[i] == "<":
            depth += 1
        elif masked[i] == ">" and masked[i - 1] not in "-=":
            depth -= 1
        if depth == 0:
            return i + 1 if i > at else i
    return len(masked)


def first_outside_groups(masked, at, wanted):
    """Offset of the first of `wanted` from `at` on that no parentheses or brackets enclose."""
    depth = 0
    for i in range(at, len(masked)):
        if depth == 0 and masked[i] in wanted:
            return i
        depth += (masked[i] in "([") - (masked[i] in ")]")
    return None


def group_end(masked, opening):
    """Offset past what closes the delimiter at `opening`; the end of the text if nothing does."""
    stack = []
    for i in range(opening, len(masked)):
        if masked[i] in CLOSING:
            stack.append(CLOSING[masked[i]])
        elif stack and masked[i] == stack[-1]:
            stack.pop()
            if not stack:
                return i + 1
    return len(masked)
