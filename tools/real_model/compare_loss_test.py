"""Tests of compare_loss.py, with programs that stand in for both sides."""

import contextlib
import io
import json
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

import compare_loss
from compare_loss import Run, Variant

# Answers `evaluate` and transformers_loss.py with what the environment says, and
# keeps their arguments. With FAKE_BATCH_SPEED a batch is faster by that factor.
_FAKE = """#!{python}
import json, os, sys
with open(os.environ["FAKE_LOG"], "a") as log:
    log.write(json.dumps([os.environ["MOE_NUM_THREADS"], *sys.argv[1:]]) + "\\n")
if sys.argv[1] == "tokenize":
    sys.exit(0)
if "FAKE_ERROR" in os.environ:
    sys.exit(os.environ["FAKE_ERROR"])
ours = sys.argv[1] == "evaluate"
side = "OURS" if ours else "THEIRS"
speed = 160.0 if ours else 100.0
if "--batch=1" not in sys.argv and not ours:
    speed *= float(os.environ.get("FAKE_BATCH_SPEED", "0.5"))
print(json.dumps({{
    "loss": float(os.environ.get("FAKE_LOSS_" + side, "2.5")),
    "num_predicted_tokens": 14,
    "num_tokens": int(os.environ.get("FAKE_TOKENS_" + side, "16")),
    "tokens_per_sec": speed,
}}))
"""


class CompareTest(unittest.TestCase):
    def setUp(self) -> None:
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self._root = pathlib.Path(temp.name)
        self._fake = self._root / "fake"
        self._fake.write_text(_FAKE.format(python=sys.executable))
        self._fake.chmod(0o755)

    def _run(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """The exit status, and both outputs of the program."""
        environment["FAKE_LOG"] = str(self._root / "log")
        output = io.StringIO()
        with (
            mock.patch.dict(compare_loss.os.environ, environment),
            mock.patch.object(
                compare_loss.corpora, "english", lambda n: "word " * n
            ),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(output),
        ):
            status = compare_loss.main(
                [
                    str(self._fake),
                    "model",
                    f"--transformers_loss={self._fake}",
                    "--length=8",
                    "--sequences=2",
                    f"--json={self._root / 'json'}",
                    *arguments,
                ]
            )
        return status, output.getvalue()

    def _log(self) -> list[list[str]]:
        lines = (self._root / "log").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def test_equal_losses_pass(self) -> None:
        status, output = self._run(
            "--threads=3",
            "--evaluate_flag=--memory_budget=1GiB",
            FAKE_LOSS_OURS="2.500009",
        )
        self.assertEqual(status, 0, output)
        self.assertIn("met", output)
        tokenize, ours, theirs = self._log()
        self.assertEqual(tokenize[:2], ["3", "tokenize"])
        self.assertIn("--model_max_length=8", tokenize)
        self.assertEqual(ours[:3], ["3", "evaluate", "--json"])
        self.assertIn("--model_max_length=8", ours)
        self.assertIn("--memory_budget=1GiB", ours)
        self.assertIn("--threads=3", theirs)
        self.assertIn("--exact", theirs)
        result = json.loads((self._root / "json").read_text())
        self.assertAlmostEqual(result["loss"]["difference"], 9e-6)

    def test_other_losses_fail(self) -> None:
        for loss in ("2.500011", "2.499989", "nan"):
            status, output = self._run(FAKE_LOSS_OURS=loss)
            self.assertEqual(status, 1, output)
            self.assertIn("MISSED", output)

    def test_other_tokens_are_an_error(self) -> None:
        status, output = self._run(FAKE_TOKENS_OURS="15")
        self.assertEqual(status, 2)
        self.assertIn(
            "num_tokens: evaluate counts 15, transformers 16", output
        )

    def test_a_failure_is_told(self) -> None:
        status, output = self._run(FAKE_ERROR="no such model")
        self.assertEqual(status, 2)
        self.assertIn("no such model", output)

    def test_speed_is_against_the_fastest(self) -> None:
        # 160 against 100 reaches 1.5 times; against a batch of 130 it does not.
        for factor, batch, met in (("0.5", 1, True), ("1.3", 2, False)):
            self._run("--speed", "--rounds=2", FAKE_BATCH_SPEED=factor)
            result = json.loads((self._root / "json").read_text())
            self.assertEqual(
                result["speed"]["variant"], f"batch {batch}, sdpa"
            )
            self.assertEqual(
                result["speed"]["ours_tokens_per_sec"], [160.0, 160.0]
            )
            bars = {bar["what"]: bar["is_met"] for bar in result["bars"]}
            self.assertEqual(bars["tokens/s, of transformers'"], met)

    def test_rounds_are_in_turn(self) -> None:
        self._run("--speed", "--rounds=2")
        sides = [
            "ours" if run[1] == "evaluate" else "theirs" for run in self._log()
        ]
        # Tokenized, the losses, four variants of theirs, and the rounds.
        self.assertEqual(sides[3:7], ["theirs"] * 4)
        self.assertEqual(sides[7:], ["ours", "theirs"] * 2)


class SummaryTest(unittest.TestCase):
    def test_medians_and_peaks(self) -> None:
        def run(speed: float, peak: int) -> Run:
            return Run(1.0, 15, 16, speed, peak)

        rounds = [
            (run(30.0, 50), run(10.0, 100)),
            (run(20.0, 40), run(10.0, 120)),
            (run(14.0, 30), run(10.0, 110)),
        ]
        theirs = [theirs for _, theirs in rounds] + [run(5.0, 90)]
        figures, bars = compare_loss.summarise(
            Variant(1, "sdpa"), rounds, theirs
        )
        self.assertEqual(figures["speed_ratio"], 2.0)
        self.assertEqual(figures["ours_peak_bytes"], 50)
        self.assertEqual(figures["transformers_peak_bytes"], 90)
        self.assertEqual([bar.is_met for bar in bars], [True, False])


class PiecesTest(unittest.TestCase):
    def test_are_consecutive(self) -> None:
        text = "".join(chr(256 + i) for i in range(1000))
        for ragged in (False, True):
            pieces = compare_loss.pieces_of(text, 10, 6, ragged)
            self.assertEqual(len(pieces), 6)
            self.assertTrue(text.startswith("".join(pieces)))
            lengths = {len(piece) for piece in pieces}
            self.assertEqual(lengths, {70, 15, 10, 7} if ragged else {70})

    def test_too_little_text_is_an_error(self) -> None:
        with self.assertRaisesRegex(compare_loss.CompareError, "want 280"):
            compare_loss.pieces_of("x" * 279, 10, 4, False)


class VariantsTest(unittest.TestCase):
    def test_batches_are_of_4096_tokens(self) -> None:
        def batches(length: int, sequences: int) -> set[int]:
            choices = compare_loss.variants(length, sequences)
            return {variant.batch for variant in choices}

        self.assertEqual(batches(512, 16), {1, 8})
        self.assertEqual(batches(512, 4), {1, 4})
        self.assertEqual(batches(4096, 2), {1, 2})
        self.assertEqual(batches(4096, 1), {1})


if __name__ == "__main__":
    unittest.main()
