"""The figures of all runs, a line of JSON each, appended to a file.

A line: {"date": "2026-01-02T03:04:05Z", "revision": "4f3a...", "machine": {...},
"figures": {"split/get_grads": 2.6, ...}, "measurements": {"split/get_grads": 3}}; what is
not among the measurements was measured once. Runs of different machines may stand in one
file.
"""

import dataclasses
import json
import os
import platform
import typing

import files


@dataclasses.dataclass(frozen=True)
class Machine:
    """The machine: what a figure may depend on besides the code."""

    processor: str  # "Intel(R) Xeon(R) ..."
    num_processors: int
    memory_bytes: int
    distribution: str  # "Debian GNU/Linux 13 (trixie)"
    kernel: str  # "Linux 6.1.0"
    simd_target: str  # "avx512"


@dataclasses.dataclass(frozen=True)
class Run:
    """The figures of a run, by the metrics' names."""

    date: str  # UTC.
    revision: str  # The revision of the code; empty where it is not known.
    machine: Machine
    figures: dict[str, float]
    measurements: dict[str, int]


def _processor() -> str:
    """The processor's name; the kernels of ARM machines do not say it."""
    for line in files.read_file("/proc/cpuinfo").decode("utf-8", "replace").split("\n"):
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return "unknown"


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return "unknown"


def this_machine(simd_target: str) -> Machine:
    """Returns the facts of the machine that this program runs on."""
    name = os.uname()
    return Machine(
        processor=_processor(),
        num_processors=os.sysconf("SC_NPROCESSORS_ONLN"),
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE"),
        distribution=_distribution(),
        kernel=f"{name.sysname} {name.release}",
        simd_target=simd_target,
    )


def append(path: str, run: Run) -> None:
    """Appends a run to a file, and creates the file where there is none.

    All of the line is written or none of it; of two programs that append at once, one
    may lose its line. TrackingError with the path.
    """
    data = files.read_file(path) if os.path.exists(path) else b""
    if data and not data.endswith(b"\n"):
        data += b"\n"
    fields = dataclasses.asdict(run)
    for name in ("figures", "measurements"):
        fields[name] = dict(sorted(fields[name].items()))
    line = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    files.write_file(path, data + line.encode("utf-8") + b"\n")


def _object(fields: dict[str, typing.Any], name: str) -> dict[str, typing.Any]:
    if isinstance(fields.get(name), dict):
        return fields[name]
    raise files.TrackingError(f'there is no object "{name}"')


def _numbers(fields: dict[str, typing.Any], name: str, kind: type) -> dict[str, typing.Any]:
    numbers = _object(fields, name)
    return {metric: files.get(numbers, metric, kind) for metric in numbers}


def _parse_run(line: bytes) -> Run:
    fields = files.parse_object(line)
    date = files.get(fields, "date", str)
    revision = files.get(fields, "revision", str)
    facts = _object(fields, "machine")
    machine = Machine(
        **{f.name: files.get(facts, f.name, f.type) for f in dataclasses.fields(Machine)}
    )
    figures = _numbers(fields, "figures", float)
    return Run(date, revision, machine, figures, _numbers(fields, "measurements", int))


def read(path: str) -> list[Run]:
    """Returns the runs in the order of the file; none if there is no file.

    TrackingError with path and line for a line that is no run.
    """
    if not os.path.exists(path):
        return []
    runs = []
    for number, line in enumerate(files.read_file(path).split(b"\n"), start=1):
        if not line:
            continue
        try:
            runs.append(_parse_run(line))
        except files.TrackingError as error:
            raise files.TrackingError(f"{path}, line {number}: {error}") from None
    return runs
