"""Figures of the registry's metrics: runs the benchmarks and holds what they say to it."""

import collections.abc
import dataclasses
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile

import files
import registry

# Measurements of a metric whose first one is a regression. Odd, as the median of all of
# them is the figure.
MEASUREMENTS_OF_A_REGRESSION = 3


@dataclasses.dataclass(frozen=True)
class Output:
    """What a Google Benchmark program writes with --benchmark_out_format=json."""

    # Row -> counter -> value; "real_time" and "cpu_time", in the row's own unit, are
    # counters too.
    rows: dict[str, dict[str, float]]
    # What the kernels ran on.
    simd_target: str = "unknown"


# Runs rows of a benchmark, which is called as in the registry.
Runner = collections.abc.Callable[[str, list[str]], Output]


@dataclasses.dataclass(frozen=True)
class Checked:
    """A metric and its figure, the median of `measurements`."""

    metric: registry.Metric
    value: float
    measurements: int = 1

    @property
    def verdict(self) -> registry.Verdict:
        return self.metric.judge(self.value)

    def change(self) -> str:
        """How far the figure is from the baseline: "+12.0%"."""
        return f"{100 * (self.value / self.metric.baseline - 1):+.1f}%"


def _counters(row: dict[str, object]) -> dict[str, float]:
    name = files.get(row, "name", str)
    if row.get("error_occurred"):
        message = row.get("error_message", "")
        raise files.TrackingError(f'row "{name}" ended with an error: {message}')
    return {
        counter: float(value) for counter, value in row.items() if type(value) in (int, float)
    }


def parse_output(text: bytes) -> Output:
    """Reads a program's output. TrackingError if it is none, or if a row ended with an error."""
    document = files.parse_object(text)
    rows = document.get("benchmarks")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise files.TrackingError(
            "benchmarks: expected a list of objects, found none; give what a benchmark writes "
            "with --benchmark_out_format=json"
        )
    output = Output({files.get(row, "name", str): _counters(row) for row in rows})
    context = document.get("context", {})
    if "simd_target" not in context:
        return output
    return Output(output.rows, files.get(context, "simd_target", str))


def row_filter(rows: list[str]) -> str:
    """Returns the --benchmark_filter that matches these rows and no other: "^(BM_A/1|BM_B/2)$"."""
    return "^(" + "|".join(re.sub(r"[][.{}()*+?^$|\\]", r"\\\g<0>", row) for row in rows) + ")$"


def run_benchmark(program: str, rows: list[str]) -> Output:
    """Runs these rows of a program, which reports to standard error as it goes.

    TrackingError with the program if it is not there, ends with an error, or writes
    something else than a benchmark's output.
    """
    if not os.path.exists(program):
        raise files.TrackingError(
            f"there is no program {program}; build the target of that name"
        )
    with tempfile.NamedTemporaryFile(prefix="benchmark_") as out:
        words = [
            program,
            f"--benchmark_filter={row_filter(rows)}",
            f"--benchmark_out={out.name}",
            "--benchmark_out_format=json",
        ]
        try:
            status = subprocess.run(words, stdout=sys.stderr.fileno(), check=False).returncode
        except OSError as error:
            raise files.TrackingError(f"cannot start {program}: {error.strerror}") from None
        if status != 0:
            status = status if status > 0 else 128 - status
            raise files.TrackingError(f"{program} ended with status {status}")
        text = files.read_file(out.name)
    try:
        return parse_output(text)
    except files.TrackingError as error:
        raise files.TrackingError(f"{program}: {error}") from None


def _find(entries: dict, key: str, what: str):
    if key in entries:
        return entries[key]
    there = ", ".join(sorted(entries))
    raise files.TrackingError(f'there is no {what} "{key}"; there are: {there}')


def _figure(metric: registry.Metric, outputs: dict[str, Output]) -> float:
    rows = _find(outputs, metric.benchmark, "output of").rows
    value = _find(_find(rows, metric.row, "row"), metric.counter, "counter")
    if math.isfinite(value):
        return value
    raise files.TrackingError(f'counter "{metric.counter}" is {value}')


def check(metrics: list[registry.Metric], outputs: dict[str, Output]) -> list[Checked]:
    """Returns the metrics' figures, in their order.

    `outputs` are by benchmark. TrackingError with the metric, and with what there is
    instead if a benchmark, row or counter is missing, or if a figure is no number.
    """
    checked = []
    for metric in metrics:
        try:
            checked.append(Checked(metric, _figure(metric, outputs)))
        except files.TrackingError as error:
            raise files.TrackingError(f"metric {metric.name}: {error}") from None
    return checked


def _measure_once(metrics: list[registry.Metric], run: Runner) -> list[Checked]:
    """Runs each benchmark once, for all of its tracked rows."""
    rows: dict[str, list[str]] = {}
    for metric in metrics:
        wanted = rows.setdefault(metric.benchmark, [])
        if metric.row not in wanted:
            wanted.append(metric.row)
    return check(metrics, {name: run(name, rows[name]) for name in sorted(rows)})


def measure(metrics: list[registry.Metric], run: Runner) -> list[Checked]:
    """Returns the metrics' figures, in their order.

    Machines are noisy: a metric whose first figure is a regression is measured again,
    and the median is its figure. TrackingError as `run` and `check` raise it.
    """
    checked = _measure_once(metrics, run)
    worse = [i for i, c in enumerate(checked) if c.verdict == registry.Verdict.REGRESSION]
    if not worse:
        return checked
    figures = [[checked[i].value] for i in worse]
    for _ in range(1, MEASUREMENTS_OF_A_REGRESSION):
        again = _measure_once([checked[i].metric for i in worse], run)
        for values, c in zip(figures, again, strict=True):
            values.append(c.value)
    for i, values in zip(worse, figures, strict=True):
        checked[i] = Checked(checked[i].metric, statistics.median(values), len(values))
    return checked


def has_regression(checked: list[Checked]) -> bool:
    return any(c.verdict == registry.Verdict.REGRESSION for c in checked)


def table(checked: list[Checked]) -> str:
    """Returns a line for each metric, for a terminal."""
    lines = [f"{'metric':<44} {'figure':>10} {'baseline':>10} {'change':>8}  verdict\n"]
    for c in checked:
        metric = c.metric
        repeats = f"; median of {c.measurements}" if c.measurements > 1 else ""
        lines.append(
            f"{metric.name:<44} {c.value:>10.4g} {metric.baseline:>10.4g} {c.change():>8}  "
            f"{c.verdict} ({metric.unit}; {metric.owner}{repeats})\n"
        )
    return "".join(lines)
