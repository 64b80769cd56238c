"""The Python side of //tools/tests:split_interop_test.

  split_interop.py NUM_SEQUENCES BATCH_SIZE [MODEL_DIR WORK_DIR]...

A WORK_DIR has tokens.safetensors, gate_weights.safetensors, importance_scores.*
of the first sequences, and vanilla/ and residual/, neuron_indices.* made from the
scores with shared neurons. Needs torch, transformers, safetensors and numpy.
"""

import pathlib
import sys
from typing import Iterator

import safetensors.torch
import torch

import importance_scores
import transformers_loss


def check_scores_pt(work: pathlib.Path) -> Iterator[str]:
    """The .pt file has the structure {layer: {cluster: tensor[I]}}."""
    layers, _ = importance_scores.read_layers(
        str(work / "importance_scores.safetensors")
    )
    loaded = torch.load(work / "importance_scores.pt", weights_only=True)
    if list(loaded) != list(range(len(layers))):
        yield f"importance_scores.pt has the keys {list(loaded)}"
        return
    for i, layer in enumerate(layers):
        rows = [loaded[i][c] for c in range(len(layer))]
        if len(loaded[i]) != len(layer) or not torch.equal(torch.stack(rows), layer):
            yield f"importance_scores.pt: layer {i} is another"


def best(scores: torch.Tensor, count: int) -> list[list[int]]:
    """The indices of the largest of each row, the lowest first among equals."""
    order = torch.argsort(scores, dim=1, descending=True, stable=True)
    return order[:, :count].tolist()


def check_vanilla(work: pathlib.Path, layers: list[torch.Tensor]) -> Iterator[str]:
    """{layer: [[int]]}, each expert's best neurons."""
    loaded = torch.load(work / "vanilla/neuron_indices.pt", weights_only=True)
    tensors = safetensors.torch.load_file(
        work / "vanilla/neuron_indices.safetensors"
    )
    for i, scores in enumerate(layers):
        want = best(scores, scores.shape[1] // len(scores))
        if loaded[i] != want:
            yield f"vanilla: layer {i} of neuron_indices.pt is another"
        if tensors[f"layers.{i}.experts"].tolist() != want:
            yield f"vanilla: layer {i} is another"


def check_residual(work: pathlib.Path, layers: list[torch.Tensor]) -> Iterator[str]:
    """{layer: {"residual": [int], e: [int]}}; experts have the best that is left."""
    loaded = torch.load(work / "residual/neuron_indices.pt", weights_only=True)
    for i, scores in enumerate(layers):
        size = scores.shape[1] // (len(scores) + 1)
        residual = loaded[i]["residual"]
        if len(set(residual)) != size:
            yield f"residual: layer {i} has {len(set(residual))} neurons"
        # The first round: those that stand in the most lists.
        lists = torch.zeros(scores.shape[1], dtype=torch.int64)
        for row in best(scores, size):
            lists[row] += 1
        first = (lists == lists.max()).nonzero()[:, 0].tolist()[:size]
        if residual[: len(first)] != first:
            yield f"residual: layer {i} begins with others"
        left = scores.clone()
        left[:, residual] = -1.0
        want = best(left, size)
        if [loaded[i][e] for e in range(len(scores))] != want:
            yield f"residual: the experts of layer {i} are others"


def check_model(
    directory: str, work: pathlib.Path, num_sequences: int, batch_size: int
) -> list[str]:
    """A line for everything that is wrong."""
    sequences = transformers_loss.read_artifact(
        str(work / "tokens.safetensors"), None
    )[:num_sequences]
    gates, _ = importance_scores.read_layers(
        str(work / "gate_weights.safetensors")
    )
    scores_file = str(work / "importance_scores.safetensors")
    want = importance_scores.importance_scores(
        directory, sequences, gates, batch_size
    )
    worst, problems = importance_scores.compare(want, scores_file)
    layers, _ = importance_scores.read_layers(scores_file)
    problems += check_scores_pt(work)
    problems += check_vanilla(work, layers)
    problems += check_residual(work, layers)
    print(f"{work.name}: scores off by {worst:.1e}, {len(problems)} problems")
    return [f"{work.name}: {problem}" for problem in problems]


def main() -> None:
    num_sequences, batch_size, *pairs = sys.argv[1:]
    torch.set_num_threads(1)
    problems = []
    for directory, work in zip(pairs[::2], pairs[1::2]):
        problems += check_model(
            directory, pathlib.Path(work), int(num_sequences), int(batch_size)
        )
    print("\n".join(problems))
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
