"""Tests of files."""

import os
import pathlib
import stat
import tempfile
import unittest

import files


class FilesTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def test_writes_over_a_file_and_leaves_nothing_beside_it(self):
        path = self.directory / "new" / "file"
        files.write_file(str(path), b"old")
        files.write_file(str(path), b"new")
        self.assertEqual(files.read_file(str(path)), b"new")
        self.assertEqual(os.listdir(path.parent), ["file"])
        mask = os.umask(0)
        os.umask(mask)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o666 & ~mask)

    def test_follows_a_symbolic_link(self):
        link = self.directory / "link"
        link.symlink_to("target")
        files.write_file(str(link), b"data")
        self.assertTrue(link.is_symlink())
        self.assertEqual((self.directory / "target").read_bytes(), b"data")

    def test_names_what_it_cannot_read_or_write(self):
        (self.directory / "file").write_bytes(b"as before")
        inside = str(self.directory / "file" / "inside")
        with self.assertRaisesRegex(files.TrackingError, "file/inside: cannot write"):
            files.write_file(inside, b"data")
        with self.assertRaisesRegex(files.TrackingError, "file/inside: Not a directory"):
            files.read_file(inside)
        with self.assertRaisesRegex(files.TrackingError, "expected a file, found"):
            files.write_file(str(self.directory), b"data")
        self.assertEqual((self.directory / "file").read_bytes(), b"as before")

    def test_takes_a_json_object_and_nothing_else(self):
        self.assertEqual(files.parse_object('{"a": ["ü", 1.5]}'.encode()), {"a": ["ü", 1.5]})
        cases = {
            b"": "malformed JSON: ",
            b"nonsense": "malformed JSON: ",
            b'{"a": "\xff"}': "malformed JSON: ",
            b'{"a": "\\ud800"}': "malformed JSON: ",
            b"{} {}": "malformed JSON: ",
            b"[" * 100000: "malformed JSON: ",
            b'{"a": 1, "a": 2}': 'the field "a" occurs twice',
            b"[]": "expected a JSON object, found a JSON array",
            b"1": "expected a JSON object, found a JSON number",
            b"null": "expected a JSON object, found a JSON null",
        }
        for text, message in cases.items():
            with self.subTest(text=text[:20]):
                with self.assertRaisesRegex(files.TrackingError, message):
                    files.parse_object(text)

    def test_names_the_field_of_another_type(self):
        fields = {"text": "a" * 100, "yes": True, "many": 2**63, "half": 0.5, "nothing": None}
        fields |= {"nan": float("nan"), "large": 10**400, "whole": 2**63 - 1}
        self.assertEqual(files.get(fields, "whole", int), 2**63 - 1)
        self.assertEqual(files.get(fields, "whole", float), 2**63 - 1)
        cases = [
            ("text", float, 'text: expected a number, found "aaa.*\\.\\.\\.'),
            ("yes", int, "yes: expected a whole number, found true"),
            ("yes", float, "yes: expected a number, found true"),
            ("many", int, "expected a whole number"),
            ("half", int, "half: expected a whole number, found 0.5"),
            ("half", str, "half: expected a string, found 0.5"),
            ("nan", float, "expected a number"),
            ("large", float, "expected a number"),
            ("nothing", str, 'there is no field "nothing"'),
            ("absent", str, 'there is no field "absent"'),
        ]
        for name, kind, message in cases:
            with self.subTest(name=name, kind=kind):
                with self.assertRaisesRegex(files.TrackingError, message):
                    files.get(fields, name, kind)


if __name__ == "__main__":
    unittest.main()
