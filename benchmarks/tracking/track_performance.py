#!/usr/bin/env python3
"""Runs the tracked benchmarks, holds their figures to the registry, and keeps a history.

    ./bazelw run //benchmarks:track_performance -- --history=FILE --html=FILE

Exit status: 0; 1 where a figure has become worse than its threshold allows; 2 for an
error.
"""

import datetime
import os
import shutil
import sys
import traceback

import files
import history
import measure
import registry
import trend

_FLAGS = {
    "registry": "what is tracked",
    "benchmarks": "directory of the benchmark programs",
    "only": "metrics whose names begin so; all without it",
    "history": "file to append this run's figures to",
    "html": "page of the trend to write",
    "revision": "what the history calls the code, such as a commit",
}
_MEMORY = "/dev/shm"
_LARGEST_BENCHMARK_BYTES = 8 << 30


def _value_after(name: str, words: list[str]) -> str:
    """Takes a flag's value, the next word, from the words."""
    if not words:
        raise files.TrackingError(f"--{name}: expected a value, found none; write --{name}=VALUE")
    if words[0].startswith("--") or words[0] == "-h":
        raise files.TrackingError(
            f'--{name}: expected a value, found the flag "{words[0]}"; write '
            f"--{name}=VALUE, or --{name}={words[0]} if that is the value"
        )
    return words.pop(0)


def parse_flags(words: list[str]) -> dict[str, str]:
    """Returns the flags that a command line gives. TrackingError with the one that is wrong."""
    given: dict[str, str] = {}
    words = list(words)
    while words:
        word = words.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or name not in _FLAGS:
            raise files.TrackingError(f"The following argument was not expected: {word}")
        if equals and not value:
            raise files.TrackingError(
                f'--{name}= has nothing after "="; write --{name}=VALUE, or leave the flag out'
            )
        if not equals:
            value = _value_after(name, words)
        if not value:
            raise files.TrackingError(f'--{name}: expected a value, found ""')
        if name == "revision" and not value.isprintable():
            raise files.TrackingError(f"--{name} is no text that a page can show: {value!a}")
        if name in given:
            raise files.TrackingError(
                f'--{name}: expected one value, found "{given[name]}" and "{value}"'
            )
        given[name] = value
    return given


def _usage(defaults: dict[str, str]) -> str:
    lines = [
        f"  {f'--{name}=TEXT':<17}  {what}; default {defaults[name] or 'none'}\n"
        for name, what in _FLAGS.items()
    ]
    return "usage: track_performance [flags]\n\n" + "".join(lines)


def _chosen(flags: dict[str, str]) -> list[registry.Metric]:
    metrics = registry.read_registry(flags["registry"])
    chosen = [metric for metric in metrics if metric.name.startswith(flags["only"])]
    if chosen:
        return chosen
    raise files.TrackingError(
        f"--only={flags['only']}: no metric of {flags['registry']} has a name that begins so"
    )


def _run_of(checked: list[measure.Checked], revision: str, simd_target: str) -> history.Run:
    return history.Run(
        date=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        revision=revision,
        machine=history.this_machine(simd_target),
        figures={c.metric.name: c.value for c in checked},
        measurements={c.metric.name: c.measurements for c in checked if c.measurements > 1},
    )


def _track(flags: dict[str, str]) -> int:
    metrics = _chosen(flags)
    # Read before the work, so that a damaged file does not cost it.
    runs = history.read(flags["history"]) if flags["history"] else []
    simd_targets = []

    def run(benchmark: str, rows: list[str]) -> measure.Output:
        print(f"{benchmark}: {len(rows)} row{'s' if len(rows) > 1 else ''}", file=sys.stderr)
        output = measure.run_benchmark(f"{flags['benchmarks']}/{benchmark}", rows)
        simd_targets.append(output.simd_target)
        return output

    checked = measure.measure(metrics, run)
    print(measure.table(checked), end="", flush=True)
    runs.append(_run_of(checked, flags["revision"], simd_targets[0]))
    if flags["history"]:
        history.append(flags["history"], runs[-1])
    if flags["html"]:
        files.write_file(flags["html"], trend.page(metrics, runs).encode("utf-8"))
    return 1 if measure.has_regression(checked) else 0


def _use_files_in_memory() -> None:
    """Has benchmarks of files work in memory where it has the room, unless the user says where.

    The speed of a disk changes by the minute, and says nothing about the code.
    """
    if os.path.isdir(_MEMORY) and shutil.disk_usage(_MEMORY).free >= _LARGEST_BENCHMARK_BYTES:
        os.environ.setdefault("MOE_BENCHMARK_DIR", _MEMORY)


def _enter_users_directory() -> str:
    """Goes where the user is, if `bazel run` says so. Returns where the data are.

    `bazel run` starts programs among their data; paths on the command line are relative
    to the user's directory.
    """
    user = os.environ.get("BUILD_WORKING_DIRECTORY")
    if user is None:
        return ""
    data = os.getcwd() + "/"
    os.chdir(user)
    return data


def _run(words: list[str]) -> int:
    data = _enter_users_directory()
    defaults = dict.fromkeys(_FLAGS, "") | {
        "registry": f"{data}benchmarks/registry.toml",
        "benchmarks": f"{data}benchmarks",
    }
    flags = parse_flags([word for word in words if word != "--help"])
    if "--help" in words:
        print(_usage(defaults), end="")
        return 0
    _use_files_in_memory()
    return _track(defaults | flags)


def main(words: list[str]) -> int:
    """Runs the tool and returns its exit status."""
    try:
        return _run(words)
    except (files.TrackingError, OSError) as error:
        print(f"track_performance: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    except Exception:  # pylint: disable=broad-except
        # Python's own exit status would be 1, which says that a figure has become worse.
        traceback.print_exc()
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
