"""Tests of registry."""

import dataclasses
import tempfile
import unittest

import files
import registry

_SAMPLE = """
[[metric]]
name = "split/get_grads-1"
benchmark = "split_benchmark"
row = "BM_A/1"
counter = "over_forward"
unit = "times a forward"
direction = "LOWER_IS_BETTER"
baseline = 2
threshold = 0.25
owner = "split"
"""


class RegistryTest(unittest.TestCase):
    def test_the_sample_is_valid(self):
        (metric,) = registry.parse_registry(_SAMPLE)
        self.assertEqual(metric.name, "split/get_grads-1")
        self.assertEqual(metric.row, "BM_A/1")
        self.assertEqual(metric.baseline, 2)

    def test_the_registry_of_the_project_is_valid(self):
        self.assertGreater(len(registry.read_registry("benchmarks/registry.toml")), 10)

    def test_names_the_metric_and_the_field_that_is_wrong(self):
        cases = [
            ('name = "split/get_grads-1"', "", r'metric 0 \(""\): name: expected letters.*, found ""'),
            ("split/get_grads-1", "a b", "name: expected letters.*, found a b"),
            ('benchmark = "split_benchmark"', "", 'benchmark: expected a text.*, found ""'),
            ("BM_A/1", "", 'row: expected a text.*, found ""'),
            ('"over_forward"', "3", "counter: expected a text.*, found 3"),
            ("times a forward", "", 'unit: expected a text.*, found ""'),
            ('owner = "split"', "", 'owner: expected a text.*, found ""'),
            ("LOWER_IS_", "", "direction: expected LOWER_IS_BETTER or HIGHER.*, found BETTER"),
            ("baseline = 2", "baseline = 0", "baseline: expected a number above 0.*, found 0"),
            ("baseline = 2", "baseline = nan", "baseline: expected a number above 0.*, found nan"),
            ("baseline = 2", "baseline = true", "baseline: expected a number above 0.*, found True"),
            ("baseline = 2", "", 'baseline: expected a number above 0.*, found ""'),
            ("0.25", "0", "threshold: expected a number above 0 and below 1.*, found 0"),
            ("0.25", "1.0", "threshold: expected a number above 0 and below 1.*, found 1.0"),
            ("owner", "room", 'metric 0 .*: a metric has no field "room"'),
        ]
        for old, new, message in cases:
            with self.subTest(message=message):
                self.assertIn(old, _SAMPLE)
                with self.assertRaisesRegex(files.TrackingError, message):
                    registry.parse_registry(_SAMPLE.replace(old, new))

    def test_refuses_a_name_that_stands_twice(self):
        message = 'metric 1: "split/get_grads-1" stands twice'
        with self.assertRaisesRegex(files.TrackingError, message):
            registry.parse_registry(_SAMPLE + _SAMPLE)

    def test_refuses_what_is_no_registry(self):
        cases = {
            b"metric {\n}\n": r"registry\.toml: .*line 1",
            b"\xff": r"registry\.toml: .*utf-8",
            b"metric = 3\n": r"registry\.toml: metric is no list of tables",
            b"[metrics]\n": r'registry\.toml: a registry has no field "metrics"',
        }
        for data, message in cases.items():
            with self.subTest(data=data), tempfile.TemporaryDirectory() as directory:
                path = f"{directory}/registry.toml"
                files.write_file(path, data)
                with self.assertRaisesRegex(files.TrackingError, message):
                    registry.read_registry(path)

    def test_names_a_registry_that_is_not_there(self):
        with self.assertRaisesRegex(files.TrackingError, "^no/such: No such file"):
            registry.read_registry("no/such")

    def test_worst_allowed_is_on_the_worse_side(self):
        (metric,) = registry.parse_registry(_SAMPLE)
        self.assertEqual(metric.worst_allowed(), 2.5)
        metric = dataclasses.replace(metric, direction=registry.HIGHER)
        self.assertEqual(metric.worst_allowed(), 1.5)

    def test_judges_by_direction_and_threshold(self):
        (lower,) = registry.parse_registry(_SAMPLE)
        higher = dataclasses.replace(lower, direction=registry.HIGHER)
        verdict = registry.Verdict
        self.assertEqual(lower.judge(2.5), verdict.AS_BEFORE)
        self.assertEqual(lower.judge(2.51), verdict.REGRESSION)
        self.assertEqual(lower.judge(1.5), verdict.AS_BEFORE)
        self.assertEqual(lower.judge(1.49), verdict.BETTER)
        self.assertEqual(higher.judge(1.5), verdict.AS_BEFORE)
        self.assertEqual(higher.judge(1.49), verdict.REGRESSION)
        self.assertEqual(higher.judge(2.5), verdict.AS_BEFORE)
        self.assertEqual(higher.judge(2.51), verdict.BETTER)


if __name__ == "__main__":
    unittest.main()
