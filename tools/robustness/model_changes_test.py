#!/usr/bin/env python3
"""Inputs that change while an experiment runs on them.

    model_changes_test.py BINARY [--steps=1,3,6,9] [--only=TEXT]

The model or the data is changed when so many steps are done. `run` ends with 2 and names
the file, and there is no lock of bytes that were not used. Where the change comes at the
very start, before anything is read, the results may also be those of the new bytes; where
it comes after the end, the run has ended with 0.
"""

import functools
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import cases
import commands
import program
from commands import MODEL, TARGET

_WEIGHTS = f"{MODEL}/model.safetensors"
_CONFIG = f"{MODEL}/config.json"
_TEXT = "in/data/conversations.jsonl"
_LOCK = f"{TARGET}/lock.textproto"


def _flipped(path: pathlib.Path) -> bytes:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    return bytes(data)


def _flip_in_place(path: pathlib.Path) -> None:
    data = _flipped(path)
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(data[-1:])


def _flip_and_restore_time(path: pathlib.Path) -> None:
    before = path.stat()
    _flip_in_place(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _replace(path: pathlib.Path) -> None:
    other = path.with_name("other")
    other.write_bytes(_flipped(path))
    other.rename(path)


def _replace_and_restore_time(path: pathlib.Path) -> None:
    before = path.stat()
    _replace(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _touch(path: pathlib.Path) -> None:
    os.utime(path)


def _append(path: pathlib.Path) -> None:
    line = path.read_text(encoding="utf-8").splitlines(keepends=True)[0]
    with path.open("a", encoding="utf-8") as file:
        file.write(line)


# What is done to which file.
CHANGES: dict[str, tuple[str, Callable[[pathlib.Path], None]]] = {
    "a weight in place": (_WEIGHTS, _flip_in_place),
    "a weight in place, time restored": (_WEIGHTS, _flip_and_restore_time),
    "weights replaced": (_WEIGHTS, _replace),
    "weights replaced, time restored": (_WEIGHTS, _replace_and_restore_time),
    "configuration touched": (_CONFIG, _touch),
    "a line of data more": (_TEXT, _append),
}


def _wait_for_steps(process: subprocess.Popen, results: pathlib.Path, count: int) -> bool:
    """Until so many steps are done; whether the run still goes on then."""
    while process.poll() is None:
        if len(list(results.glob("*.record.textproto"))) >= count:
            return process.poll() is None
        time.sleep(0.01)
    return False


class Changed:  # pylint: disable=too-few-public-methods
    """One case: a run, a change, and after how many steps it comes."""

    def __init__(self, suite: cases.Suite, change: str, steps: int):
        self._builder = suite.builder
        self._command = commands.by_name("run")
        self._path, self._apply = CHANGES[change]
        self._steps = steps

    def check(self, work: pathlib.Path) -> list[str]:
        """The faults."""
        self._builder.work_directory(work, self._command)
        started = time.monotonic()
        line = self._command.line(TARGET)
        process = program.start(self._builder.binary, line, work)
        in_time = _wait_for_steps(process, work / TARGET, self._steps)
        self._apply(work / self._path)
        result = program.finish(process, started)
        if not in_time:
            return [f"ended with {result.status} before {self._steps} steps: {result.err[-200:]!r}"]
        if self._steps == 0 and result.status == 0:
            return self._faults_of_new_bytes(work)
        return self._faults(result, work)

    def _faults(self, result: program.Result, work: pathlib.Path) -> list[str]:
        faults = [] if result.status == 2 else [f"exit status {result.status}, wanted 2"]
        if result.status == 2 and os.path.basename(self._path) not in result.err:
            faults.append(f"does not name {self._path}: {result.err.strip()[-200:]!r}")
        if (work / _LOCK).exists():
            faults.append("there is a lock")
        return faults

    def _faults_of_new_bytes(self, work: pathlib.Path) -> list[str]:
        """All results have to be those of a run on the inputs as they are now."""
        found = commands.fingerprint(work / "out", self._command)
        (work / "out").rename(work / "first")
        (work / "out").mkdir()
        result = program.run(self._builder.binary, self._command.line(TARGET), work)
        if result.status != 0:
            return [f"run again on the new bytes: exit status {result.status}"]
        wanted = commands.fingerprint(work / "out", self._command)
        wrong = sorted(name for name, digest in wanted.items() if found.get(name) != digest)
        return [f"neither refused, nor of the new bytes: {wrong[:4]}"] if wrong else []


def _check_after_end(suite: cases.Suite, change: str, work: pathlib.Path) -> list[str]:
    command = commands.by_name("run")
    suite.builder.work_directory(work, command)
    result = program.run(suite.builder.binary, command.line(TARGET), work)
    path, apply = CHANGES[change]
    apply(work / path)
    faults = [] if result.status == 0 else [f"exit status {result.status}, wanted 0"]
    whole = commands.fingerprint(work / "out", command) == suite.builder.expected(command)
    return faults + ([] if whole else ["not the bytes of an undisturbed run"])


def all_cases(suite: cases.Suite, steps: list[int]) -> Iterator[cases.Case]:
    """Every change at every moment."""
    for change in CHANGES:
        for count in [0] + steps:
            yield cases.Case(f"{change}/after {count} steps", Changed(suite, change, count).check)
    # One is enough: nothing reads any more.
    change = "a weight in place"
    yield cases.Case(f"{change}/after the end", functools.partial(_check_after_end, suite, change))


def main() -> int:
    """The exit status."""
    flags = cases.parser(__doc__.splitlines()[0])
    flags.add_argument("--steps", default="1,3,6,9", help="how many are done when it changes: A,B")
    parsed = flags.parse_args()
    suite = cases.Suite(parsed)
    suite.build(["run"])
    suite.run(all_cases(suite, [int(count) for count in parsed.steps.split(",")]))
    return suite.end()


if __name__ == "__main__":
    sys.exit(main())
