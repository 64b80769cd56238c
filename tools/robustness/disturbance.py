"""What is shared by tests that end a command before its time, and then run it again."""

import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time

import commands
import program
import snapshot
from commands import TARGET, Builder, Command, Kind


def start_seconds(binary: pathlib.Path) -> float:
    """How long the program takes until it does anything."""
    runs = [program.run(binary, ["--version"], pathlib.Path.cwd()) for _ in range(3)]
    return statistics.median(run.seconds for run in runs)


def moments(count: int, start: float, end: float) -> list[float]:
    """So many moments, spread evenly from the program's first work to its end."""
    first = min(0.8 * start, end)
    return [first + (end - first) * (i + 0.5) / count for i in range(count)]


def _mask(pid: int, names: tuple[str, ...]) -> int:
    """The signals of these lines of /proc/PID/status."""
    found = 0
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    for line in lines.splitlines():
        name, _, value = line.partition(":")
        if name in names:
            found |= int(value, 16)
    return found


def _has_begun(pid: int) -> bool:
    """Whether the process is the program, and no longer the Python that starts it."""
    try:
        return os.readlink(f"/proc/{pid}/exe") != os.path.realpath(sys.executable)
    except OSError:
        return False


def is_prepared(pid: int, number: signal.Signals) -> bool:
    """Whether the process has a handler for the signal, or a thread that waits for it."""
    if not _has_begun(pid):
        return False
    blocked = _mask(pid, ("SigBlk",))
    # While a thread is started, all signals are blocked for a moment.
    if blocked >> (signal.SIGSEGV - 1) & 1:
        blocked = 0
    return bool((blocked | _mask(pid, ("SigCgt",))) >> (number - 1) & 1)


def is_ignored(pid: int, number: signal.Signals) -> bool:
    """Whether the process ignores the signal."""
    return bool(_mask(pid, ("SigIgn",)) >> (number - 1) & 1)


def wait_until_prepared(process: subprocess.Popen, number: signal.Signals) -> bool:
    """Polls until it has a handler; whether it ever had before its end."""
    deadline = time.monotonic() + program.TIMEOUT_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if is_prepared(process.pid, number):
            return True
        time.sleep(0.002)
    return False


# By command, whether it has --overwrite, and the contents of the work directory.
_RERUNS: dict[tuple, list[str]] = {}


class Rig:
    """One command in a work directory of its own, to be disturbed."""

    def __init__(self, builder: Builder, command: Command, work: pathlib.Path, from_own: bool):
        self.builder = builder
        self.command = command
        self.work = builder.work_directory(work, command)
        if from_own:
            builder.put_own(work, command)
        self.line = command.line(TARGET, overwrite=from_own and command.has_overwrite)

    def start(self, **options) -> subprocess.Popen:
        """Starts the command."""
        return program.start(self.builder.binary, self.line, self.work, **options)

    def run(self, prefix: str, extra: tuple[str, ...] = (), **options) -> program.Result:
        """Runs it to its end after a line of bash, such as "ulimit -f 1;"."""
        words = ["-c", f'{prefix} exec "$0" "$@"', str(self.builder.binary)]
        return program.run(program.SHELL, words + self.line + list(extra), self.work, **options)

    def found(self) -> dict[str, str]:
        """The digests of what is there."""
        return commands.fingerprint(self.work / "out", self.command)

    def is_complete(self) -> bool:
        """Whether the whole result is there, with its bytes."""
        return self.found() == self.builder.expected(self.command)

    def faults_of_state(self) -> list[str]:
        """Torn files, or half a directory that has to be replaced as a whole."""
        found, wanted = self.found(), self.builder.expected(self.command)
        unfinished = snapshot.debris(found)
        faults = [
            f"{name} is torn"
            for name, digest in found.items()
            if digest != wanted.get(name) and not name.startswith(tuple(unfinished))
        ]
        folder = (self.work / TARGET).is_dir()
        inside = [name for name in wanted if name.startswith("target/")]
        missing = [name for name in inside if name not in found]
        if self.command.kind is Kind.REPLACED and folder and missing:
            faults.append(f"half a directory: {len(missing)} of {len(inside)} files are missing")
        return faults

    def faults_of_debris(self) -> list[str]:
        """What a writer should have removed, and anything in TMPDIR."""
        names = snapshot.take(self.work)
        return [f"left {name}" for name in snapshot.debris(names)] + [
            f"left {name}" for name in names if name.startswith("tmp/")
        ]

    def faults_of_rerun(self, may_ask: bool = False) -> list[str]:
        """Runs the same once more, undisturbed: everything has to be complete.

        With `may_ask` it may ask for --overwrite, and has to be complete with it: what was
        killed between two of its files has no chance to write the second one. What a state
        leads to is remembered: most moments leave what there was before.
        """
        overwrite = self.command.has_overwrite and self.is_complete()
        if "--overwrite" in self.line:
            overwrite = True
        state = (self.command.name, overwrite, may_ask, self._contents())
        if state not in _RERUNS:
            _RERUNS[state] = self._run_again(overwrite, may_ask)
        return _RERUNS[state]

    def _contents(self) -> frozenset:
        found = snapshot.take(self.work)
        return frozenset((name, e.kind, e.sha256, e.link) for name, e in found.items())

    def _run_again(self, overwrite: bool, may_ask: bool) -> list[str]:
        line = self.command.line(TARGET, overwrite)
        result = program.run(self.builder.binary, line, self.work)
        is_asked = self.command.has_overwrite and "pass --overwrite" in result.err
        if may_ask and result.status == 2 and is_asked:
            line = self.command.line(TARGET, overwrite=True)
            result = program.run(self.builder.binary, line, self.work)
        if result.status != 0:
            return [f"run again: exit status {result.status}: {result.err.strip()[-200:]}"]
        faults = [] if self.is_complete() else ["run again: not the bytes of an undisturbed run"]
        return faults + [f"run again: {fault}" for fault in self.faults_of_debris()]
