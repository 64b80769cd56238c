"""Tiny MoE checkpoints for the tests of the model code: files, model and reference."""

import dataclasses
import itertools
import pathlib
import tempfile
from typing import Iterator

import torch

import moe_reference
import tiny_moe
import travelling_model

# A share of the largest logit: float32 against float64.
MAX_RELATIVE_DIFFERENCE = 1e-5

ROPE_SCALINGS = (
    None,
    {"rope_type": "linear", "factor": 2.0},
    {"rope_type": "dynamic", "factor": 2.0},
    {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16,
    },
)


@dataclasses.dataclass
class Case:
    """A checkpoint: its options and tensors, the model loaded from it."""

    options: tiny_moe.Options
    tensors: dict[str, torch.Tensor]
    model: torch.nn.Module

    def reference(self) -> moe_reference.Reference:
        return moe_reference.Reference(tiny_moe.config_json(self.options), self.tensors)


def make_case(options, seed=1, dtype=torch.float32, **changes) -> Case:
    """Writes a checkpoint and loads it; `changes` replace some of its tensors."""
    tensors = {**tiny_moe.random_tensors(options, seed), **changes}
    with tempfile.TemporaryDirectory() as directory:
        tiny_moe.write(options, tensors, pathlib.Path(directory))
        model = travelling_model.load(directory, dtype)
    return Case(options, tensors, model)


def random_ids(*shape: int, seed: int = 0, vocab_size: int = 64) -> torch.Tensor:
    """Ids that are neither of the tokens which generate() looks out for."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3, vocab_size, shape, generator=generator)


def left_pad(sequences: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """input_ids and attention_mask [batch, longest]."""
    longest = max(map(len, sequences))
    ids = torch.stack([torch.nn.functional.pad(s, (longest - len(s), 0)) for s in sequences])
    mask = torch.stack([(torch.arange(longest) >= longest - len(s)).long() for s in sequences])
    return ids, mask


_MLPS = {
    "dense": {"num_local_experts": 0},
    "vanilla": {"scale_factor": 4.0},
    "residual": {
        "num_local_experts": 3,
        "num_experts_per_tok": 1,
        "intermediate_size_residual": 24,
        "scale_factor": 0.5,
    },
}
_ATTENTIONS = {
    "dense": {},
    "groups": {"attn_split": 1, "top_k_attn": 1, "scale_factor_attn": 2.0},
    "split": {"attn_split": 2, "top_k_attn": 3, "scale_factor_attn": 0.5},
}


def all_options() -> Iterator[tiny_moe.Options]:
    """Every combination of the kinds of MLP and attention, contract layers and biases.

    RoPE scaling, tied embeddings and the head's size change from one to the next, so
    that each goes with each of the others somewhere.
    """
    kinds = itertools.product(
        _MLPS, _ATTENTIONS, (0, 1), (False, True), (False, True), (False, True)
    )
    count = 0
    for mlp, attention, contract, aligned, attention_bias, mlp_bias in kinds:
        if mlp == attention == "dense":
            continue  # No MoE.
        yield tiny_moe.Options(
            **_MLPS[mlp],
            **_ATTENTIONS[attention],
            num_moe_contract_layers=contract,
            add_rescale_bias=aligned,
            attention_bias=attention_bias,
            mlp_bias=mlp_bias,
            rope_scaling=ROPE_SCALINGS[count % 4],
            tie_word_embeddings=count % 3 == 0,
            head_dim=(8, 12, 6, 10, 4)[count % 5],
            # Longer sequences leave it where the type is dynamic.
            max_position_embeddings=10,
        )
        count += 1


def relative_difference(got: torch.Tensor, want: torch.Tensor) -> float:
    """The largest difference over the largest magnitude; NaN if there is one."""
    return ((got - want).abs().max() / want.abs().max()).item()
