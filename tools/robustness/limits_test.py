#!/usr/bin/env python3
"""Commands that run out: of memory, threads, descriptors, room in a file, processes.

    limits_test.py BINARY [--points=40] [--only=TEXT] [--commands=A,B] [--limits=A,B]

Each limit is swept, in even ratios, from where `llama_moe --version` just runs to where
the command does. Below what it needs a command ends with 2, and says what it wanted, what
there is and what to turn; it never aborts and leaves nothing behind. Where it ends with 0
the bytes are those of any other run.
"""

import dataclasses
import functools
import itertools
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator

import cases
import commands
import program
from commands import Command
from disturbance import Rig

# Users that own nothing, one a case: the limit on processes counts all of a user's, and
# does not hold root.
_USERS = itertools.cycle(range(61000, 65000))


@dataclasses.dataclass(frozen=True)
class Limit:
    """A resource, in the units of bash's ulimit."""

    name: str
    ulimit: str
    # The range that is searched for the least that suffices.
    least: int
    most: int
    # What a message may name for the user to turn.
    flags: re.Pattern
    # Whether what does not suffice for --version is known to be too little.
    from_version: bool = True

    def prefix(self, value: int) -> str:
        """A line of bash that sets it."""
        return f"ulimit -c 0; {self.ulimit.format(value)};"


_MEMORY = re.compile(r"MOE_NUM_THREADS|--memory_budget|ulimit -v|memory")
_THREADS = re.compile(r"MOE_NUM_THREADS|ulimit -u|pids")
LIMITS = [
    Limit("memory", "ulimit -v {}", 100_000, 8_000_000, _MEMORY),
    Limit("threads", "ulimit -u {}", 1, 64, _THREADS),
    Limit("descriptors", "ulimit -n {}", 3, 256, re.compile(r"ulimit -n|descriptors|open files")),
    Limit(
        "file_size",
        "ulimit -f {}",
        1,
        16_384,
        re.compile(r"ulimit -f|file size"),
        from_version=False,
    ),
]


def _as_owner(words: list[str], work: pathlib.Path) -> list[str]:
    user = work.stat().st_uid
    drop = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    return drop + words if os.geteuid() == 0 else words


def _give_away(work: pathlib.Path) -> None:
    """Gives a directory to a user of its own."""
    if os.geteuid() != 0:
        return
    user = next(_USERS)
    for folder, folders, files in os.walk(work):
        os.chown(folder, user, user)
        for name in folders + files:
            os.lchown(pathlib.Path(folder, name), user, user)


def run_limited(
    binary: pathlib.Path, limit: Limit, value: int, line: list[str], work: pathlib.Path
) -> program.Result:
    """Runs it under the limit, as a user whom it holds."""
    words = [str(program.SHELL), "-c", f'{limit.prefix(value)} exec "$0" "$@"', str(binary)] + line
    words = _as_owner(words, work) if limit.name == "threads" else words
    return program.run(pathlib.Path(words[0]), words[1:], work)


def _bisect(low: int, high: int, suffices: Callable[[int], bool]) -> int:
    """The least value that suffices, to five in a hundred."""
    while high - low > max(1, low // 20):
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle, high)
    return high


def least_for_version(binary: pathlib.Path, limit: Limit, work: pathlib.Path) -> int:
    """The least at which the program starts at all."""
    if not limit.from_version:
        return limit.least
    return _bisect(
        limit.least - 1,
        limit.most,
        lambda value: run_limited(binary, limit, value, ["--version"], work).status == 0,
    )


def points(least: int, most: int, count: int) -> list[int]:
    """From one to the other in even ratios, each once."""
    steps = max(count - 1, 1)
    found = {round(least * (most / least) ** (i / steps)) for i in range(count)}
    return sorted(found)


def faults_of_message(limit: Limit, err: str) -> list[str]:
    """An error has to have a number of what there is, and what to turn."""
    said = err.strip().splitlines()[-1] if err.strip() else ""
    faults = [] if re.search(r"\d", said) else [f"no number in {said!r}"]
    return faults + ([] if limit.flags.search(said) else [f"does not say what to turn: {said!r}"])


def _check(
    suite: cases.Suite, command: Command, limit: Limit, value: int, work: pathlib.Path
) -> list[str]:
    rig = Rig(suite.builder, command, work, from_own=False)
    if limit.name == "threads":
        _give_away(work)
    result = run_limited(suite.builder.binary, limit, value, rig.line, work)
    return faults_of(rig, limit, result)


def faults_of(rig: Rig, limit: Limit, result: program.Result) -> list[str]:
    """What is wrong with how a limited command ended."""
    faults = rig.faults_of_state() + rig.faults_of_debris()
    if result.status == 0:
        return faults + (
            [] if rig.is_complete() else ["exit status 0, and other bytes than without a limit"]
        )
    if result.status != 2:
        return faults + [f"status {result.status}: {result.err.strip()[-200:]!r}"]
    return faults + faults_of_message(limit, result.err)


# ---- Limits of a container ----


_NUMBERS = itertools.count()


class Group:
    """A control group of this process's own, for one resource."""

    def __init__(self, resource: str, file: str):
        self.folder: pathlib.Path | None = None
        self._file = file
        for root in (pathlib.Path("/sys/fs/cgroup", resource), pathlib.Path("/sys/fs/cgroup")):
            folder = root / f"llama_moe_{os.getpid()}_{next(_NUMBERS)}"
            try:
                folder.mkdir()
            except OSError:
                continue
            if (folder / file).exists():
                self.folder = folder
                return
            folder.rmdir()

    def run(self, value: int, rig: Rig) -> program.Result:
        """Runs the command in the group, limited to `value`."""
        assert self.folder is not None
        (self.folder / self._file).write_text(str(value), encoding="ascii")
        return rig.run(f"echo $$ > {self.folder}/cgroup.procs || exit 99;")

    def remove(self) -> None:
        """Takes the group away."""
        if self.folder is not None:
            self.folder.rmdir()


def _check_in_group(
    suite: cases.Suite, command: Command, value: int, work: pathlib.Path
) -> list[str]:
    group = Group("pids", "pids.max")
    if group.folder is None:
        raise cases.Skipped("no control group for pids that can be written")
    rig = Rig(suite.builder, command, work, from_own=False)
    try:
        result = group.run(value, rig)
    finally:
        group.remove()
    if result.status == 99:
        raise cases.Skipped("the control group for pids takes no process")
    limit = next(limit for limit in LIMITS if limit.name == "threads")
    return faults_of(rig, limit, result)


def _group_cases(suite: cases.Suite, command: Command) -> Iterator[cases.Case]:
    for value in (1, 2, 3):
        name = f"{command.name}/pids.max of a container/{value}"
        yield cases.Case(name, functools.partial(_check_in_group, suite, command, value))


# ---- The sweep ----


def _least_for_command(
    suite: cases.Suite, command: Command, limit: Limit, low: int, work: pathlib.Path
) -> int:
    """Where the command begins to work, from above: so much is enough."""

    def suffices(value: int) -> bool:
        inner = work / str(value)
        if (inner / "out").exists():
            return True
        rig = Rig(suite.builder, command, inner, from_own=False)
        if limit.name == "threads":
            _give_away(inner)
        return run_limited(suite.builder.binary, limit, value, rig.line, inner).status == 0

    value = low
    while value < limit.most and not suffices(value):
        value = max(value + 1, value * 3 // 2)
    return min(value, limit.most)


def _limit_cases(
    suite: cases.Suite, command: Command, limit: Limit, low: int, count: int
) -> Iterator[cases.Case]:
    enough = _least_for_command(
        suite, command, limit, low, suite.root / f"search_{command.name}_{limit.name}"
    )
    for value in points(low, enough, count):
        name = f"{command.name}/{limit.name}/{value}"
        yield cases.Case(name, functools.partial(_check, suite, command, limit, value))


def all_cases(suite: cases.Suite, limits: list[Limit], count: int) -> Iterator[cases.Case]:
    """The sweep of every limit over every command."""
    work = suite.root / "version"
    (work / "tmp").mkdir(parents=True)
    if any(limit.name == "threads" for limit in limits):
        _give_away(work)
    for limit in limits:
        low = least_for_version(suite.builder.binary, limit, work)
        print(f"{limit.name}: --version runs with {low} ({limit.ulimit.format(low)})", flush=True)
        for command in cases.chosen(suite.flags):
            yield from _limit_cases(suite, command, limit, low, count)
    for command in cases.chosen(suite.flags):
        yield from _group_cases(suite, command)


def copy_for_all_users(binary: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """A copy of the program, with libraries that are not the system's, as far from it."""
    listed = subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout
    copied = folder / "program/bin" / binary.name
    commands.copy(binary, copied)
    for library in re.findall(r"=> (/\S+)", listed):
        if not library.startswith(("/lib", "/usr/")):
            place = os.path.relpath(os.path.normpath(library), binary.parent)
            commands.copy(
                pathlib.Path(library), pathlib.Path(os.path.normpath(copied.parent / place))
            )
    return copied


def can_drop_rights(binary: pathlib.Path, work: pathlib.Path) -> bool:
    """Whether the limit on processes can be tried at all."""
    try:
        # In a namespace of users there may be no other.
        _give_away(work)
        line = _as_owner([str(binary), "--version"], work)
        done = subprocess.run(line, cwd=work, capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def main() -> int:
    """The exit status."""
    flags = cases.parser(__doc__.splitlines()[0])
    flags.add_argument("--points", type=int, default=40, help="of each limit and command")
    flags.add_argument("--limits", default=",".join(limit.name for limit in LIMITS), help="A,B")
    parsed = flags.parse_args()
    # Enough that there are too many for small limits.
    os.environ.setdefault("MOE_NUM_THREADS", "8")
    suite = cases.Suite(parsed, for_all_users=True)
    suite.builder.binary = copy_for_all_users(suite.builder.binary, suite.root)
    limits = [limit for limit in LIMITS if limit.name in parsed.limits.split(",")]
    other = suite.root / "other"
    other.mkdir()
    if not can_drop_rights(suite.builder.binary, other):
        print("skipped: threads: no other user can run the program", flush=True)
        limits = [limit for limit in limits if limit.name != "threads"]
    suite.build([command.name for command in cases.chosen(parsed)])
    suite.run(all_cases(suite, limits, parsed.points))
    return suite.end()


if __name__ == "__main__":
    sys.exit(main())
