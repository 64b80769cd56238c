"""Tests of measure."""

import json
import math
import pathlib
import tempfile
import unittest

import files
import measure
import registry


def _metric(name: str, baseline: float = 1, threshold: float = 0.5) -> registry.Metric:
    return registry.Metric(
        name=name,
        benchmark="a_benchmark",
        row=f"BM/{name}",
        counter="ratio",
        unit="times",
        direction=registry.LOWER,
        baseline=baseline,
        threshold=threshold,
        owner="gates",
    )


class OutputTest(unittest.TestCase):
    def test_takes_the_numbers_of_every_row(self):
        output = measure.parse_output(b"""{
            "context": {"num_cpus": 2},
            "benchmarks": [
              {"name": "BM_A/1", "run_type": "iteration", "iterations": 3,
               "real_time": 2.5, "time_unit": "ms", "over_forward": 2.66},
              {"name": "BM_B", "cpu_time": 1, "ratio": NaN}]}""")
        ratio = output.rows["BM_B"].pop("ratio")
        self.assertTrue(math.isnan(ratio))
        row = {"iterations": 3, "real_time": 2.5, "over_forward": 2.66}
        self.assertEqual(output.rows, {"BM_A/1": row, "BM_B": {"cpu_time": 1}})
        self.assertEqual(output.simd_target, "unknown")

    def test_takes_the_simd_target_of_the_context(self):
        output = measure.parse_output(b'{"context": {"simd_target": "avx2"}, "benchmarks": []}')
        self.assertEqual(output.simd_target, "avx2")

    def test_refuses_what_is_none(self):
        row = {"name": "BM_A", "error_occurred": True, "error_message": "no room"}
        cases = {
            "": "malformed JSON",
            "{}": 'benchmarks: expected a list',
            '{"benchmarks": [3]}': 'benchmarks: expected a list',
            '{"benchmarks": [{"real_time": 1}]}': 'there is no field "name"',
            json.dumps({"benchmarks": [row]}): 'row "BM_A" ended with an error: no room',
        }
        for text, message in cases.items():
            with self.subTest(text=text):
                with self.assertRaisesRegex(files.TrackingError, message):
                    measure.parse_output(text.encode())


class RunBenchmarkTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.program = pathlib.Path(directory.name) / "program"

    def _run(self, body: str, mode: int = 0o700) -> measure.Output:
        """Runs a shell script in the place of a benchmark."""
        self.program.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        self.program.chmod(mode)
        return measure.run_benchmark(str(self.program), ["BM_A"])

    def test_the_filter_matches_these_rows_and_no_other(self):
        self.assertEqual(
            measure.row_filter(["BM_A/1", "BM_B<2>(x)/f:0.5", "[a]\\"]),
            r"^(BM_A/1|BM_B<2>\(x\)/f:0\.5|\[a\]\\)$",
        )

    def test_reads_what_the_program_writes(self):
        output = self._run("""
            for word; do case "${word}" in
              --benchmark_out=*) out="${word#*=}" ;;
              --benchmark_filter=*) filter="${word#*=}" ;;
            esac; done
            printf '{"benchmarks": [{"name": "%s", "ratio": 1.5}]}' "${filter}" >"${out}"
        """)
        self.assertEqual(output.rows, {"^(BM_A)$": {"ratio": 1.5}})

    def test_says_which_program_failed_and_how(self):
        cases = {
            "exit 3": "program ended with status 3",
            "kill -9 $$": "program ended with status 137",
            "exit 0": "program: malformed JSON",
        }
        for body, message in cases.items():
            with self.subTest(body=body):
                with self.assertRaisesRegex(files.TrackingError, message):
                    self._run(body)

    def test_says_which_program_it_cannot_start(self):
        with self.assertRaisesRegex(files.TrackingError, "there is no program .*; build"):
            measure.run_benchmark(str(self.program), ["BM_A"])
        with self.assertRaisesRegex(files.TrackingError, "cannot start .*program: Permission"):
            self._run("exit 0", mode=0o600)


class CheckTest(unittest.TestCase):
    def test_says_what_is_missing(self):
        cases = [
            ({}, 'metric a: there is no output of "a_benchmark"'),
            ({"BM/c": {}, "BM/b": {}}, 'metric a: .*row "BM/a"; there are: BM/b, BM/c'),
            ({"BM/a": {"seconds": 1}}, 'metric a: .*counter "ratio"; there are: seconds'),
            ({"BM/a": {"ratio": math.nan}}, 'metric a: counter "ratio" is nan'),
        ]
        for rows, message in cases:
            outputs = {"a_benchmark": measure.Output(rows)} if rows else {}
            with self.subTest(message=message):
                with self.assertRaisesRegex(files.TrackingError, message):
                    measure.check([_metric("a")], outputs)

    def test_prints_a_line_for_every_metric(self):
        metric = _metric("a", baseline=2, threshold=0.25)
        checked = [measure.Checked(metric, 3.0), measure.Checked(metric, 1.125, 3)]
        self.assertTrue(measure.has_regression(checked))
        self.assertFalse(measure.has_regression(checked[1:]))
        self.assertEqual(checked[0].change(), "+50.0%")
        self.assertEqual(
            measure.table(checked).split("\n"),
            [
                f"{'metric':44}     figure   baseline   change  verdict",
                f"{'a':44}          3          2   +50.0%  regression (times; gates)",
                f"{'a':44}      1.125          2   -43.8%  better (times; gates; median of 3)",
                "",
            ],
        )


class _FakeBenchmark:
    """Gives each row its figures, one for each time that it runs."""

    def __init__(self, figures: dict[str, list[float]]):
        self._figures = {row: iter(values) for row, values in figures.items()}
        self.runs: list[list[str]] = []

    def run(self, benchmark: str, rows: list[str]) -> measure.Output:
        assert benchmark == "a_benchmark"
        self.runs.append(rows)
        return measure.Output({row: {"ratio": next(self._figures[row])} for row in rows})


class MeasureTest(unittest.TestCase):
    def test_runs_a_benchmark_once_where_all_is_well(self):
        benchmark = _FakeBenchmark({"BM/a": [1.2], "BM/b": [0.1]})
        checked = measure.measure([_metric("a"), _metric("b"), _metric("a")], benchmark.run)
        self.assertEqual(benchmark.runs, [["BM/a", "BM/b"]])
        self.assertEqual([c.value for c in checked], [1.2, 0.1, 1.2])
        self.assertEqual(checked[0].measurements, 1)
        self.assertEqual(checked[1].verdict, registry.Verdict.BETTER)

    def test_measures_again_what_has_become_worse(self):
        benchmark = _FakeBenchmark(
            {"BM/noise": [9, 1.25, 1.5], "BM/good": [1], "BM/worse": [1.6, 0.5, 2]}
        )
        metrics = [_metric("noise"), _metric("good"), _metric("worse")]
        checked = measure.measure(metrics, benchmark.run)
        again = ["BM/noise", "BM/worse"]
        self.assertEqual(benchmark.runs, [["BM/noise", "BM/good", "BM/worse"], again, again])
        self.assertEqual([c.metric for c in checked], metrics)
        self.assertEqual([c.value for c in checked], [1.5, 1, 1.6])
        self.assertEqual([c.measurements for c in checked], [3, 1, 3])
        self.assertEqual(checked[0].verdict, registry.Verdict.AS_BEFORE)
        self.assertEqual(checked[2].verdict, registry.Verdict.REGRESSION)

    def test_errors_are_those_of_the_benchmark(self):
        def broken(benchmark: str, rows: list[str]) -> measure.Output:
            raise files.TrackingError(f"{benchmark} fell over")

        with self.assertRaisesRegex(files.TrackingError, "a_benchmark fell over"):
            measure.measure([_metric("a")], broken)
        with self.assertRaisesRegex(files.TrackingError, "metric a: "):
            measure.measure([_metric("a")], lambda benchmark, rows: measure.Output({}))


if __name__ == "__main__":
    unittest.main()
