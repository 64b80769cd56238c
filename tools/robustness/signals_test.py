#!/usr/bin/env python3
"""Commands that are told to stop, and descriptors that are not there.

    signals_test.py BINARY [--moments=20] [--only=TEXT] [--commands=A,B]

Every command gets each of five signals at its very start, as soon as it has a handler,
and at --moments moments spread over the time that it takes. It dies of that signal with
one line that names it, leaves nothing unfinished behind, and runs again as if nothing had
been. Ignored signals stay ignored; closed pipes, small files and missing descriptors are
errors or nothing, never deaths.
"""

import functools
import itertools
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import cases
import disturbance
import program
from commands import Command
from disturbance import Rig

SIGNALS = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGXCPU]
_GOES_ON = re.compile(r"same command|goes on|starts again|again", re.IGNORECASE)
# Parts and merges write as their whole does.
_SHORT = ("_shard", "_merge", "_take")


def _send(process: subprocess.Popen, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except ProcessLookupError:
        pass


def faults_of_message(number: signal.Signals, err: str) -> list[str]:
    """One line has to name the signal and say how to go on."""
    lines = [line for line in err.splitlines() if number.name in line]
    if len(lines) != 1:
        return [f"{len(lines)} lines name {number.name}, wanted 1: {err.strip()[-200:]!r}"]
    return [] if _GOES_ON.search(lines[0]) else [f"does not say how to go on: {lines[0]!r}"]


class Signalled:  # pylint: disable=too-few-public-methods
    """A command, a signal, and a moment: "start", "handler", or seconds."""

    def __init__(
        self, suite: cases.Suite, command: Command, number: signal.Signals, moment: str | float
    ):
        self._builder = suite.builder
        self._command = command
        self._number = number
        self._moment = moment

    def check(self, from_own: bool, work: pathlib.Path) -> list[str]:
        """The faults."""
        rig = Rig(self._builder, self._command, work, from_own)
        started = time.monotonic()
        process = rig.start()
        faults = self._wait(process)
        prepared = disturbance.is_prepared(process.pid, self._number)
        _send(process, self._number)
        result = program.finish(process, started)
        faults += self._faults_of_end(rig, result, prepared)
        return faults + rig.faults_of_state() + rig.faults_of_debris() + rig.faults_of_rerun()

    def _wait(self, process: subprocess.Popen) -> list[str]:
        if self._moment == "start":
            return []
        if self._moment == "handler":
            prepared = disturbance.wait_until_prepared(process, self._number)
            return [] if prepared else [f"never has a handler for {self._number.name}"]
        time.sleep(self._moment)
        return []

    def _faults_of_end(self, rig: Rig, result: program.Result, prepared: bool) -> list[str]:
        if result.status == 0:
            return [] if rig.is_complete() else ["exit status 0, and the result is not complete"]
        if result.status != -self._number:
            return [f"status {result.status}, wanted 0 or {-self._number}: {result.err[-200:]!r}"]
        return faults_of_message(self._number, result.err) if prepared else []


def _signal_cases(
    suite: cases.Suite, command: Command, moments: list[float]
) -> Iterator[cases.Case]:
    """In turn from nothing and from a result that is replaced."""
    from_own = itertools.cycle((False, True))
    for number in SIGNALS:
        for moment in ["start", "handler"] + moments:
            case = Signalled(suite, command, number, moment)
            text = moment if isinstance(moment, str) else f"{moment:.3f} s"
            check = functools.partial(case.check, next(from_own))
            yield cases.Case(f"{command.name}/{number.name}/{text}", check)


# ---- Ignored signals, pipes, descriptors ----


def _check_ignored(
    suite: cases.Suite, command: Command, number: signal.Signals, work: pathlib.Path
) -> list[str]:
    rig = Rig(suite.builder, command, work, from_own=False)
    words = ["-c", f'trap "" {number.name[3:]}; exec "$0" "$@"', str(suite.builder.binary)]
    started = time.monotonic()
    process = program.start(program.SHELL, words + rig.line, rig.work)
    faults = []
    while process.poll() is None:
        time.sleep(0.05)
        if process.poll() is None and time.monotonic() - started > 0.1:
            ignored = disturbance.is_ignored(process.pid, number)
            if not ignored and process.poll() is None and _is_alive(process.pid):
                faults = [f"{number.name} was ignored at the start, and no longer is"]
            _send(process, number)
    result = program.finish(process, started)
    if result.status != 0:
        faults.append(f"{number.name} was ignored, and it ended with {result.status}")
    return faults + (
        [] if rig.is_complete() or result.status else ["not the bytes of an undisturbed run"]
    )


def _is_alive(pid: int) -> bool:
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in ("Z", "X")


def _check_pipe(suite: cases.Suite, command: Command, stream: str, work: pathlib.Path) -> list[str]:
    rig = Rig(suite.builder, command, work, from_own=False)
    rig.line = [word for word in rig.line if not word.startswith("--progress")] + [
        "--progress=lines"
    ]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = program.run(suite.builder.binary, rig.line, rig.work, **{stream: writer})
    finally:
        os.close(writer)
    faults = [] if result.status in (0, 2) else [f"closed pipe as {stream}: status {result.status}"]
    if result.status == 0 and not rig.is_complete():
        faults.append("exit status 0, and the result is not complete")
    return faults + rig.faults_of_state() + rig.faults_of_debris()


def _check_closed(
    suite: cases.Suite, command: Command, closed: tuple[int, ...], work: pathlib.Path
) -> list[str]:
    rig = Rig(suite.builder, command, work, from_own=False)
    rig.line = [word for word in rig.line if not word.startswith("--progress")] + [
        "--progress=lines"
    ]
    prefix = "exec " + " ".join(f"{fd}{'<' if fd == 0 else '>'}&-" for fd in closed) + ";"
    result = rig.run(prefix)
    faults = (
        []
        if result.status == 0
        else [f"exit status {result.status}: {result.err.strip()[-200:]!r}"]
    )
    if not rig.is_complete():
        faults.append("not the bytes of an undisturbed run")
    return faults + rig.faults_of_debris()


def _check_file_size(suite: cases.Suite, command: Command, work: pathlib.Path) -> list[str]:
    rig = Rig(suite.builder, command, work, from_own=False)
    result = rig.run("ulimit -f 1;")
    if result.status == 0:
        return [] if rig.is_complete() else ["exit status 0, and the result is not complete"]
    faults = [] if result.status == 2 else [f"status {result.status}, wanted 2"]
    if result.status == 2 and not result.err.strip():
        faults.append("exit status 2 without a word")
    return faults + rig.faults_of_state() + rig.faults_of_debris()


def _other_cases(suite: cases.Suite, command: Command) -> Iterator[cases.Case]:
    bind = functools.partial
    for number in (signal.SIGINT, signal.SIGHUP):
        yield cases.Case(
            f"{command.name}/{number.name} ignored", bind(_check_ignored, suite, command, number)
        )
    for stream in ("stdout", "stderr"):
        yield cases.Case(
            f"{command.name}/closed pipe as {stream}", bind(_check_pipe, suite, command, stream)
        )
    for count in (1, 2, 3):
        for closed in itertools.combinations(range(3), count):
            name = f"{command.name}/without descriptors {','.join(map(str, closed))}"
            yield cases.Case(name, bind(_check_closed, suite, command, closed))
    yield cases.Case(f"{command.name}/files of 1 KiB", bind(_check_file_size, suite, command))


def long_commands(flags) -> list[Command]:
    """The commands that there is something to disturb of."""
    chosen = cases.chosen(flags)
    return [c for c in chosen if flags.commands or not c.name.endswith(_SHORT)]


def main() -> int:
    """The exit status."""
    flags = cases.parser(__doc__.splitlines()[0])
    flags.add_argument("--moments", type=int, default=20, help="of each command and signal")
    parsed = flags.parse_args()
    suite = cases.Suite(parsed)
    chosen = long_commands(parsed)
    suite.build([command.name for command in chosen])
    start = disturbance.start_seconds(suite.builder.binary)
    for command in chosen:
        moments = disturbance.moments(parsed.moments, start, suite.builder.seconds[command.name])
        suite.run(
            itertools.chain(_signal_cases(suite, command, moments), _other_cases(suite, command))
        )
    return suite.end()


if __name__ == "__main__":
    sys.exit(main())
