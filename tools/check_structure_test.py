#!/usr/bin/env python3
"""Tests what check_structure.py finds."""

import os
import pathlib
import tempfile
import unittest

from check_structure import findings


def found_in(path: str, text: str) -> list[str]:
    """The findings in one file, beside which there is a test."""
    here = pathlib.Path.cwd()
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        try:
            file = pathlib.Path(path)
            file.parent.mkdir(parents=True)
            file.write_text(text, encoding="utf-8")
            return findings([file, file.with_name(file.stem + "_test.cc")])
        finally:
            os.chdir(here)


class StructureTest(unittest.TestCase):
    def test_a_room_declares_in_its_own_namespace(self):
        for namespace in ("moe::text", "moe::text::testing", ""):
            with self.subTest(namespace):
                text = f"namespace {namespace} {{\n".replace("  ", " ")
                self.assertEqual(found_in("moe/text/jinja/a.cc", text), [])
        for namespace in ("moe", "moe::base", "moe::textual"):
            with self.subTest(namespace):
                self.assertEqual(
                    found_in("moe/text/a.cc", f"\nnamespace {namespace} {{\n"),
                    [
                        "moe/text/a.cc:2: expected namespace moe::text, "
                        f"found {namespace}"
                    ],
                )

    def test_other_folders_may_use_any_namespace(self):
        self.assertEqual(found_in("tools/cli/a.cc", "namespace moe::cli {\n"), [])

    def test_a_source_has_at_most_600_lines(self):
        self.assertEqual(found_in("moe/text/a.cc", "\n" * 600), [])
        self.assertEqual(
            found_in("moe/text/a.cc", "\n" * 601),
            ["moe/text/a.cc: 601 lines, more than 600"],
        )


if __name__ == "__main__":
    unittest.main()
