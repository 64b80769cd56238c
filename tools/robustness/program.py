"""Runs llama_moe in a work directory, and says how it ended."""

import dataclasses
import os
import pathlib
import subprocess
import time

# No command on these inputs takes longer; one that does hangs.
TIMEOUT_SECONDS = 120

# Its ulimit knows every limit, in KiB; that of other shells does not.
SHELL = pathlib.Path("/bin/bash")


@dataclasses.dataclass(frozen=True)
class Result:
    """How a command ended: a negative status is the signal that ended it."""

    status: int
    out: str
    err: str
    seconds: float


def environment(work: pathlib.Path) -> dict[str, str]:
    """The variables that the program sees: few, and the same everywhere."""
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": str(work),
        "TMPDIR": str(work / "tmp"),
        "MOE_NUM_THREADS": os.environ.get("MOE_NUM_THREADS", "2"),
        "OMP_NUM_THREADS": "1",
    }


def start(binary: pathlib.Path, line: list[str], work: pathlib.Path, **options) -> subprocess.Popen:
    """Starts it, with pipes on its outputs unless `options` says otherwise."""
    settings = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "env": environment(work),
    }
    settings.update(options)
    return subprocess.Popen(
        [str(binary)] + line, cwd=work, **settings
    )  # pylint: disable=consider-using-with


def finish(process: subprocess.Popen, started: float) -> Result:
    """Waits for it."""
    try:
        out, err = process.communicate(timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        err = (err or b"") + f"\n(still ran after {TIMEOUT_SECONDS} s)".encode()
    texts = [(text or b"").decode("utf-8", "replace") for text in (out, err)]
    return Result(process.returncode, *texts, time.monotonic() - started)


def run(binary: pathlib.Path, line: list[str], work: pathlib.Path, **options) -> Result:
    """Runs it to its end."""
    started = time.monotonic()
    return finish(start(binary, line, work, **options), started)
