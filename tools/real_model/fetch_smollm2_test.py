"""Tests of fetch_smollm2.py: what --overwrite spares."""

import pathlib
import tempfile
import unittest

import fetch_smollm2


class CheckpointFaultTest(unittest.TestCase):
    def _fault(self, **files: str) -> str | None:
        with tempfile.TemporaryDirectory() as temp:
            for name, text in files.items():
                path = pathlib.Path(temp, name)
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
            return fetch_smollm2._checkpoint_fault(pathlib.Path(temp))

    def test_checkpoints_and_empty_directories_may_be_replaced(self) -> None:
        config = '{"model_type": "llama"}'
        self.assertIsNone(self._fault())
        for name in ("model.safetensors", "model.safetensors.index.json"):
            self.assertIsNone(self._fault(**{"config.json": config, name: ""}))

    def test_other_directories_are_spared(self) -> None:
        weights = {"model.safetensors": ""}
        config = {"config.json": '{"model_type": "llama"}'}
        self.assertIn("no config.json", self._fault(**weights) or "")
        for text in ("{", "[]", "{}", '{"model_type": 1}', "[" * 100000):
            fault = self._fault(**weights, **{"config.json": text})
            self.assertIn("its config.json", fault or "", text[:20])
        self.assertIn("neither model.safetensors", self._fault(**config) or "")
        fault = self._fault(**weights, **config, **{"notes/mine.txt": ""})
        self.assertIn("the subdirectory notes", fault or "")

    def test_check_target_refuses(self) -> None:
        with tempfile.TemporaryDirectory() as temp:
            target = pathlib.Path(temp, "project")
            target.mkdir()
            (target / "config.json").write_text("{}", encoding="utf-8")
            with self.assertRaisesRegex(
                fetch_smollm2.FetchError, "not overwritten"
            ):
                fetch_smollm2._check_target(target, overwrite=True)


if __name__ == "__main__":
    unittest.main()
