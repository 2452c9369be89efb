"""Shows each gate what it must find, and what it must let pass."""

import unittest

import gates
import shape


def function(name, lines):
    """A Rust function of so many lines."""
    return f"fn {name}() {{\n" + "    step();\n" * (lines - 2) + "}\n"


def package(name, *dependencies):
    """A package as `cargo metadata` describes it."""
    return {"name": name, "dependencies": [{"name": d} for d in dependencies]}


def keys(sources):
    """Names of what is too large in `sources`."""
    return [excess.key for excess in shape.excesses(sources)]


class Purity(unittest.TestCase):
    def test_a_runtime_anywhere_in_the_tree_is_found(self):
        lines = ["sabir-core v0.1.0", "bytes v1.0.0", "tokio-util v0.7.0 (*)"]
        self.assertEqual(gates.purity({"sabir-core": lines}), ["sabir-core depends on tokio-util"])

    def test_a_tree_without_one_passes(self):
        self.assertEqual(gates.purity({"sabir-core": ["sabir-core v0.1.0", "bytes v1.0.0"]}), [])

    def test_a_tree_that_is_empty_or_of_another_crate_is_no_proof(self):
        self.assertEqual(len(gates.purity({"sabir-core": [], "sabir-router": ["bytes v1"]})), 2)


class Direction(unittest.TestCase):
    PURE = [package(name) for name in gates.PURE if name != "sabir-router"]

    def faults(self, router):
        return gates.direction({"packages": [*self.PURE, router]})

    def test_an_edge_between_siblings_is_found(self):
        router = package("sabir-router", "sabir-core", "sabir-codecs", "bytes")
        self.assertEqual(self.faults(router), ["sabir-router depends on sabir-codecs"])

    def test_the_edge_to_core_passes(self):
        self.assertEqual(self.faults(package("sabir-router", "sabir-core", "bytes")), [])

    def test_a_crate_that_nobody_placed_is_found(self):
        faults = ["sabir-router is missing", "sabir-x has no place in the direction of crates"]
        self.assertEqual(self.faults(package("sabir-x")), faults)


class Shape(unittest.TestCase):
    def test_functions_are_measured_from_signature_to_brace(self):
        text = function("fits", 60) + function("exceeds", 61)
        self.assertEqual(keys({"a/src/x.rs": text}), ["function a/src/x.rs exceeds"])

    def test_braces_in_literals_and_comments_do_not_count(self):
        text = 'fn exceeds() {\n  "}"; \'}\'; r#"}""}"#; b\'{\'; // }\n  /* } /* } */ } */\n'
        text += "  let x: &'a str = y;\n" * 60 + "}\n" + function("fits", 3)
        self.assertEqual(keys({"a/src/x.rs": text}), ["function a/src/x.rs exceeds"])

    def test_declarations_without_a_body_are_not_functions(self):
        text = "trait T {\n    fn declared(&self, a: [u8; 4]) -> [u8; 4];\n" + "\n" * 80 + "}\n"
        self.assertEqual(keys({"a/src/x.rs": text}), [])

    def test_inline_tests_count_apart(self):
        tests = "#[cfg(test)]\nmod tests {\n" + function("long", 100) + "}\n"
        self.assertEqual(keys({"a/src/x.rs": "\n" * 450 + tests}), [])
        tests = "#[cfg(test)]\nmod tests {\n" + "\n" * 150 + "}\n"
        self.assertEqual(keys({"a/src/x.rs": tests}), ["inline-tests a/src/x.rs"])

    def test_files_are_measured(self):
        sources = {"a/src/x.rs": "\n" * 501, "a/src/y.rs": "\n" * 500}
        self.assertEqual(keys(sources), ["file a/src/x.rs"])

    def test_test_files_are_left_out_however_they_are_marked(self):
        module = '#[cfg(test)]\n#[path = "odd.rs"]\nmod cases;\n#[cfg(test)]\nmod more;\n'
        tests = ["a/src/odd.rs", "a/src/x/more.rs", "a/tests/t.rs", "a/src/z_tests.rs"]
        sources = {path: "\n" * 501 for path in tests} | {"a/src/x.rs": module}
        self.assertEqual(keys(sources), [])

    def test_fields_are_counted_in_every_kind_of_struct(self):
        named = "".join(f"    /// A, b.\n    f{i}: Map<u8, [(u8, u8); 2]>,\n" for i in range(13))
        text = f"struct Named<T: Fn(u8) -> u8> where T: Send {{\n{named}}}\n"
        text += "struct Tuple(" + ", ".join(["fn(u8, u8) -> u8"] * 13) + ");\nstruct Unit;\n"
        text += "struct Fits {\n" + "".join(f"    f{i}: u8,\n" for i in range(12)) + "}\n"
        found = ["struct a/src/x.rs Named", "struct a/src/x.rs Tuple"]
        self.assertEqual(keys({"a/src/x.rs": text}), found)

    def test_the_list_of_justified_ones_is_short_of_nothing_and_never_stale(self):
        sources = {"a/src/x.rs": function("exceeds", 61)}
        key = "function a/src/x.rs exceeds"
        self.assertEqual(gates.shapes(sources, f"# why\n\n{key}: one table, read whole\n"), [])
        self.assertEqual(len(gates.shapes(sources, "")), 1)
        self.assertEqual(len(gates.shapes(sources, f"{key}\n")), 1)
        self.assertEqual(len(gates.shapes({}, f"{key}: one table, read whole\n")), 1)

    def test_generated_code_is_left_out(self):
        sources = {gates.GENERATED + "x.rs": "\n" * 501}
        self.assertEqual(gates.shapes(sources, ""), [])


class Words(unittest.TestCase):
    def test_every_word_that_does_not_belong_is_found(self):
        lines = [
            "see /wor" + "k/main/x",
            "see /hom" + "e/someone/x",
            "https://py" + "pi.org/simple",
            "http://10.0" + ".0.1:8081/x",
            "// TOD" + "O later",
            "tod" + "o!()",
            "#[allo" + "w(dead_code)]",
        ]
        for line in lines:
            self.assertEqual(len(gates.words({"a/src/x.rs": line + "\n"})), 1, line)

    def test_what_belongs_passes(self):
        text = "address: 10.1.0.11:20880\n#[expect(x, reason = \"y\")]\nframework/x\n"
        self.assertEqual(gates.words({"a/src/x.rs": text}), [])

    def test_locks_may_name_registries(self):
        self.assertEqual(gates.words({"x/go.sum": "proxy.golan" + "g.org\n"}), [])


class Documents(unittest.TestCase):
    def test_yaml_that_is_no_example_is_found(self):
        files = {"README.md": "a\n```yaml\nx: 1\n```\n", "examples/x.yaml": "x: 1\n"}
        self.assertEqual(gates.quotes(files), [])
        files["examples/x.yaml"] = "x: 2\n"
        self.assertEqual(gates.quotes(files), ["README.md: no example: x: 1"])

    def test_dead_links_are_found(self):
        text = "[a](../b/c.rs) [d](../b#top) [e](https://example.org/x) [f](#here) [g](h.md)"
        files = {"docs/x.md": text, "b/c.rs": ""}
        self.assertEqual(gates.links(files), ["docs/x.md: nothing at h.md"])


if __name__ == "__main__":
    unittest.main()
