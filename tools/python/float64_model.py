"""transformers' LLaMA in float64, all of it.

transformers takes norms, softmax and the rotary tables to float32 whatever the
model's dtype is, so that model.double() alone would still round there. Needs torch
and transformers.
"""

import contextlib
from typing import Iterator
from unittest import mock

import torch
import transformers
from transformers.models.llama import modeling_llama


@contextlib.contextmanager
def float32_means_float64() -> Iterator[None]:
    """Makes code that asks for float32 by name compute in float64."""
    with (
        mock.patch.object(torch, "float", torch.float64),
        mock.patch.object(torch, "float32", torch.float64),
        mock.patch.object(torch.Tensor, "float", torch.Tensor.double),
    ):
        yield


def upcast(
    model: transformers.LlamaForCausalLM,
) -> transformers.LlamaForCausalLM:
    """The model in float64, for use within float32_means_float64."""
    model = model.double()
    with float32_means_float64():
        model.model.rotary_emb = modeling_llama.LlamaRotaryEmbedding(
            model.config
        )
    return model
