"""Rows of the registry are rows of the benchmarks, and every room with a benchmark has one.

    registry_rows_test.py REGISTRY BENCHMARK...
"""

import pathlib
import re
import subprocess
import sys


def main(registry: str, programs: list[str]) -> int:
    """Prints what is missing; returns the exit status."""
    text = pathlib.Path(registry).read_text(encoding="utf-8")
    wanted = re.findall(r'^  benchmark: "(\w+)"\n  row: "(.+)"$', text, re.MULTILINE)
    rows = {}
    for program in programs:
        listed = subprocess.run(
            [program, "--benchmark_list_tests=true"], capture_output=True, text=True, check=True
        )
        rows[pathlib.Path(program).name] = set(listed.stdout.split("\n"))
    faults = [f"{name} has no row {row}" for name, row in wanted if row not in rows.get(name, ())]
    faults += [f"no row of {name} is tracked" for name in rows if name not in dict(wanted)]
    if not wanted or len(wanted) != text.count("metric {"):
        faults.append(f"{registry}: {len(wanted)} rows for {text.count('metric {')} metrics")
    print("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
