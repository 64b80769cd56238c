"""The registry: which figures of the benchmarks are tracked, and what they are held to.

A TOML file of tables [[metric]], whose fields are those of Metric.
"""

import collections.abc
import dataclasses
import enum
import re
import tomllib
import typing

import files

LOWER = "LOWER_IS_BETTER"
HIGHER = "HIGHER_IS_BETTER"


class Verdict(enum.StrEnum):
    """What a figure is beside its baseline."""

    AS_BEFORE = "as before"
    BETTER = "better"  # By more than the threshold: the baseline can be moved.
    REGRESSION = "regression"


def _rule(is_allowed: collections.abc.Callable[[typing.Any], bool], allowed: str) -> typing.Any:
    return dataclasses.field(metadata={"is_allowed": is_allowed, "allowed": allowed})


def _text() -> typing.Any:
    return _rule(lambda value: isinstance(value, str) and value != "", "a text")


@dataclasses.dataclass(frozen=True)
class Metric:
    """A figure that is tracked."""

    # Its name in histories and reports: "split/get_grads".
    name: str = _rule(
        lambda value: isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_/-]+", value),
        'letters, digits, "_", "/" and "-"',
    )
    # The program of benchmarks/, and the row and the counter that it reports. The row
    # is what Google Benchmark calls it, "BM_Split/residual:0/threads:1/real_time".
    benchmark: str = _text()
    row: str = _text()
    counter: str = _text()
    # "times a forward".
    unit: str = _text()
    direction: str = _rule(lambda value: value in (LOWER, HIGHER), f"{LOWER} or {HIGHER}")
    # The figure that others are held to.
    baseline: float = _rule(
        lambda value: files.is_a(value, float) and value > 0, "a number above 0"
    )
    # The share of the baseline that a figure may be worse before it is a regression.
    threshold: float = _rule(
        lambda value: files.is_a(value, float) and 0 < value < 1,
        "a number above 0 and below 1",
    )
    # The room of moe/ that answers for it.
    owner: str = _text()

    def worst_allowed(self) -> float:
        """The worst figure that is no regression: baseline (1 + threshold), or (1 - threshold)."""
        sign = 1 if self.direction == LOWER else -1
        return self.baseline * (1 + sign * self.threshold)

    def judge(self, figure: float) -> Verdict:
        """Holds a figure to the baseline."""
        worst = self.worst_allowed()
        best = 2 * self.baseline - worst
        lower = self.direction == LOWER
        if figure > worst if lower else figure < worst:
            return Verdict.REGRESSION
        is_better = figure < best if lower else figure > best
        return Verdict.BETTER if is_better else Verdict.AS_BEFORE


def _metric(table: dict[str, typing.Any]) -> Metric:
    fields = dataclasses.fields(Metric)
    known = {field.name for field in fields}
    for name in table:
        if name not in known:
            raise files.TrackingError(f'a metric has no field "{name}"')
    for field in fields:
        value = table.get(field.name, "")
        if not field.metadata["is_allowed"](value):
            shown = '""' if value == "" else value
            raise files.TrackingError(
                f"{field.name}: expected {field.metadata['allowed']}, found {shown}"
            )
    return Metric(**table)


def parse_registry(text: str) -> list[Metric]:
    """Returns the metrics in their order. TrackingError with the metric and the field."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise files.TrackingError(str(error)) from None
    tables = document.pop("metric", [])
    if document:
        raise files.TrackingError(f'a registry has no field "{next(iter(document))}"')
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise files.TrackingError("metric is no list of tables; write [[metric]]")
    metrics: dict[str, Metric] = {}
    for number, table in enumerate(tables):
        name = str(table.get("name", ""))
        if name in metrics:
            raise files.TrackingError(f'metric {number}: "{name}" stands twice')
        try:
            metrics[name] = _metric(table)
        except files.TrackingError as error:
            raise files.TrackingError(f'metric {number} ("{name}"): {error}') from None
    return list(metrics.values())


def read_registry(path: str) -> list[Metric]:
    """Returns the metrics of a file. TrackingError with path, metric and field."""
    text = files.read_file(path)
    try:
        return parse_registry(text.decode("utf-8"))
    except (UnicodeDecodeError, files.TrackingError) as error:
        raise files.TrackingError(f"{path}: {error}") from None
