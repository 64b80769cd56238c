"""Importance scores of neurons by PyTorch's autograd, in float32.

  importance_scores.py MODEL_DIR ARTIFACT GATE_WEIGHTS IMPORTANCE_SCORES
                       [--batch N] [--sequences N] [--model_max_length N]
                       [--float64]

A library for the test that compares with it, and a program that compares the
scores of a real model: ARTIFACT is a token artifact of `llama_moe tokenize`, of
which the first sequences are taken, in batches; the other two are safetensors
files of `llama_moe`. Prints a line of JSON. Needs torch, transformers,
safetensors and numpy.

The scores are made the plain way: hooks on down_proj of transformers' model,
loss.backward() for each sequence, without padding. Weights get no gradients.
With --float64 all of it is computed in float64: what float32 scores, those of
PyTorch too, are off by then is their own error.
"""

import argparse
import dataclasses
import json
import sys

import safetensors.torch
import torch

import float64_model
import transformers_loss

# A share of a layer's largest score.
MAX_RELATIVE_DIFFERENCE = 1e-4


@dataclasses.dataclass
class LayerScores:
    """Sums in float64: [clusters, I]; and how many tokens each cluster has."""

    sums: torch.Tensor
    counts: torch.Tensor

    def scores(self) -> torch.Tensor:
        return self.sums / self.counts.clamp(min=1).unsqueeze(1)


class _Recorder:
    """Hooks a and the MLP's input of every layer, in the order of the layers."""

    def __init__(self, model):
        self.activations: list[torch.Tensor] = []
        self.inputs: list[torch.Tensor] = []
        for layer in model.model.layers:
            layer.mlp.register_forward_pre_hook(self._keep_input)
            layer.mlp.down_proj.register_forward_pre_hook(self._keep_activation)

    def _keep_input(self, module, inputs):
        del module
        self.inputs.append(inputs[0].detach()[0])

    def _keep_activation(self, module, inputs):
        del module
        # The first layers depend on no weight that has a gradient.
        a = inputs[0] if inputs[0].requires_grad else inputs[0].requires_grad_()
        a.retain_grad()
        self.activations.append(a)
        return (a,)

    def clear(self):
        self.activations.clear()
        self.inputs.clear()


def _add_sequence(recorder, gates, totals):
    for a, x, gate, total in zip(
        recorder.activations, recorder.inputs, gates, totals
    ):
        clusters = (x @ gate.T).argmax(1)
        products = (a.grad[0] * a.detach()[0]).abs().double()
        total.sums.index_add_(0, clusters, products)
        total.counts += torch.bincount(clusters, minlength=len(gate))


def importance_scores(
    directory: str,
    sequences: list[transformers_loss.Sequence],
    gates: list[torch.Tensor],
    batch_size: int,
    is_float64: bool = False,
) -> list[LayerScores]:
    """The scores of each layer; the loss of a batch is its mean over labels."""
    model = transformers_loss.load(directory, "eager").requires_grad_(False)
    if not is_float64:
        return _scores_of(model, sequences, gates, batch_size)
    with float64_model.float32_means_float64():
        return _scores_of(
            float64_model.upcast(model),
            sequences,
            [gate.double() for gate in gates],
            batch_size,
        )


def _scores_of(
    model,
    sequences: list[transformers_loss.Sequence],
    gates: list[torch.Tensor],
    batch_size: int,
) -> list[LayerScores]:
    recorder = _Recorder(model)
    intermediate_size = model.config.intermediate_size
    totals = [
        LayerScores(
            torch.zeros(len(gate), intermediate_size, dtype=torch.float64),
            torch.zeros(len(gate), dtype=torch.int64),
        )
        for gate in gates
    ]
    for begin in range(0, len(sequences), batch_size):
        batch = sequences[begin : begin + batch_size]
        num_labels = sum(sequence.num_predicted() for sequence in batch)
        for sequence in batch:
            recorder.clear()
            logits = model(sequence.ids.unsqueeze(0), use_cache=False).logits[0]
            loss = torch.nn.functional.cross_entropy(
                logits[:-1],
                sequence.labels[1:],
                reduction="sum",
                ignore_index=transformers_loss.IGNORED_LABEL,
            )
            (loss / max(1, num_labels)).backward()
            _add_sequence(recorder, gates, totals)
    return totals


def read_layers(path: str) -> tuple[list[torch.Tensor], dict[str, torch.Tensor]]:
    """The tensors layers.0, layers.1, ... of an artifact, and all of them."""
    tensors = safetensors.torch.load_file(path)
    count = sum(name.count(".") == 1 for name in tensors)
    return [tensors[f"layers.{i}"] for i in range(count)], tensors


def compare(
    want: list[LayerScores], path: str
) -> tuple[float, list[str]]:
    """The largest difference over its layer's largest score, and problems."""
    layers, tensors = read_layers(path)
    if len(layers) != len(want):
        return float("inf"), [f"{path}: {len(layers)} layers, want {len(want)}"]
    worst, problems = 0.0, []
    for i, (got, expected) in enumerate(zip(layers, want)):
        counts = tensors[f"layers.{i}.token_count"]
        if not torch.equal(counts, expected.counts):
            problems.append(
                f"layer {i}: tokens: expected {expected.counts.tolist()}, "
                f"found {counts.tolist()}"
            )
        scores = expected.scores()
        error = ((got.double() - scores).abs().max() / scores.max()).item()
        worst = max(worst, error)
        if not error <= MAX_RELATIVE_DIFFERENCE:
            problems.append(f"layer {i}: off by {error:.1e} of the largest score")
    return worst, problems


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model_dir")
    parser.add_argument("artifact")
    parser.add_argument("gate_weights")
    parser.add_argument("importance_scores")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--sequences", type=int)
    parser.add_argument("--model_max_length", type=int)
    parser.add_argument("--float64", action="store_true")
    options = parser.parse_args()
    sequences = transformers_loss.read_artifact(
        options.artifact, options.model_max_length
    )[: options.sequences]
    gates, _ = read_layers(options.gate_weights)
    want = importance_scores(
        options.model_dir, sequences, gates, options.batch, options.float64
    )
    worst, problems = compare(want, options.importance_scores)
    print(
        json.dumps(
            {
                "num_sequences": len(sequences),
                "num_tokens": sum(s.ids.numel() for s in sequences),
                "largest_relative_difference": worst,
                "problems": problems,
            }
        )
    )
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
