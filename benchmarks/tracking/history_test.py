"""Tests of history."""

import json
import os
import pathlib
import tempfile
import unittest

import files
import history


def _sample(figure: float) -> history.Run:
    return history.Run(
        date="2026-01-02T03:04:05Z",
        revision="4f3a",
        machine=history.Machine(
            processor='A "fast" µ',
            num_processors=8,
            memory_bytes=1 << 40,
            distribution="Debian",
            kernel="Linux 6.1",
            simd_target="avx2",
        ),
        figures={"split/get_grads": 0.1, "gates/assign": figure},
        measurements={"gates/assign": 3},
    )


class HistoryTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = str(pathlib.Path(directory.name) / "history.jsonl")

    def test_gives_back_what_was_appended(self):
        self.assertEqual(history.read(self.path), [])
        history.append(self.path, _sample(1 / 3))
        history.append(self.path, _sample(2.0))
        self.assertEqual(history.read(self.path), [_sample(1 / 3), _sample(2.0)])

    def test_a_line_is_as_it_has_always_been(self):
        history.append(self.path, _sample(2.5))
        self.assertEqual(
            files.read_file(self.path).decode("utf-8"),
            '{"date":"2026-01-02T03:04:05Z","revision":"4f3a","machine":{'
            '"processor":"A \\"fast\\" µ","num_processors":8,"memory_bytes":1099511627776,'
            '"distribution":"Debian","kernel":"Linux 6.1","simd_target":"avx2"},'
            '"figures":{"gates/assign":2.5,"split/get_grads":0.1},'
            '"measurements":{"gates/assign":3}}\n',
        )

    def test_appends_after_a_line_without_an_end(self):
        history.append(self.path, _sample(1.0))
        os.truncate(self.path, os.path.getsize(self.path) - 1)
        history.append(self.path, _sample(2.0))
        self.assertEqual(history.read(self.path), [_sample(1.0), _sample(2.0)])

    def test_names_the_line_that_is_no_run(self):
        history.append(self.path, _sample(1.0))
        line = json.loads(files.read_file(self.path))
        cases = {
            "nonsense": "malformed JSON",
            "{}": 'there is no field "date"',
            '{"date": "x"}': 'there is no field "revision"',
            json.dumps(line | {"machine": 3}): 'there is no object "machine"',
            json.dumps(line | {"machine": {}}): 'there is no field "processor"',
            json.dumps(line | {"figures": {"a": "b"}}): 'a: expected a number, found "b"',
            json.dumps(line | {"figures": {"a": float("nan")}}): "expected a number",
            json.dumps(line | {"measurements": {"a": 1.5}}): "expected a whole number",
        }
        for text, message in cases.items():
            with self.subTest(text=text):
                files.write_file(self.path, f"\n{text}\n".encode())
                with self.assertRaisesRegex(
                    files.TrackingError, rf"history\.jsonl, line 2: .*{message}"
                ):
                    history.read(self.path)

    def test_names_the_file_that_it_cannot_append_to(self):
        history.append(self.path, _sample(1.0))
        with self.assertRaisesRegex(files.TrackingError, r"history\.jsonl/more"):
            history.append(f"{self.path}/more", _sample(1.0))

    def test_knows_this_machine(self):
        machine = history.this_machine("avx2")
        self.assertNotEqual(machine.processor, "")
        self.assertGreaterEqual(machine.num_processors, 1)
        self.assertGreater(machine.memory_bytes, 1 << 28)
        self.assertNotEqual(machine.distribution, "")
        self.assertNotIn('"', machine.distribution)
        self.assertIn(" ", machine.kernel)
        self.assertEqual(machine.simd_target, "avx2")


if __name__ == "__main__":
    unittest.main()
