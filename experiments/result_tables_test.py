"""Tables of results in the READMEs are what the locks say.

A row's first cell is `EXPERIMENT`, and the columns are perplexities of its evaluations;
or there is one, with the beginning of the digest of its last checkpoint, aligned or
reconstructed.
"""

import hashlib
import pathlib
import re
import unittest

_COLUMNS = {
    "MLP experts": "evaluate_mlp",
    "and attention experts": "evaluate_converted",
    "aligned": "evaluate_aligned",
    "converted": "evaluate_mlp",
    "refitted": "evaluate_reconstructed",
    "Mercurial's help": "evaluate_reconstructed_manual",
    "proceedings, 1992": "evaluate_reconstructed_other",
}
# The rows of an experiment's second model stand below its first.
_CUT_IN_ORDER = "its routers, experts cut in order"


def _read_lock(experiment: str) -> str:
    return pathlib.Path(f"experiments/{experiment}.lock.textproto").read_text("utf-8")


def _steps(lock: str) -> dict[str, str]:
    steps = re.findall(r"^steps \{\n(.*?)^\}", lock, re.DOTALL | re.MULTILINE)
    return {re.search(r'^  name: "(\w+)"$', s, re.MULTILINE).group(1): s for s in steps}


def checkpoint_digest(lock: str) -> str:
    """Returns the beginning of the digest of all files of the last checkpoint."""
    pattern = r'files \{\s+name: "(.+)"\s+bytes: \d+\s+sha256: "(\w+)"'
    steps = _steps(lock)
    last = steps.get("aligned") or steps["reconstructed"]
    files = re.findall(pattern, last)
    lines = "".join(f"{sha256}  {name}\n" for name, sha256 in files)
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def perplexities(lock: str) -> dict[str, float]:
    """Returns the perplexity that each evaluation of a lock file has."""
    found = {}
    for name, step in _steps(lock).items():
        metric = re.search(r'name: "perplexity"\s+number: (\S+)', step)
        if metric:
            found[name] = float(metric.group(1))
    return found


def shown(value: float) -> str:
    """Returns a perplexity as the tables have it: three digits, or all before the point."""
    if value >= 1000:
        return f"{value:,.0f}"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{digits}f}"


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def tables(readme: str) -> list[tuple[str, dict[str, str]]]:
    """Returns the rows of tables of results: the experiment, and its cells by step."""
    rows, columns, experiment = [], None, ""
    for line in readme.splitlines():
        cells = _cells(line)
        if not line.startswith("|"):
            columns = None
        elif cells[0] == "experiment" and set(cells[1:]) <= set(_COLUMNS):
            columns = [_COLUMNS[cell] for cell in cells[1:]]
        elif columns and not set(line) <= set("|- "):
            steps = columns
            if cells[0] == _CUT_IN_ORDER:
                steps = ["evaluate_sequential"]
            else:
                experiment = cells[0].strip("`")
            rows.append((experiment, {s: c for s, c in zip(steps, cells[1:]) if c}))
    return rows


class ResultTablesTest(unittest.TestCase):
    def _check(self, path: str, wanted: set[str]) -> None:
        readme = pathlib.Path(path).read_text(encoding="utf-8")
        rows = tables(readme)
        self.assertEqual({experiment for experiment, _ in rows}, wanted)
        for experiment, cells in rows:
            values = perplexities(_read_lock(experiment))
            self.assertTrue(cells, experiment)
            for step, cell in cells.items():
                self.assertEqual(cell, shown(values[step]), f"{path}: {experiment}, {step}")
            dense = re.findall(r"the dense model's is\s+([\d.]+\d)", readme)
            self.assertEqual(len(dense), 1, path)
            self.assertAlmostEqual(float(dense[0]), values["evaluate_dense"], delta=0.005)

    def test_on_a_real_model(self) -> None:
        self._check("README.md", self._locks() - self._on_fixture())

    def _locks(self) -> set[str]:
        return {path.name.split(".")[0] for path in pathlib.Path("experiments").glob("*.lock.*")}

    def _on_fixture(self) -> set[str]:
        return {name for name in self._locks() if not name.startswith("smollm2_")}

    def test_on_the_fixture(self) -> None:
        self.assertEqual(len(self._on_fixture()), 9)
        self._check("experiments/README.md", self._on_fixture())

    def test_digests(self) -> None:
        readme = pathlib.Path("README.md").read_text(encoding="utf-8")
        rows = re.findall(r"^\| `(\w+)` \| `([0-9a-f]{16})` \|$", readme, re.MULTILINE)
        self.assertEqual({experiment for experiment, _ in rows}, self._on_fixture())
        for experiment, digest in rows:
            self.assertEqual(digest, checkpoint_digest(_read_lock(experiment)), experiment)

    def test_a_table_that_is_not_the_lock_is_found(self) -> None:
        rows = tables(
            "| experiment | MLP experts | and attention experts | aligned |\n"
            "|---|---|---|---|\n| `a` | 1.50 | | 2.0 |\n"
            "| its routers, experts cut in order | 3 | | |\n"
        )
        self.assertEqual(rows[0], ("a", {"evaluate_mlp": "1.50", "evaluate_aligned": "2.0"}))
        self.assertEqual(rows[1], ("a", {"evaluate_sequential": "3"}))
        lock = 'steps {\n  name: "e"\n  metrics {\n    name: "perplexity"\n    number: 1.5\n  }\n}\n'
        self.assertEqual(perplexities(lock), {"e": 1.5})
        self.assertEqual([shown(x) for x in (1.496, 31.02, 527.1, 22462800.0)],
                         ["1.50", "31.0", "527", "22,462,800"])


if __name__ == "__main__":
    unittest.main()
