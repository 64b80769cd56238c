"""Makes a LLaMA checkpoint of any shape with random weights.

For measuring memory and speed at the size of a real model: by default the shape
of LLaMA-3-8B with a vocabulary of 512, 13 GB of BF16 in shards of 4 GB. The
model says nothing sensible. Its tokenizer is that of testdata/llama_gqa_bf16.

A matrix [rows, columns] is normal with standard deviation 1 / sqrt(columns), so
that activations neither vanish nor overflow; norms are 1. The normal numbers
come from one pool of 2^20, each the sum of 12 uniform ones; a row is a piece of
the pool at an offset of its own. So 13 GB take about as long as writing them,
in a few hundred MB of memory, and one seed gives the same bytes everywhere.

Needs Python's standard library only.

Usage:
  python make_synthetic_llama.py --out DIR [--layers 32] [--seed 0] ...
"""

import argparse
import array
import dataclasses
import hashlib
import json
import math
import pathlib
import random
import shutil
import sys
import tempfile
import time
from typing import BinaryIO, Iterator, Sequence

_REPOSITORY = pathlib.Path(__file__).absolute().parents[2]
_TOKENIZER = _REPOSITORY / "testdata" / "llama_gqa_bf16"
_TOKENIZER_FILES = (
    "chat_template.jinja",
    "generation_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
)
_TOKENIZER_VOCABULARY = 512

_POOL_SIZE = 1 << 20
_ROWS_PER_WRITE = 256
_BF16_BYTES = 2
_BF16_ONE = b"\x80\x3f"
_REPORT_SECONDS = 5.0


class SyntheticError(Exception):
    """A failure to tell the user about in one line."""


@dataclasses.dataclass(frozen=True)
class Shape:
    """The shape of a model; names as in config.json."""

    num_hidden_layers: int = 32
    hidden_size: int = 4096
    intermediate_size: int = 14336
    num_attention_heads: int = 32
    num_key_value_heads: int = 8
    vocab_size: int = 512
    max_position_embeddings: int = 8192
    rope_theta: float = 500000.0

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_attention_heads

    def check(self) -> None:
        """Raises for a shape that no LLaMA has."""
        for field in dataclasses.fields(self):
            if not getattr(self, field.name) >= 1:
                raise SyntheticError(f"{field.name} is not positive")
        heads, kv_heads = self.num_attention_heads, self.num_key_value_heads
        if self.hidden_size % (2 * heads) != 0:
            raise SyntheticError(
                f"hidden_size {self.hidden_size} is not a multiple of twice "
                f"num_attention_heads, {heads}"
            )
        if heads % kv_heads != 0:
            raise SyntheticError(
                f"num_attention_heads {heads} is not a multiple of "
                f"num_key_value_heads {kv_heads}"
            )
        if self.vocab_size < _TOKENIZER_VOCABULARY:
            raise SyntheticError(
                f"vocab_size {self.vocab_size} is below the tokenizer's "
                f"{_TOKENIZER_VOCABULARY}"
            )
        if max(self.vocab_size, self.intermediate_size) > _POOL_SIZE:
            raise SyntheticError(f"a dimension is over {_POOL_SIZE}")


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A weight to write: a matrix [rows, columns], or a norm [columns]."""

    name: str
    shape: tuple[int, ...]

    @property
    def num_bytes(self) -> int:
        return math.prod(self.shape) * _BF16_BYTES


def tensors_of(shape: Shape) -> Iterator[Tensor]:
    """Yields a model's weights in the order of its layers."""
    hidden, inner = shape.hidden_size, shape.intermediate_size
    kv_size = shape.num_key_value_heads * shape.head_dim
    yield Tensor("model.embed_tokens.weight", (shape.vocab_size, hidden))
    for i in range(shape.num_hidden_layers):
        for name, dims in (
            ("input_layernorm", (hidden,)),
            ("self_attn.q_proj", (hidden, hidden)),
            ("self_attn.k_proj", (kv_size, hidden)),
            ("self_attn.v_proj", (kv_size, hidden)),
            ("self_attn.o_proj", (hidden, hidden)),
            ("post_attention_layernorm", (hidden,)),
            ("mlp.gate_proj", (inner, hidden)),
            ("mlp.up_proj", (inner, hidden)),
            ("mlp.down_proj", (hidden, inner)),
        ):
            yield Tensor(f"model.layers.{i}.{name}.weight", dims)
    yield Tensor("model.norm.weight", (hidden,))
    yield Tensor("lm_head.weight", (shape.vocab_size, hidden))


def plan_shards(
    tensors: Sequence[Tensor], max_bytes: int
) -> dict[str, list[Tensor]]:
    """Cuts the tensors into files of at most max_bytes, but one tensor each."""
    shards: list[list[Tensor]] = [[]]
    size = 0
    for tensor in tensors:
        if shards[-1] and size + tensor.num_bytes > max_bytes:
            shards.append([])
            size = 0
        shards[-1].append(tensor)
        size += tensor.num_bytes
    if len(shards) == 1:
        return {"model.safetensors": shards[0]}
    return {
        f"model-{i:05}-of-{len(shards):05}.safetensors": shard
        for i, shard in enumerate(shards, start=1)
    }


def _round_to_bf16(values: list[float]) -> bytes:
    """Rounds to BF16, to nearest even, by way of float32."""
    words = array.array("I", array.array("f", values).tobytes())
    if sys.byteorder != "little" or words.itemsize != 4:
        raise SyntheticError("wants a little-endian machine")
    halves = ((w + 0x7FFF + ((w >> 16) & 1)) >> 16 for w in words)
    return array.array("H", halves).tobytes()


class Weights:
    """The bytes of every tensor of a seed."""

    def __init__(self, seed: int):
        self._seed = seed
        uniform = random.Random(seed).random
        # The sum of 12 uniform numbers has mean 6 and variance 1; unlike a
        # logarithm, it has the same bits with every C library.
        self._normal = [
            sum(uniform() for _ in range(12)) - 6.0 for _ in range(_POOL_SIZE)
        ]
        self._pools: dict[int, memoryview] = {}

    def _pool(self, columns: int) -> memoryview:
        """The pool as BF16 with the deviation for so many columns."""
        if columns not in self._pools:
            scale = 1.0 / math.sqrt(columns)
            data = _round_to_bf16([x * scale for x in self._normal])
            # The beginning again, for rows that start near the end.
            whole = data + data[: columns * _BF16_BYTES]
            self._pools[columns] = memoryview(whole)
        return self._pools[columns]

    def chunks(self, tensor: Tensor) -> Iterator[bytes]:
        """Yields the tensor's bytes, some hundred rows at a time."""
        if len(tensor.shape) == 1:
            yield _BF16_ONE * tensor.shape[0]
            return
        rows, columns = tensor.shape
        pool, row_bytes = self._pool(columns), columns * _BF16_BYTES
        digest = hashlib.sha256(
            f"{self._seed}/{tensor.name}".encode()
        ).digest()
        start = int.from_bytes(digest[:4], "little")
        # Odd: all rows differ, for the pool's size is a power of two.
        stride = int.from_bytes(digest[4:8], "little") | 1
        for first in range(0, rows, _ROWS_PER_WRITE):
            offsets = (
                (start + row * stride) % _POOL_SIZE * _BF16_BYTES
                for row in range(first, min(rows, first + _ROWS_PER_WRITE))
            )
            yield b"".join(pool[o : o + row_bytes] for o in offsets)


def header_of(tensors: Sequence[Tensor]) -> bytes:
    """Returns the safetensors header, its length before it."""
    fields: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor in tensors:
        end = offset + tensor.num_bytes
        fields[tensor.name] = {
            "dtype": "BF16",
            "shape": list(tensor.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(fields, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


class _Progress:
    """Says now and then how much is written."""

    def __init__(self, total_bytes: int):
        self._total = total_bytes
        self._done = 0
        self._start = self._reported = time.monotonic()

    def add(self, num_bytes: int) -> None:
        self._done += num_bytes
        now = time.monotonic()
        if now - self._reported < _REPORT_SECONDS and self._done < self._total:
            return
        self._reported = now
        rate = self._done / max(now - self._start, 1e-9)
        _say(
            f"{self._done / 1e9:.2f} of {self._total / 1e9:.2f} GB, "
            f"{rate / 1e6:.0f} MB/s, {now - self._start:.0f} s"
        )


def _say(text: str) -> None:
    print(f"make_synthetic_llama: {text}", flush=True)


def _write_shard(
    file: BinaryIO,
    tensors: Sequence[Tensor],
    weights: Weights,
    progress: _Progress,
) -> None:
    file.write(header_of(tensors))
    for tensor in tensors:
        for chunk in weights.chunks(tensor):
            file.write(chunk)
            progress.add(len(chunk))


def _write_json(path: pathlib.Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _write_config(shape: Shape, directory: pathlib.Path) -> None:
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **dataclasses.asdict(shape),
        "head_dim": shape.head_dim,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "rope_scaling": None,
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": False,
        "bos_token_id": 507,
        "eos_token_id": 508,
        "initializer_range": 0.02,
        "torch_dtype": "bfloat16",
        "use_cache": True,
    }
    _write_json(directory / "config.json", dict(sorted(config.items())))


def _write_index(
    shards: dict[str, list[Tensor]], directory: pathlib.Path
) -> None:
    tensors = [t for shard in shards.values() for t in shard]
    index = {
        "metadata": {"total_size": sum(t.num_bytes for t in tensors)},
        "weight_map": {
            t.name: file for file, shard in shards.items() for t in shard
        },
    }
    _write_json(directory / "model.safetensors.index.json", index)


def _check_target(out: pathlib.Path, num_bytes: int) -> None:
    if out.exists() or out.is_symlink():
        raise SyntheticError(f"{out} exists: remove it, or name another")
    if not out.parent.is_dir():
        raise SyntheticError(
            f"{out.parent} is not a directory: create it, or name another"
        )
    free_bytes = shutil.disk_usage(out.parent).free
    if free_bytes < num_bytes:
        raise SyntheticError(
            f"{out.parent}: {free_bytes} bytes free, want {num_bytes}"
        )


def make(shape: Shape, seed: int, max_shard: int, out: pathlib.Path) -> None:
    """Writes the checkpoint to `out`, or raises and leaves nothing."""
    shape.check()
    tensors = list(tensors_of(shape))
    total_bytes = sum(tensor.num_bytes for tensor in tensors)
    _check_target(out, total_bytes)
    shards = plan_shards(tensors, max_shard)
    weights = Weights(seed)
    progress = _Progress(total_bytes)
    with tempfile.TemporaryDirectory(
        prefix=f".{out.name}.", dir=out.parent
    ) as temp:
        built = pathlib.Path(temp) / "checkpoint"
        built.mkdir()
        for name in _TOKENIZER_FILES:
            shutil.copyfile(_TOKENIZER / name, built / name)
        _write_config(shape, built)
        if len(shards) > 1:
            _write_index(shards, built)
        for name, shard in shards.items():
            with (built / name).open("wb") as file:
                _write_shard(file, shard, weights, progress)
        built.rename(out)


def _parse_args(argv: Sequence[str]) -> argparse.Namespace:
    default = Shape()
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--max_shard_bytes", type=int, default=4_000_000_000, metavar="N"
    )
    for flag, name in (
        ("--layers", "num_hidden_layers"),
        ("--hidden_size", "hidden_size"),
        ("--intermediate_size", "intermediate_size"),
        ("--heads", "num_attention_heads"),
        ("--kv_heads", "num_key_value_heads"),
        ("--vocab_size", "vocab_size"),
        ("--max_positions", "max_position_embeddings"),
        ("--rope_theta", "rope_theta"),
    ):
        value = getattr(default, name)
        parser.add_argument(
            flag, dest=name, type=type(value), default=value, metavar="N"
        )
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    """Runs the command line; returns the exit status."""
    args = _parse_args(argv)
    fields = (field.name for field in dataclasses.fields(Shape))
    shape = Shape(**{name: getattr(args, name) for name in fields})
    out = args.out.absolute()
    try:
        make(shape, args.seed, args.max_shard_bytes, out)
    except (SyntheticError, OSError) as error:
        print(f"make_synthetic_llama: error: {error}", file=sys.stderr)
        return 1
    _say(f"wrote {out}")
    _say(f"next: ./bazelw run //tools:llama_moe -- inspect {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
