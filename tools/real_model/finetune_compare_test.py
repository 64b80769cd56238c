"""Tests of finetune_compare.py, with a trainer that stands in and with tiny models.

The latter need torch and transformers: of the Python that MOE_PYTHON names, or else
of this one.
"""

import contextlib
import io
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
from typing import Any, Iterator, Optional
from unittest import mock

import finetune_compare
import finetune_data
from finetune_compare import Measure

_REPOSITORY = pathlib.Path(__file__).absolute().parents[2]
_FIXTURES = _REPOSITORY / "testdata/moe"
_PROGRAM = _REPOSITORY / "tools/real_model/finetune_compare.py"
_CODE = _REPOSITORY / "moe/convert/huggingface"

# Trains a checkpoint for a step, in four ways; prints the largest change of a router's
# and of another weight.
_STEP = """
import json, pathlib, sys
sys.path.append(str(pathlib.Path(sys.argv[1]).parent))
import finetune
from finetune_data import Plan
changes = []
for warmup_tokens, freeze_routers in ((0, False), (0, True), (8, False), (80, False)):
    plan = Plan([[1, 2]], [0], 1e-3, warmup_tokens, freeze_routers, 0)
    training = finetune.Training(pathlib.Path(sys.argv[2]), plan)
    parameters = dict(training.model.named_parameters())
    names = ["model.layers.1.block_sparse_moe.gate.weight", "model.norm.weight"]
    before = [parameters[name].detach().clone() for name in names]
    training.step([[1, 2, 3, 4, 5, 6, 7, 8]])
    changes.append(
        [(parameters[n] - b).abs().max().item() for n, b in zip(names, before)]
    )
print(json.dumps(changes))
"""


def _measures(*losses: float) -> list[Measure]:
    return [Measure(100 * i, loss, 0.0) for i, loss in enumerate(losses)]


class FakeTrainer:
    """Has a curve of losses for each directory, and keeps what it was given.

    A token is a letter: its place in the alphabet, plus what `shift` has for the
    directory.
    """

    def __init__(self, **curves: list[float]):
        self.curves = curves
        self.shift: dict[str, int] = {}
        self.batches: dict[str, list[Any]] = {}
        self.plans: list[finetune_data.Plan] = []
        self.threads = 0

    def use_threads(self, count: int) -> None:
        self.threads = count

    def versions(self) -> dict[str, str]:
        return {"torch": "0"}

    def tokenizer(self, directory: pathlib.Path) -> Any:
        shift = self.shift.get(directory.name, 0)
        return lambda text: [ord(c) - ord("a") + shift for c in text]

    def losses_by_tokens(
        self, directory: pathlib.Path, batches: Iterator[Any], plan: Any
    ) -> Iterator[dict[str, Any]]:
        self.plans.append(plan)
        self.batches[directory.name] = list(itertools.islice(batches, 6))
        for tokens, loss in zip(plan.tokens, self.curves[directory.name]):
            yield {"tokens": tokens, "loss": loss, "seconds": 1.5}


class CompareTest(unittest.TestCase):
    def setUp(self) -> None:
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self._root = pathlib.Path(temp.name)
        for name in ("slow", "fast"):
            (self._root / name).mkdir()
            (self._root / name / "config.json").write_text("{}")
        self._write("train", {"text": "abcdefg"}, {"input_ids": [7, 8, 9, 10, 11]})
        self._write("held_out", {"text": "abcdef"}, {"text": "x"}, {"text": "yz"})
        self._trainer = FakeTrainer(slow=[5.0, 3.0, 1.0], fast=[2.0, 1.5, 1.0])

    def _write(self, name: str, *rows: dict[str, Any]) -> None:
        lines = [json.dumps(row) + "\n" for row in rows]
        (self._root / f"{name}.jsonl").write_text("".join(lines))

    def _run(self, *arguments: str) -> tuple[int, str]:
        """The exit status, and both outputs of the program."""
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            status = finetune_compare.main(
                [
                    "--checkpoints",
                    f"slow={self._root / 'slow'}",
                    f"fast={self._root / 'fast'}",
                    f"--train={self._root / 'train.jsonl'}",
                    f"--held_out={self._root / 'held_out.jsonl'}",
                    f"--out={self._root / 'out.json'}",
                    "--sequence_length=4",
                    *arguments,
                ],
                self._trainer,
            )
        return status, output.getvalue()

    def _fails(self, message: str, *arguments: str) -> None:
        status, output = self._run(*arguments)
        self.assertEqual(status, 2, output)
        self.assertIn(message, output)
        self.assertEqual(self._trainer.plans, [], "trained before it failed")

    def test_says_what_a_start_is_worth(self) -> None:
        status, output = self._run("--tokens", "8", "16", "--threads=3")
        self.assertEqual(status, 0, output)
        # 2.0 is halfway from 3.0 at 8 tokens to 1.0 at 16.
        self.assertEqual(
            output.splitlines()[-1],
            "slow reaches the first loss of fast after 12 tokens",
        )
        self.assertIn("fast: 0 tokens: loss 2.0000, perplexity 7.4\n", output)
        self.assertEqual(self._trainer.threads, 3)
        written = json.loads((self._root / "out.json").read_text())
        self.assertEqual(written["conclusions"][0]["tokens"], 12)
        self.assertEqual(
            written["checkpoints"]["fast"][1],
            {"tokens": 8, "loss": 1.5, "seconds": 1.5},
        )
        self.assertEqual(written["settings"]["sequence_length"], 4)

    def test_says_where_it_is_not_reached(self) -> None:
        self._trainer.curves["fast"] = [0.5, 0.4, 0.3]
        _, output = self._run("--tokens", "8", "16")
        self.assertEqual(
            output.splitlines()[-1],
            "slow does not reach the first loss of fast within 16 tokens",
        )
        written = json.loads((self._root / "out.json").read_text())
        self.assertIsNone(written["conclusions"][0]["tokens"])

    def test_trains_alike(self) -> None:
        self._run(
            *("--batch_size=2", "--tokens", "1", "9"),
            *("--warmup_tokens=8", "--freeze_routers"),
        )
        self.assertEqual(*self._trainer.batches.values())
        self.assertEqual(*self._trainer.plans)
        plan = self._trainer.plans[0]
        # Rounded up to batches of 2 * 4 tokens, after a measure before training.
        self.assertEqual(plan.tokens, [0, 8, 16])
        # Cut to 4 tokens; the row of one token predicts nothing.
        self.assertEqual(plan.held_out, [[0, 1, 2, 3], [24, 25]])
        self.assertEqual(plan.warmup_tokens, 8)
        self.assertTrue(plan.freeze_routers)

    def test_other_tokens_are_an_error(self) -> None:
        self._trainer.shift["fast"] = 1
        self._fails("fast: expected the tokens that the tokenizer of")

    def test_bad_data_is_an_error(self) -> None:
        self._fails("found 3; give more text", "--batch_size=4")
        self._write("held_out", {"text": "a"})
        self._fails("held_out.jsonl: expected a row of two tokens or more")
        for row in ({"texts": "a"}, {"input_ids": [True]}, ["a"]):
            self._write("train", {"text": "abcd"}, row)
            self._fails("train.jsonl:2: expected {")
        (self._root / "train.jsonl").write_bytes(b'{"text": "\xff"}\n')
        self._fails("train.jsonl: expected UTF-8")

    def test_bad_flags_are_errors(self) -> None:
        slow = self._root / "slow"
        self._fails("--sequence_length: expected 2", "--sequence_length=1")
        self._fails("--batch_size: expected 1 or more, found 0", "--batch_size=0")
        self._fails("--tokens: expected 0 or more, found -1", "--tokens=-1")
        for rate in ("0", "nan", "inf"):
            self._fails("--learning_rate: expected", f"--learning_rate={rate}")
        self._fails("expected a directory to write to", "--out=/no/such/file")
        self._fails("expected NAME=DIR, found 'x'", "--checkpoints", "x")
        self._fails("found 'x' twice", "--checkpoints", f"x={slow}", f"x={slow}")
        self._fails("/no: expected a checkpoint", "--checkpoints", "x=/no")
        self._fails("/no.jsonl", "--train=/no.jsonl")

    def test_a_python_without_torch_is_told(self) -> None:
        self._trainer = None
        with mock.patch.dict(sys.modules, {"finetune": None}):
            status, output = self._run()
        self.assertEqual(status, 2)
        self.assertIn("run finetune_compare.sh", output)


class TokensToReachTest(unittest.TestCase):
    def test_is_on_the_line_between_measures(self) -> None:
        measures = _measures(5.0, 3.0, 4.0, 2.0)
        for loss, want in ((5.5, 0), (5.0, 0), (4.5, 25), (3.0, 100), (2.5, 275)):
            got = finetune_compare.tokens_to_reach(measures, loss)
            self.assertAlmostEqual(got, want, msg=str(loss))
        self.assertIsNone(finetune_compare.tokens_to_reach(measures, 1.9))

    def test_conclusions_go_from_worse_to_better(self) -> None:
        found = finetune_compare.conclusions(
            {"a": _measures(3.0, 1.0), "b": _measures(2.0, 1.0), "c": _measures(2.0)}
        )
        pairs = [(entry["checkpoint"], entry["other"]) for entry in found]
        self.assertEqual(pairs, [("a", "b"), ("a", "c")])
        self.assertEqual([entry["tokens"] for entry in found], [50, 50])


class DataTest(unittest.TestCase):
    def test_a_row_ends_at_a_newline_alone(self) -> None:
        with tempfile.TemporaryDirectory() as temp:
            path = pathlib.Path(temp) / "rows.jsonl"
            path.write_text('{"text": "a\u2028b"}\n{"text": "c"}', "utf-8")
            self.assertEqual(finetune_data.read_rows(path), ["a\u2028b", "c"])

    def test_rows_are_joined(self) -> None:
        got = finetune_data.training_sequences([[1, 2, 3], [4], [5, 6, 7]], 2)
        self.assertEqual(got, [[1, 2], [3, 4], [5, 6]])

    def test_every_epoch_has_all_in_another_order(self) -> None:
        sequences = [[i, i] for i in range(20)]
        drawn = list(itertools.islice(finetune_data.batches(sequences, 4, 1), 10))
        self.assertEqual({len(batch) for batch in drawn}, {4})
        first, second = sum(drawn[:5], []), sum(drawn[5:], [])
        self.assertNotEqual(first, second)
        for epoch in (first, second):
            self.assertEqual(sorted(epoch), sequences)

    def test_follow_from_the_seed(self) -> None:
        def drawn(seed: int) -> list[Any]:
            sequences = [[i] for i in range(20)]
            return next(finetune_data.batches(sequences, 20, seed))

        self.assertEqual(drawn(3), drawn(3))
        self.assertNotEqual(drawn(3), drawn(4))


def _python_with_torch() -> Optional[str]:
    """A Python for the real trainer; None where there is none."""
    named = os.environ.get("MOE_PYTHON")
    python = named or sys.executable
    command = [python, "-c", "import torch, transformers"]
    if subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0:
        return python
    if named:
        raise AssertionError(f"MOE_PYTHON={named} cannot import torch, transformers")
    return None


class TinyModelTest(unittest.TestCase):
    """The real trainer, on the fixtures of testdata/moe."""

    def setUp(self) -> None:
        self._python = _python_with_torch()
        if self._python is None:
            self.skipTest("no Python with torch and transformers; set MOE_PYTHON")
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self._root = pathlib.Path(temp.name)
        for name in ("vanilla", "residual"):
            shutil.copytree(_FIXTURES / name, self._root / name)
            for path in _CODE.glob("*.py"):
                shutil.copy(path, self._root / name)
        # Four tokens that follow one another are soon learned.
        self._write("train", [1, 2, 3, 4] * 16)
        self._write("held_out", [1, 2, 3, 4] * 3, [3, 4, 1, 2])

    def _write(self, name: str, *rows: list[int]) -> None:
        lines = [json.dumps({"input_ids": row}) + "\n" for row in rows]
        (self._root / f"{name}.jsonl").write_text("".join(lines))

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(_PROGRAM), "--checkpoints"]
        command += [f"vanilla={self._root / 'vanilla'}"]
        command += [f"residual={self._root / 'residual'}"]
        command += [f"again={self._root / 'vanilla'}"]
        command += [f"--train={self._root / 'train.jsonl'}"]
        command += [f"--held_out={self._root / 'held_out.jsonl'}"]
        command += [f"--out={self._root / 'out.json'}", "--sequence_length=8"]
        return self._execute(*command, *arguments)

    def _execute(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "HF_HOME": str(self._root), "HF_HUB_OFFLINE": "1"}
        return subprocess.run(
            [self._python, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def _losses(self, *arguments: str) -> dict[str, list[float]]:
        ran = self._run("--tokens", "16", "320", *arguments)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        written = json.loads((self._root / "out.json").read_text())
        for measures in written["checkpoints"].values():
            self.assertEqual([entry["tokens"] for entry in measures], [0, 16, 320])
        return {
            name: [entry["loss"] for entry in measures]
            for name, measures in written["checkpoints"].items()
        }

    def test_trains(self) -> None:
        losses = self._losses("--learning_rate=3e-3", "--batch_size=2")
        for before, _, after in losses.values():
            # No better than chance among 64 tokens at first, ln 64 = 4.2.
            self.assertGreater(before, 3.0)
            self.assertLess(after, 0.6 * before)
        self.assertEqual(losses["vanilla"], losses["again"])
        self.assertNotEqual(losses["vanilla"], losses["residual"])

    def test_a_step(self) -> None:
        ran = self._execute("-c", _STEP, str(_PROGRAM), str(self._root / "vanilla"))
        self.assertEqual(ran.returncode, 0, ran.stderr)
        plain, frozen, warm, warming = json.loads(ran.stdout)
        # A first step of AdamW is as long as the rate, a tenth after 8 of 80 tokens;
        # weights of at most 4 decay by 1e-2 of that.
        for got, want in ((plain, 1e-3), (warm, 1e-3), (warming, 1e-4)):
            for change in got:
                self.assertAlmostEqual(change, want, delta=0.05 * want)
        self.assertEqual(frozen[0], 0)
        self.assertEqual(frozen[1], plain[1])

    def test_errors_name_what_is_wrong(self) -> None:
        self._write("held_out", [1, 64])
        ran = self._run()
        self.assertEqual(ran.returncode, 2)
        self.assertIn("vanilla: expected tokens from 0 to 63, found 64", ran.stderr)
        (self._root / "held_out.jsonl").write_text('{"text": "a b c"}\n')
        ran = self._run()
        self.assertEqual(ran.returncode, 2)
        self.assertIn("vanilla: expected a tokenizer, found none", ran.stderr)


if __name__ == "__main__":
    unittest.main()
