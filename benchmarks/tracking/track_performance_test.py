"""Tests of track_performance; track_performance_test.sh runs it from end to end."""

import contextlib
import io
import unittest
from unittest import mock

import track_performance


class TrackPerformanceTest(unittest.TestCase):
    def test_takes_flags_in_both_ways(self):
        self.assertEqual(
            track_performance.parse_flags(["--only", "a", "--history=b=c"]),
            {"only": "a", "history": "b=c"},
        )

    def test_a_fault_of_the_tool_is_no_regression(self):
        cases = [(ValueError("a fault"), 2), (OSError("no room"), 2), (KeyboardInterrupt(), 130)]
        for error, status in cases:
            with self.subTest(error=error), contextlib.redirect_stderr(io.StringIO()) as printed:
                with mock.patch.object(track_performance, "_run", side_effect=error):
                    self.assertEqual(track_performance.main([]), status)
                self.assertIn(str(error), printed.getvalue())


if __name__ == "__main__":
    unittest.main()
