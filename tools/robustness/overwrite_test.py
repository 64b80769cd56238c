#!/usr/bin/env python3
"""Every command that writes, on every kind of target: nothing of anybody else's is lost.

    overwrite_test.py BINARY [--thorough] [--only=TEXT] [--commands=A,B]

What a command refuses is unchanged to the byte, the time and the inode, and nothing has
appeared beside it; what it accepts has its own result, and all else is unchanged.
`--thorough` crosses everything with and without --overwrite; otherwise most targets are
tried with --overwrite only, where it could do most harm.
"""

import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator

import cases
import commands
import program
import snapshot
import targets
from commands import TARGET, Command
from targets import Expect, Target

_IN_NAMESPACE = "MOE_ROBUSTNESS_NAMESPACE"


def enter_mount_namespace() -> None:
    """Starts this program again where its mounts are its own, if that is allowed."""
    if _IN_NAMESPACE in os.environ:
        return
    ways = (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"])
    for way in ways:
        if (
            not shutil.which(way[0])
            or subprocess.run(way + ["true"], capture_output=True, check=False).returncode
        ):
            continue
        os.environ[_IN_NAMESPACE] = "yes"
        os.execvp(way[0], way + [sys.executable] + sys.argv)
    os.environ[_IN_NAMESPACE] = "no"


class Overwrite:
    """One case: a command, a target, and whether --overwrite is given."""

    def __init__(self, suite: cases.Suite, command: Command, target: Target, overwrite: bool):
        self._builder = suite.builder
        self._command = command
        self._target = target
        self._overwrite = overwrite

    def name(self) -> str:
        """COMMAND/TARGET[/overwrite]"""
        return "/".join([self._command.name, self._target.name] + ["overwrite"] * self._overwrite)

    def check(self, work: pathlib.Path) -> list[str]:
        """The faults."""
        if self._target.needs_mount and os.environ[_IN_NAMESPACE] != "yes":
            raise cases.Skipped("bind mounts need a mount namespace, which this user may not have")
        self._builder.work_directory(work, self._command)
        path = self._target.make(self._builder, work, self._command)
        try:
            return self._run(work, path)
        finally:
            targets.unmount(work)

    def _run(self, work: pathlib.Path, path: str) -> list[str]:
        before = snapshot.take(work)
        line = self._command.line(path, self._overwrite)
        result = program.run(self._builder.binary, line, work)
        after = snapshot.take(work)
        place = self._target.place or path
        change = {
            name: what
            for name, what in snapshot.differences(before, after).items()
            if name != "tmp"
        }
        faults = [f"left {name}" for name in snapshot.debris(after.keys() - before.keys())]
        expect = self._target.expect(self._command, self._overwrite)
        faults += self._faults(expect, result, work, place, change)
        if faults:
            faults.append(f"llama_moe {' '.join(line)}")
            faults.append(f"it said: {(result.out + result.err).strip()[-300:]!r}")
        return faults

    def _faults(
        self, expect: Expect, result: program.Result, work: pathlib.Path, place: str, change
    ) -> list[str]:
        if result.status not in (0, 2):
            return [f"exit status {result.status}"]
        if result.status == 2:
            faults = [] if expect is not Expect.WORKS and expect is not Expect.ADDS else ["refused"]
            return faults + ([f"refused, and {snapshot.describe(change)}"] if change else [])
        faults = ["exit status 0, wanted 2"] if expect is Expect.REFUSED else []
        return faults + self._faults_of_result(expect, result, work, place, change)

    def _faults_of_result(
        self, expect: Expect, result: program.Result, work: pathlib.Path, place: str, change
    ) -> list[str]:
        faults = []
        lost = {
            name: what for name, what in change.items() if not self._may_change(name, what, place)
        }
        if lost:
            faults.append(f"lost or changed: {snapshot.describe(lost)}")
        parent, _, name = place.rpartition("/")
        found = commands.fingerprint(work / parent, self._command, name)
        wanted = self._builder.expected(self._command)
        wrong = {
            name: "missing" if name not in found else "other bytes"
            for name in wanted
            if found.get(name) != wanted[name]
        }
        # Reports say where things lie, so of another place they are other bytes.
        if place != TARGET:
            wrong = {name: what for name, what in wrong.items() if what == "missing"}
        if wrong and expect is not Expect.REFUSED:
            faults.append(f"result: {snapshot.describe(wrong)}")
        if self._target.is_said and place not in result.out + result.err:
            faults.append(f"does not say that it writes to {place}")
        return faults

    def _may_change(self, name: str, what: str, place: str) -> bool:
        """Whether a command that succeeds may have done that."""
        mine = (place.rpartition("/")[0] + "/") if "/" in place else ""
        own = {
            mine + place.rpartition("/")[2] + key[len("target") :]
            for key in self._builder.expected(self._command)
        }
        folders = {
            str(parent) for path in own | {place} for parent in pathlib.PurePath(path).parents
        }
        folders |= {place}
        if name in own or (
            name in folders and what in ("new", "other mtime_ns", "other inode, mtime_ns")
        ):
            return True
        if self._command.aside and name.startswith(self._command.aside):
            return True
        replaced = self._command.kind is commands.Kind.REPLACED
        return replaced and self._target.is_own and commands.is_of(name, self._command, place)


def is_usual(command: Command, target: Target, overwrite: bool) -> bool:
    """Whether it is tried without --thorough."""
    if command.has_overwrite and overwrite not in target.tried:
        return False
    return not (target.is_rare and command.kind is commands.Kind.ADDED)


def all_cases(suite: cases.Suite, thorough: bool) -> Iterator[cases.Case]:
    """The table."""
    for command in cases.chosen(suite.flags):
        for target in targets.of(command):
            for overwrite in (False, True) if command.has_overwrite else (False,):
                if not (thorough or is_usual(command, target, overwrite)):
                    continue
                case = Overwrite(suite, command, target, overwrite)
                yield cases.Case(case.name(), case.check)


def main() -> int:
    """The exit status."""
    flags = cases.parser(__doc__.splitlines()[0])
    flags.add_argument(
        "--thorough", action="store_true", help="cross all with and without --overwrite"
    )
    parsed = flags.parse_args()
    enter_mount_namespace()
    suite = cases.Suite(parsed)
    if not parsed.list:
        suite.build([command.name for command in cases.chosen(parsed)])
    suite.run(all_cases(suite, parsed.thorough))
    return suite.end()


if __name__ == "__main__":
    sys.exit(main())
