"""Rows of the registry are rows of the benchmarks, and every benchmark has one.

    check_registry_rows.py REGISTRY BENCHMARK...
"""

import pathlib
import subprocess
import sys

import registry


def main(path: str, programs: list[str]) -> int:
    """Prints what is missing; returns the exit status."""
    metrics = registry.read_registry(path)
    rows = {}
    for program in programs:
        listed = subprocess.run(
            [program, "--benchmark_list_tests=true"], capture_output=True, text=True, check=True
        )
        rows[pathlib.Path(program).name] = set(listed.stdout.split("\n"))
    faults = [
        f"{metric.benchmark} has no row {metric.row}"
        for metric in metrics
        if metric.row not in rows.get(metric.benchmark, ())
    ]
    tracked = {metric.benchmark for metric in metrics}
    faults += [f"no row of {name} is tracked" for name in rows if name not in tracked]
    print("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
