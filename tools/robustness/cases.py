"""The frame of every driver: a temporary directory, parallel cases, one summary."""

import argparse
import concurrent.futures
import dataclasses
import itertools
import os
import pathlib
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable

import commands


@dataclasses.dataclass(frozen=True)
class Case:
    """A name to select it by, and what returns the faults that it finds."""

    name: str
    check: Callable[[pathlib.Path], list[str]]


class Skipped(Exception):
    """Raised by a case that this machine cannot run."""


def parser(description: str) -> argparse.ArgumentParser:
    """The flags that all drivers have."""
    flags = argparse.ArgumentParser(description=description)
    flags.add_argument("binary", type=pathlib.Path, help="llama_moe")
    flags.add_argument("--only", default="", help="cases whose names have this text")
    flags.add_argument("--commands", default="", help="these commands only: A,B")
    flags.add_argument("--jobs", type=int, default=2, help="cases that run at once")
    flags.add_argument(
        "--keep", action="store_true", help="keep the directories of cases that fail"
    )
    flags.add_argument("--list", action="store_true", help="only print the names of the cases")
    return flags


def chosen(flags: argparse.Namespace) -> list[commands.Command]:
    """The rows of the table that --commands names, or all."""
    if not flags.commands:
        return list(commands.COMMANDS)
    return [commands.by_name(name) for name in flags.commands.split(",")]


class Suite:  # pylint: disable=too-many-instance-attributes
    """Runs cases, prints those that fail, and counts."""

    def __init__(self, flags: argparse.Namespace, for_all_users: bool = False):
        self.flags = flags
        # A test's own directory may lie where nobody else can go.
        folder = None if for_all_users else os.environ.get("TEST_TMPDIR")
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="llama_moe_robustness_", dir=folder))
        self.root.chmod(0o755)
        # `nohup` and `&` have what they start ignore these, and so would all cases.
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            if signal.getsignal(number) == signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        self.builder = commands.Builder(
            flags.binary.resolve(), self.root / "made", pathlib.Path.cwd()
        )
        self._numbers = itertools.count()
        self._num_run = self._num_failed = self._num_skipped = 0
        self._kept = False

    def build(self, names: list[str] | None = None) -> None:
        """Makes the inputs."""
        started = time.monotonic()
        self.builder.build(names, self.flags.jobs)
        print(f"inputs made in {time.monotonic() - started:.1f} s", flush=True)

    def run(self, cases: Iterable[Case]) -> None:
        """Runs those that --only selects."""
        selected = [case for case in cases if self.flags.only in case.name]
        if self.flags.list:
            print("\n".join(case.name for case in selected))
            return
        with concurrent.futures.ThreadPoolExecutor(self.flags.jobs) as pool:
            for case, faults in zip(selected, pool.map(self._check, selected)):
                self._count(case, faults)

    def end(self) -> int:
        """Prints the summary; the exit status of the driver."""
        if not self._kept:
            shutil.rmtree(self.root, ignore_errors=True)
        skipped = f" ({self._num_skipped} skipped)" if self._num_skipped else ""
        print(f"{self._num_run} cases, {self._num_failed} failed{skipped}", flush=True)
        return 1 if self._num_failed else 0

    def _check(self, case: Case) -> list[str] | Skipped:
        work = self.root / f"case_{next(self._numbers)}"
        try:
            faults = case.check(work)
        except Skipped as skipped:
            return skipped
        if faults and self.flags.keep:
            self._kept = True
            faults = faults + [f"kept in {work}"]
        else:
            shutil.rmtree(work, ignore_errors=True)
        return faults

    def _count(self, case: Case, faults: list[str] | Skipped) -> None:
        if isinstance(faults, Skipped):
            self._num_skipped += 1
            print(f"skipped: {case.name}: {faults}", flush=True)
            return
        self._num_run += 1
        if faults:
            self._num_failed += 1
            again = f"{sys.argv[0]} {self.flags.binary} --keep --only={shlex.quote(case.name)}"
            print(f"FAILED {case.name}: {' | '.join(faults)} [{again}]", flush=True)
