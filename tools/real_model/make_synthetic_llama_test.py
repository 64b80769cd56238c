"""Tests of make_synthetic_llama.py, at a shape of a few hundred kB."""

import array
import contextlib
import hashlib
import io
import json
import math
import pathlib
import tempfile
import unittest

import make_synthetic_llama

# The tiny shape, in one file, with seed 0.
_PINNED = "712ba5070adec1ed701a8645ae92f6c981e77fdd4f0b5914a53713e06bc86212"

_TINY = [
    "--layers=2",
    "--hidden_size=64",
    "--intermediate_size=96",
    "--heads=4",
    "--kv_heads=2",
    "--max_shard_bytes=100000",
]


def _run(*arguments: str) -> tuple[int, str]:
    """The exit status and the error output of the program."""
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        with contextlib.redirect_stdout(io.StringIO()):
            status = make_synthetic_llama.main(arguments)
    return status, errors.getvalue()


def _read_shard(path: pathlib.Path) -> dict[str, tuple[list[int], bytes]]:
    """Shape and bytes of every tensor of a file."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    assert header.pop("__metadata__") == {"format": "pt"}
    body, end, tensors = data[8 + length :], 0, {}
    for name, entry in header.items():
        assert entry["dtype"] == "BF16" and entry["data_offsets"][0] == end
        begin, end = entry["data_offsets"]
        tensors[name] = entry["shape"], body[begin:end]
    assert end == len(body) and length % 8 == 0
    return tensors


def _floats(data: bytes) -> list[float]:
    halves = array.array("H", data)
    words = array.array("I", (half << 16 for half in halves))
    return array.array("f", words.tobytes()).tolist()


class MakeTest(unittest.TestCase):
    def setUp(self) -> None:
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self._root = pathlib.Path(temp.name)
        self._out = self._root / "model"

    def _make(self, *arguments: str) -> dict[str, tuple[list[int], bytes]]:
        status, errors = _run(f"--out={self._out}", *_TINY, *arguments)
        self.assertEqual((status, errors), (0, ""))
        tensors: dict[str, tuple[list[int], bytes]] = {}
        for path in sorted(self._out.glob("*.safetensors")):
            tensors.update(_read_shard(path))
        return tensors

    def test_index_and_shards_agree(self) -> None:
        tensors = self._make()
        index = json.loads(
            (self._out / "model.safetensors.index.json").read_text("utf-8")
        )
        self.assertEqual(
            index["metadata"]["total_size"],
            sum(len(data) for _, data in tensors.values()),
        )
        self.assertEqual(set(index["weight_map"]), set(tensors))
        files = sorted(set(index["weight_map"].values()))
        self.assertEqual(
            files, sorted(p.name for p in self._out.glob("*.safetensors"))
        )
        self.assertEqual(
            files[0], f"model-00001-of-{len(files):05}.safetensors"
        )
        for file in files:
            shard = _read_shard(self._out / file)
            for name in shard:
                self.assertEqual(index["weight_map"][name], file)
            size = sum(len(data) for _, data in shard.values())
            self.assertTrue(size <= 100000, (file, size))

    def test_tensors_fit_the_config(self) -> None:
        tensors = self._make()
        config = json.loads((self._out / "config.json").read_text("utf-8"))
        self.assertEqual(config["head_dim"], 16)
        self.assertEqual(len(tensors), 9 * config["num_hidden_layers"] + 3)
        for name, shape in (
            ("model.embed_tokens.weight", [512, 64]),
            ("model.layers.1.self_attn.k_proj.weight", [32, 64]),
            ("model.layers.1.mlp.gate_proj.weight", [96, 64]),
            ("model.layers.0.mlp.down_proj.weight", [64, 96]),
            ("model.norm.weight", [64]),
        ):
            self.assertEqual(tensors[name][0], shape, name)
        for shape, data in tensors.values():
            self.assertEqual(len(data), 2 * math.prod(shape))

    def test_values_have_the_wanted_deviation(self) -> None:
        for name, (shape, data) in self._make().items():
            values = _floats(data)
            if len(shape) == 1:
                self.assertEqual(values, [1.0] * shape[0], name)
                continue
            variance = sum(v * v for v in values) / len(values) * shape[1]
            self.assertTrue(0.9 < variance < 1.1, (name, variance))
            mean = sum(values) / len(values) * math.sqrt(shape[1])
            self.assertTrue(abs(mean) < 0.08, (name, mean))
            rows = [
                data[i : i + 2 * shape[1]]
                for i in range(0, len(data), 2 * shape[1])
            ]
            self.assertEqual(len(set(rows)), shape[0], name)

    def test_bytes_follow_from_the_seed(self) -> None:
        def digest(name: str) -> str:
            return hashlib.sha256((self._root / name).read_bytes()).hexdigest()

        self._make("--max_shard_bytes=1000000")
        first = digest("model/model.safetensors")
        self._out = self._root / "again"
        self._make("--max_shard_bytes=1000000")
        self.assertEqual(digest("again/model.safetensors"), first)
        self.assertEqual(first, _PINNED)
        self._out = self._root / "other"
        self._make("--max_shard_bytes=1000000", "--seed=1")
        self.assertNotEqual(digest("other/model.safetensors"), first)
        self.assertFalse((self._out / "model.safetensors.index.json").exists())

    def test_refuses_and_leaves_nothing(self) -> None:
        for argument, message in (
            ("--heads=3", "hidden_size 64 is not a multiple"),
            ("--kv_heads=3", "is not a multiple of num_key_value_heads 3"),
            ("--vocab_size=511", "below the tokenizer's 512"),
            ("--layers=0", "num_hidden_layers is not positive"),
        ):
            status, errors = _run(f"--out={self._out}", *_TINY, argument)
            self.assertEqual(status, 1, argument)
            self.assertIn(message, errors)
        self._out.mkdir()
        status, errors = _run(f"--out={self._out}", *_TINY)
        self.assertEqual(status, 1)
        self.assertIn("exists", errors)
        self.assertEqual(list(self._root.iterdir()), [self._out])
        self.assertEqual(list(self._out.iterdir()), [])

    def test_refuses_a_full_disk(self) -> None:
        with self.assertRaisesRegex(
            make_synthetic_llama.SyntheticError, "bytes free, want"
        ):
            make_synthetic_llama._check_target(self._out, 1 << 62)


class RoundingTest(unittest.TestCase):
    def test_is_to_nearest_even(self) -> None:
        for value, want in (
            (1.0, 0x3F80),
            (-1.0, 0xBF80),
            (1.0 + 2.0**-8, 0x3F80),  # between 0x3F80 and 0x3F81
            (1.0 + 3 * 2.0**-8, 0x3F82),  # between 0x3F81 and 0x3F82
            (1.0 + 2.0**-8 + 2.0**-20, 0x3F81),
            (0.0, 0x0000),
        ):
            data = make_synthetic_llama._round_to_bf16([value])
            self.assertEqual(int.from_bytes(data, "little"), want, value)


if __name__ == "__main__":
    unittest.main()
