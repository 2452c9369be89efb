"""Shows the comparison of instruction counts what it must find, and what it must let pass."""

import contextlib
import io
import tomllib
import unittest

import instructions

HERE = "rustc 1.2.3, x86_64, glibc 4.5"


def status(committed, counts, toolchain=HERE):
    """What a comparison ends with, and what it says."""
    table = {"toolchain": toolchain, "instructions": committed}
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        result = instructions.report(table, HERE, counts, "")
    return result, said.getvalue()


class Comparison(unittest.TestCase):
    def test_a_rise_beyond_the_limit_fails(self):
        self.assertEqual(status({"a": 1000}, {"a": 1050})[0], 0)
        result, said = status({"a": 1000, "b": 5}, {"a": 1051, "b": 5})
        self.assertEqual(result, 1)
        self.assertIn("a: ROSE", said)

    def test_a_few_instructions_more_are_no_rise(self):
        self.assertEqual(status({"a": 20}, {"a": 30})[0], 0)
        self.assertEqual(status({"a": 20}, {"a": 31})[0], 1)

    def test_a_fall_is_told_and_passes(self):
        result, said = status({"a": 1000}, {"a": 900})
        self.assertEqual(result, 0)
        self.assertIn("1 fell", said)

    def test_what_one_side_lacks_fails(self):
        self.assertEqual(status({"a": 1}, {"a": 1, "b": 1})[0], 1)
        self.assertEqual(status({"a": 1, "b": 1}, {"a": 1})[0], 1)

    def test_another_toolchain_is_not_judged(self):
        result, said = status({"a": 1000}, {"a": 2000}, "rustc 1.2.4")
        self.assertEqual(result, 0)
        self.assertIn("not judged", said)


class Counting(unittest.TestCase):
    def test_what_it_takes_to_start_does_not_count(self):
        names = "100 dubbo, untouched\n1000 route, 7 routes\n"
        # Preparation, a run, twice that run; what is left over at the end.
        totals = [90_000, 5_050, 10_050, 777_000, 20_007, 40_007, 3]
        counts = instructions.per_message(names, totals)
        self.assertEqual(counts, {"dubbo, untouched": 50, "route, 7 routes": 20})

    def test_a_count_too_few_is_told(self):
        with self.assertRaises(SystemExit):
            instructions.per_message("100 dubbo\n", [1, 2, 3])

    def test_a_table_reads_back(self):
        text = instructions.written(HERE, {"b \"x\"": 2, "a": 1})
        table = {"toolchain": HERE, "instructions": {"a": 1, "b \"x\"": 2}}
        self.assertEqual(tomllib.loads(text), table)


if __name__ == "__main__":
    unittest.main()
