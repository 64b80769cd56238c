#!/usr/bin/env python3
"""Tests which functions check_dead_code.py finds."""

import pathlib
import unittest

from check_dead_code import findings, ships


def dead(**sources: str) -> list[str]:
    """The functions that are found in `moe/a/NAME` with `_h` or `_cc` for the suffix."""
    texts = {
        pathlib.Path("moe/a", ".".join(name.rsplit("_", 1))): text
        for name, text in sources.items()
    }
    return sorted(line.split(" call ")[1].split(";")[0] for line in findings(texts))


class DeadCodeTest(unittest.TestCase):
    def test_definitions_and_comments_are_no_calls(self):
        self.assertEqual(
            dead(
                a_h="namespace moe {\nint Used(int x);\nint Dead(int x);\n}",
                a_cc='#include "Dead.h"\nnamespace moe {\n'
                "int Used(int x) { return x; }\n"
                'int Dead(int x) { return Used(x) + sizeof("Dead(1)"); }  // Dead(1)\n}',
            ),
            ["Dead"],
        )

    def test_methods(self):
        self.assertEqual(
            dead(
                a_h="class A : public B {\n public:\n  A(int x);\n  ~A();\n"
                "  int size() const { return size_; }\n"
                "  int peak() const;\n  void sync() override;\n"
                " private:\n  int size_ = 0;\n};\nint Use(const A& a);",
                a_cc="int A::peak() const { return 0; }\n"
                "int Use(const A& a) { return a.size(); }\n"
                "int main() { return Use(A(1)); }",
            ),
            ["peak"],
        )

    def test_a_function_of_the_file_hides_the_one_of_its_name(self):
        header = "namespace moe {\nvoid Silu();\nvoid Swish();\n}"
        source = (
            "namespace moe {\nnamespace scalar {\nvoid Silu() {}\n"
            "void Row() { Silu(); }\n}\nvoid Silu() { %s }\nvoid Swish() { scalar::Row(); }\n"
            "int main() { Swish(); }\n}"
        )
        self.assertEqual(dead(a_h=header, a_cc=source % ""), ["Silu"])
        self.assertEqual(dead(a_h=header, a_cc=source % "moe::Silu();"), [])

    def test_a_namespace_may_be_opened_in_parts(self):
        self.assertEqual(
            dead(
                a_h="namespace moe {\nnamespace internal {\nint Used();\n}\n}",
                a_cc="namespace moe::internal {\nint Used() { return 1; }\n"
                "int main() { return Used(); }\n}",
            ),
            [],
        )

    def test_templates_and_macros(self):
        self.assertEqual(
            dead(
                a_h="#define CALL(x) Called(x)\ntemplate <typename T = int>\n"
                "std::vector<T> Called(T x);\ntemplate <typename T>\n"
                "std::vector<std::pair<T, int>> Dead(T x) { return {}; }",
            ),
            ["Dead"],
        )

    def test_tests_do_not_ship(self):
        for path in ("moe/a/b_test.cc", "moe/a/testing/b.h", "benchmarks/b.cc", "moe/a/b.py"):
            self.assertFalse(ships(pathlib.Path(path)), path)
        self.assertTrue(ships(pathlib.Path("tools/b.cc")))


if __name__ == "__main__":
    unittest.main()
