"""The Python side of //tools/tests:gates_interop_test.

  gates_interop.py MODEL_DIR WORK_DIR NUM_SEQUENCES

WORK_DIR has tokens.safetensors and what was made of its first sequences: random/
(random_selection), bounded/ (hidden_clustering), free/ and cosine/ (the same with
two clusters of any size). Compares all with the MLP's inputs by transformers in
float32. Needs torch, transformers, safetensors and numpy.
"""

import json
import math
import pathlib
import sys
from typing import Iterator

import safetensors.torch
import torch

import mlp_inputs
import transformers_loss

# A share of the largest magnitude of a layer's inputs.
MAX_RELATIVE_DIFFERENCE = 1e-5
# A share of an inertia, which sums the squares of inputs.
MAX_INERTIA_DIFFERENCE = 1e-4
# Tokens whose two best experts transformers cannot tell apart either.
MAX_TIES = 2

States = dict[int, torch.Tensor]


def read_gates(directory: pathlib.Path) -> tuple[list[torch.Tensor], list[dict]]:
    """Weights of all layers, from both files, and the report's layers."""
    report = json.loads((directory / "gate_weights.report.json").read_text("utf-8"))
    tensors = safetensors.torch.load_file(directory / "gate_weights.safetensors")
    gates = [tensors[f"layers.{i}"] for i in range(len(tensors))]
    for gate in gates:
        assert gate.dtype == torch.float32
    # What the scripts do: a dict of tensors by the layer's number.
    loaded = torch.load(directory / "gate_weights.pt", weights_only=True)
    assert list(loaded) == list(range(len(gates))), list(loaded)
    for i, gate in enumerate(gates):
        assert torch.equal(loaded[i], gate), f"layer {i} of gate_weights.pt"
    return gates, report["layers"]


def check_counts(x: torch.Tensor, gate: torch.Tensor, counts: list[int]) -> Iterator[str]:
    """The counts under routing, but for tokens on the border of two experts."""
    want = torch.bincount((x @ gate.T).argmax(1), minlength=len(gate)).tolist()
    moved = sum(abs(a - b) for a, b in zip(want, counts)) // 2
    if sum(counts) != len(x) or moved > MAX_TIES:
        yield f"routed counts: expected {want}, found {counts}"


def check_random(x: torch.Tensor, gate: torch.Tensor, layer: dict) -> Iterator[str]:
    """The rows are the inputs of the tokens that the report names."""
    if len(set(layer["tokens"])) != len(gate):
        yield f"tokens {layer['tokens']} are not all different"
    difference = (gate - x[layer["tokens"]]).abs().max() / x.abs().max()
    if not difference <= MAX_RELATIVE_DIFFERENCE:
        yield f"rows are off by {difference:.1e} of the largest input"
    yield from check_counts(x, gate, layer["routed_counts"])


def distances(x: torch.Tensor, gate: torch.Tensor, cosine: bool) -> torch.Tensor:
    """[num_tokens, num_experts] in float64."""
    x, gate = x.double(), gate.double()
    if not cosine:
        return torch.cdist(x, gate) ** 2
    normed = [torch.nn.functional.normalize(v, dim=1) for v in (x, gate)]
    return 1 - normed[0] @ normed[1].T


def check_clusters(
    x: torch.Tensor, gate: torch.Tensor, layer: dict, cosine: bool
) -> Iterator[str]:
    """Sizes and inertia against those of the nearest centroid."""
    sizes = layer["sizes"]
    least, labels = distances(x, gate, cosine).min(1)
    nearest = torch.bincount(labels, minlength=len(gate)).tolist()
    inertia = least.sum().item()
    if sum(sizes) != len(x):
        yield f"sizes {sizes} sum to {sum(sizes)}, not to {len(x)}"
    if min(sizes) < layer["min_size"] or max(sizes) > layer["max_size"]:
        yield f"sizes {sizes} leave their bounds"
    is_free = (layer["min_size"], layer["max_size"]) == (0, len(x))
    if is_free and sum(abs(a - b) for a, b in zip(sizes, nearest)) // 2 > MAX_TIES:
        yield f"sizes: expected {nearest}, found {sizes}"
    ratio = layer["inertia"] / inertia
    if not ratio >= 1 - MAX_INERTIA_DIFFERENCE:
        yield f"inertia {layer['inertia']} is less than the least, {inertia}"
    if is_free and not ratio <= 1 + MAX_INERTIA_DIFFERENCE:
        yield f"inertia: expected {inertia}, found {layer['inertia']}"
    yield from check_counts(x, gate, layer["routed_counts"])


def check_bounds(num_tokens: int, num_experts: int, jitter: float, layer: dict) -> Iterator[str]:
    """The bounds of the published formula."""
    even = num_tokens / num_experts
    # A decimal jitter's rounding moves no bound.
    want = (
        math.floor(even * (1 - jitter) + 1e-9),
        math.ceil(even * (1 + jitter) - 1e-9),
    )
    got = (layer["min_size"], layer["max_size"])
    if got != want:
        yield f"bounds: expected {want}, found {got}"


def check_model(directory: str, work: pathlib.Path, num_sequences: int) -> list[str]:
    """A line for everything that is wrong."""
    artifact = str(work / "tokens.safetensors")
    sequences = transformers_loss.read_artifact(artifact, None)[:num_sequences]
    states = mlp_inputs.mlp_inputs(directory, sequences)
    problems = []
    for name in ("random", "bounded", "free", "cosine"):
        gates, layers = read_gates(work / name)
        if len(gates) != len(states) or len(layers) != len(states):
            problems.append(f"{name}: {len(gates)} layers, want {len(states)}")
            continue
        for i, (gate, layer) in enumerate(zip(gates, layers)):
            x = states[i]
            if name == "random":
                found = list(check_random(x, gate, layer))
            else:
                jitter = 0.4 if name == "bounded" else 1.0
                found = list(check_clusters(x, gate, layer, name == "cosine"))
                found += check_bounds(len(x), len(gate), jitter, layer)
            problems += [f"{name}, layer {i}: {problem}" for problem in found]
    return problems


def main() -> None:
    directory, work, num_sequences = sys.argv[1:]
    torch.set_num_threads(1)
    problems = check_model(directory, pathlib.Path(work), int(num_sequences))
    for problem in problems:
        print(f"{directory}: {problem}")
    print(f"{directory}: {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
