#!/usr/bin/env python3
"""Commands that are killed: what they write is whole or not there.

    kill_test.py BINARY [--points=200] [--only=TEXT] [--commands=A,B]

Every command, `run` and with it a whole pipeline among them, is killed at --points moments
spread over the time that it takes, in turn from nothing and while it replaces its own
result. What is there afterwards is whole; one more run completes it, and clears away what
the killed one left.
"""

import functools
import itertools
import pathlib
import sys
import time
from collections.abc import Iterator

import cases
import disturbance
import program
from commands import Command
from disturbance import Rig


def _check(
    suite: cases.Suite, command: Command, moment: float, from_own: bool, work: pathlib.Path
) -> list[str]:
    rig = Rig(suite.builder, command, work, from_own)
    started = time.monotonic()
    process = rig.start()
    time.sleep(moment)
    process.kill()
    result = program.finish(process, started)
    faults = (
        []
        if result.status in (0, -9)
        else [f"status {result.status}: {result.err.strip()[-200:]!r}"]
    )
    if result.status == 0 and not rig.is_complete():
        faults.append("exit status 0, and the result is not complete")
    return faults + rig.faults_of_state() + rig.faults_of_rerun(may_ask=True)


def _kill_cases(suite: cases.Suite, points: int, start: float) -> Iterator[cases.Case]:
    from_own = itertools.cycle((False, True))
    for command in cases.chosen(suite.flags):
        seconds = suite.builder.seconds[command.name]
        for moment in disturbance.moments(points, start, seconds):
            check = functools.partial(_check, suite, command, moment, next(from_own))
            yield cases.Case(f"{command.name}/{moment:.3f} s", check)


def main() -> int:
    """The exit status."""
    flags = cases.parser(__doc__.splitlines()[0])
    flags.add_argument("--points", type=int, default=200, help="of each command")
    parsed = flags.parse_args()
    suite = cases.Suite(parsed)
    suite.build([command.name for command in cases.chosen(parsed)])
    start = disturbance.start_seconds(suite.builder.binary)
    suite.run(_kill_cases(suite, parsed.points, start))
    return suite.end()


if __name__ == "__main__":
    sys.exit(main())
