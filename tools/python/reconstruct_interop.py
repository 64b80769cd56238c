"""The Python side of //tools/tests:reconstruct_interop_test.

  reconstruct_interop.py DENSE_DIR WORK_DIR

A WORK_DIR has tokens.safetensors; the checkpoint converted/ with a residual expert; and
made_TARGET/, what reconstruct_converted_model made of it over the first sequences for each
target, with its report made_TARGET.json. Needs torch, transformers, safetensors and numpy.

Every written matrix is compared with the solution of its normal equations in float64. Their
features, targets and weights come from hooks in the written model, by the code that travels
with it, and in transformers' dense model: the hidden states before a block are those that
the step went on with. So are the shares of energy in the report.
"""

import contextlib
import json
import pathlib
import sys
from typing import Iterator

import safetensors.torch
import torch
import transformers

import float64_model
import transformers_loss

NUM_SEQUENCES = 16
RIDGE = {"mlp": 0.15, "attention": 0.05}
# The step computes hidden states and features in float32, and rounds the weights to it. The
# difference is relative to the change of the matrix, which is smaller than the matrix.
MAX_DIFFERENCE = 1e-5
# A sum of products of float32 activations.
MAX_SHARE_DIFFERENCE = 1e-6

Tensors = dict[str, torch.Tensor]
# What goes into a module, all tokens of all sequences one after another, by its name.
Inputs = dict[str, torch.Tensor]


def read(directory: pathlib.Path) -> Tensors:
    """All tensors of a checkpoint."""
    tensors = {}
    for path in sorted(directory.glob("*.safetensors")):
        tensors |= safetensors.torch.load_file(path)
    return tensors


def load(directory: pathlib.Path | str) -> transformers.PreTrainedModel:
    """A model in float64, with the code that is in the directory."""
    transformers.utils.logging.disable_progress_bar()
    model = transformers.AutoModelForCausalLM.from_pretrained(
        str(directory), dtype=torch.float32, trust_remote_code=True
    ).eval()
    if isinstance(model, transformers.LlamaForCausalLM):
        return float64_model.upcast(model)
    return model.double()


@contextlib.contextmanager
def hooks(model: transformers.PreTrainedModel, kept: dict[str, list]) -> Iterator[None]:
    """Keeps the first argument of every module but experts, rows [tokens, features]."""

    def keep(name):
        def hook(_module, args):
            if args and args[0].is_floating_point():
                kept.setdefault(name, []).append(args[0].flatten(0, -2))

        return hook

    handles = [
        module.register_forward_pre_hook(keep(name))
        for name, module in model.named_modules()
        if ".experts" not in name
    ]
    yield
    for handle in handles:
        handle.remove()


@torch.no_grad()
def run(model: transformers.PreTrainedModel, sequences: list) -> Inputs:
    """What goes into each module, by hooks."""
    kept: dict[str, list] = {}
    with hooks(model, kept), float64_model.float32_means_float64():
        for sequence in sequences:
            model(sequence.ids.unsqueeze(0), use_cache=False)
    return {name: torch.cat(rows) for name, rows in kept.items()}


def hidden_before(inputs: Inputs, layer: int, part: str) -> torch.Tensor:
    """The hidden states before a block; `layer` may be one past the last."""
    norm = {"attention": "input_layernorm", "mlp": "post_attention_layernorm"}[part]
    name = f"model.layers.{layer}.{norm}"
    return inputs[name] if name in inputs else inputs["model.norm"]


def hidden_behind(inputs: Inputs, layer: int, part: str) -> torch.Tensor:
    """The hidden states behind a block."""
    if part == "attention":
        return hidden_before(inputs, layer, "mlp")
    return hidden_before(inputs, layer + 1, "attention")


def activation(tensors: Tensors, prefix: str, x: torch.Tensor) -> torch.Tensor:
    """What goes into w2 of an expert."""
    gate, up = (tensors[f"{prefix}.{name}.weight"].double() for name in ("w1", "w3"))
    return torch.nn.functional.silu(x @ gate.T) * (x @ up.T)


def mlp_features(
    tensors: Tensors, config: transformers.PretrainedConfig, layer: int, x: torch.Tensor
) -> torch.Tensor:
    """The experts' side by side, then the residual expert's."""
    prefix = f"model.layers.{layer}"
    router = tensors[f"{prefix}.block_sparse_moe.gate.weight"].double()
    p = (x @ router.T).softmax(-1)
    chosen = p.topk(config.num_experts_per_tok, dim=-1).indices
    weights = torch.zeros_like(p).scatter(1, chosen, p.gather(1, chosen))
    weights = config.scale_factor * weights / weights.sum(-1, keepdim=True)
    parts = [
        weights[:, e, None] * activation(tensors, f"{prefix}.block_sparse_moe.experts.{e}", x)
        for e in range(config.num_local_experts)
    ]
    parts.append(activation(tensors, f"{prefix}.mlp_residual", x))
    return torch.cat(parts, 1)


def energy_shares(
    tensors: Tensors,
    config: transformers.PretrainedConfig,
    layer: int,
    x: torch.Tensor,
    weights: torch.Tensor,
) -> dict[str, float]:
    """The shares of the energy w h^2 |d|^2, as the report names them."""
    prefix = f"model.layers.{layer}"

    def energy(name: str) -> torch.Tensor:
        squares = tensors[f"{name}.w2.weight"].double().pow(2).sum(0)
        return weights * (activation(tensors, name, x).pow(2) @ squares)

    experts = [f"{prefix}.block_sparse_moe.experts.{e}" for e in range(config.num_local_experts)]
    sums = torch.stack([energy(name) for name in experts], 1)
    logits = x @ tensors[f"{prefix}.block_sparse_moe.gate.weight"].double().T
    top_k = config.num_experts_per_tok
    chosen = logits.topk(top_k, dim=-1).indices
    routed, shared = sums.sum(), energy(f"{prefix}.mlp_residual").sum()
    return {
        "shared_share": (shared / (shared + routed)).item(),
        "captured_share": (sums.gather(1, chosen).sum() / routed).item(),
        "oracle_share": (sums.topk(top_k, dim=-1).values.sum() / routed).item(),
    }


def differing_shares(reported: dict, want: dict[str, float]) -> Iterator[str]:
    """A line for every share of the report that is another."""
    for name, share in want.items():
        off = abs(reported[name] - share)
        print(f"  {name} {share:.4f}, off by {off:.1e}")
        if not off <= MAX_SHARE_DIFFERENCE:
            yield f"{name} is {reported[name]}, expected {share}"


def features_of(
    of_made: Inputs,
    tensors: Tensors,
    config: transformers.PretrainedConfig,
    layer: int,
    part: str,
) -> torch.Tensor:
    """The features of a block of the written model."""
    prefix = f"model.layers.{layer}"
    if part == "attention":
        return of_made[f"{prefix}.self_attn.o_proj"]
    return mlp_features(tensors, config, layer, of_made[f"{prefix}.block_sparse_moe"])


def names_of(config: transformers.PretrainedConfig, layer: int, part: str) -> list[str]:
    """The matrices of a block, in the order of the features."""
    prefix = f"model.layers.{layer}"
    if part == "attention":
        return [f"{prefix}.self_attn.o_proj.weight"]
    return [
        f"{prefix}.block_sparse_moe.experts.{e}.w2.weight"
        for e in range(config.num_local_experts)
    ] + [f"{prefix}.mlp_residual.w2.weight"]


def wanted_output(
    dense: transformers.PreTrainedModel,
    of_dense: Inputs,
    of_made: Inputs,
    block: tuple[int, str],
    target: str,
) -> torch.Tensor:
    """What the block should put out."""
    layer, part = block
    before = hidden_before(of_made, layer, part)
    if target == "dense_stream":
        return hidden_behind(of_dense, layer, part) - before
    # The dense MLP on the written model's hidden states.
    module = dense.model.layers[layer]
    with torch.no_grad(), float64_model.float32_means_float64():
        return module.mlp(module.post_attention_layernorm(before))


def solve(
    features: torch.Tensor, error: torch.Tensor, weights: torch.Tensor, ridge: float
) -> torch.Tensor:
    """D [H, N] that makes sum w |error - D features|^2 + lambda |D|^2 least."""
    weighted = features * weights[:, None]
    gram = weighted.T @ features
    gram += ridge * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    return torch.linalg.solve(gram, weighted.T @ error).T


def check(
    dense: transformers.PreTrainedModel,
    of_dense: Inputs,
    sequences: list,
    work: pathlib.Path,
    target: str,
) -> Iterator[str]:
    """A line for every matrix that is another than the formula's."""
    before, after = read(work / "converted"), read(work / f"made_{target}")
    made = load(work / f"made_{target}")
    config, of_made = made.config, run(made, sequences)
    parts = ("attention", "mlp") if target == "dense_stream" else ("mlp",)
    blocks = [(i, part) for i in range(config.num_hidden_layers) for part in parts]
    report = json.loads((work / f"made_{target}.json").read_text())
    reported = {(block["layer"], block["part"]): block for block in report["blocks"]}
    refitted: set[str] = set()
    for layer, part in blocks:
        # The hidden states before the first MLP are the dense model's.
        if (layer, part) == (0, "attention"):
            continue
        names = names_of(config, layer, part)
        refitted |= set(names)
        x = features_of(of_made, before, config, layer, part)
        first = torch.cat([before[name].double() for name in names], 1)
        squares = hidden_behind(of_dense, layer, part).pow(2).mean(-1)
        weights = 1 / (squares + config.rms_norm_eps)
        wanted = wanted_output(dense, of_dense, of_made, (layer, part), target)
        change = solve(x, wanted - x @ first.T, weights / weights.mean(), RIDGE[part])
        got = torch.cat([after[name].double() for name in names], 1) - first
        off = ((got - change).norm() / change.norm()).item()
        share = (change.norm() / first.norm()).item()
        print(f"{target}: layer {layer}: {part}: change of {share:.3f}, off by {off:.1e}")
        # A NaN is in no range.
        if not off <= MAX_DIFFERENCE:
            yield f"{target}: layer {layer}: {part}: the change is off by {off:.1e}"
        if part == "mlp":
            m = of_made[f"model.layers.{layer}.block_sparse_moe"]
            shares = energy_shares(before, config, layer, m, weights / weights.mean())
            for problem in differing_shares(reported[layer, part], shares):
                yield f"{target}: layer {layer}: {part}: {problem}"
    for name, tensor in before.items():
        if name not in refitted and not torch.equal(tensor, after[name]):
            yield f"{target}: {name} is another, but was not to be refitted"


def main() -> None:
    directory, work = sys.argv[1], pathlib.Path(sys.argv[2])
    torch.set_num_threads(1)
    sequences = transformers_loss.read_artifact(str(work / "tokens.safetensors"), None)
    sequences = sequences[:NUM_SEQUENCES]
    dense = load(directory)
    of_dense = run(dense, sequences)
    problems = [
        problem
        for target in ("dense_stream", "dense_block")
        for problem in check(dense, of_dense, sequences, work, target)
    ]
    for problem in problems:
        print(f"{directory}: {problem}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
