"""The Python side of //tools/tests:align_interop_test.

  align_interop.py MODEL_DIR WORK_DIR

A WORK_DIR has tokens.safetensors; reference/distribution.*, recorded of MODEL_DIR over
its first sequences; the aligned checkpoints KIND_MODE/ with KIND_MODE.logits, and
KIND_exact.alignment/scale_factors.*. Needs torch, transformers, safetensors and numpy.
"""

import collections
import pathlib
import sys
from typing import Iterator

import safetensors.torch
import torch
import transformers

import transformers_loss

NUM_SEQUENCES = 12
KINDS = ("vanilla", "contract", "both", "attention", "residual")
# Two float32 evaluations in different orders of the sums, here over deviations and
# variances; moments are taken in float64 on both sides.
MAX_REFERENCE_DIFFERENCE = 1e-5
MAX_LOGITS_DIFFERENCE = 2e-4
# Where weights are float32, every feature is within the first bound. Scaled weights in BF16,
# which has 8 bits, are off by 2^-9 of themselves, and some tokens choose other experts
# further on: there, half of a block's features are within the second.
MAX_RESTORED_DIFFERENCE = 1e-4
MAX_MEDIAN_RESTORED_DIFFERENCE = 2e-2

Moments = dict[tuple[int, str], tuple[torch.Tensor, torch.Tensor]]


@torch.no_grad()
def run(
    model: transformers.PreTrainedModel, sequences: list
) -> tuple[list[torch.Tensor], Moments]:
    """Logits, and mean and variance of what every block puts out, by hooks."""
    parts: dict = collections.defaultdict(list)

    def keep(key):
        def hook(_module, _inputs, output):
            y = output[0] if isinstance(output, tuple) else output
            parts[key].append(y.reshape(-1, y.shape[-1]).double())

        return hook

    handles = []
    for i, layer in enumerate(model.model.layers):
        modules = {"attn": layer.self_attn}
        modules["mlp"] = layer.mlp if hasattr(layer, "mlp") else layer.block_sparse_moe
        if getattr(layer, "mlp_residual", None) is not None:
            modules["residual"] = layer.mlp_residual
        for part, module in modules.items():
            handles.append(module.register_forward_hook(keep((i, part))))
    logits = [model(s.ids.unsqueeze(0), use_cache=False).logits[0] for s in sequences]
    for handle in handles:
        handle.remove()
    moments = {}
    for (i, part), rows in parts.items():
        if part == "residual":
            continue
        y = torch.cat(rows)
        if (i, "residual") in parts:
            y = y + torch.cat(parts[i, "residual"])
        moments[i, part] = (y.mean(0), y.var(0, unbiased=False))
    return logits, moments


def distances(got: tuple, want: tuple) -> tuple[torch.Tensor, torch.Tensor]:
    """For each feature: |m - m_ref| over the deviation, |v / v_ref - 1|."""
    return (got[0] - want[0]).abs() / want[1].sqrt(), (got[1] / want[1] - 1).abs()


def read_reference(work: pathlib.Path) -> Moments:
    tensors = safetensors.torch.load_file(work / "reference/distribution.safetensors")
    return {
        (int(name.split(".")[1]), name.split(".")[2]): (
            tensors[name],
            tensors[name.removesuffix("mean") + "variance"],
        )
        for name in tensors
        if name.endswith(".mean")
    }


def check_reference(
    directory: str, work: pathlib.Path, sequences: list
) -> Iterator[str]:
    """Against hooks in the dense model; and the .pt file's structure."""
    reference = read_reference(work)
    _, moments = run(transformers_loss.load(directory, "eager"), sequences)
    if set(moments) != set(reference):
        yield f"reference: blocks {sorted(reference)}"
    worst = 0.0
    for key, want in moments.items():
        worst = max(worst, *(d.max().item() for d in distances(reference[key], want)))
    print(f"{directory}: the reference is off that of transformers by {worst:.1e}")
    if not worst <= MAX_REFERENCE_DIFFERENCE:
        yield f"reference: off by {worst:.1e}"
    loaded = torch.load(work / "reference/distribution.pt", weights_only=True)
    num_tokens = sum(s.ids.numel() for s in sequences)
    for (i, part), (mean, variance) in reference.items():
        block = loaded[i][part]
        if (
            int(block["number"]) != num_tokens
            or not torch.equal(block["mean"], mean.float())
            or not torch.equal(block["variance"], variance.float())
        ):
            yield f"distribution.pt: {part} of layer {i} is another"


def check_factors_pt(work: pathlib.Path, kind: str) -> Iterator[str]:
    """The .pt file has the structure {layer: {part: {name: tensor}}}."""
    stem = work / f"{kind}_exact.alignment/scale_factors"
    loaded = torch.load(f"{stem}.pt", weights_only=True)
    tensors = safetensors.torch.load_file(f"{stem}.safetensors")
    found = {
        f"layers.{i}.{part}.{name}": tensor
        for i, parts in loaded.items()
        for part, block in parts.items()
        for name, tensor in block.items()
    }
    if set(found) != set(tensors):
        yield f"{kind}: scale_factors.pt has {sorted(found)}"
    for name, tensor in found.items():
        if not torch.equal(tensor, tensors[name]):
            yield f"{kind}: {name} of scale_factors.pt is another"


def check_restored(
    work: pathlib.Path, kind: str, moments: Moments, dtype: torch.dtype
) -> Iterator[str]:
    """The reference's moments, in all blocks that have scale factors."""
    exact = dtype == torch.float32
    limit = MAX_RESTORED_DIFFERENCE if exact else MAX_MEDIAN_RESTORED_DIFFERENCE
    reference = read_reference(work)
    factors = safetensors.torch.load_file(
        work / f"{kind}_exact.alignment/scale_factors.safetensors"
    )
    worst = 0.0
    for (i, part), want in reference.items():
        name = f"layers.{i}.{part}.scale_magnitude"
        if name not in factors:
            continue
        mean, variance = distances(moments[i, part], want)
        # Those without a positive root keep their scale, and their variance.
        variance = variance[factors[name] != 1]
        for distance in (mean, variance):
            found = distance.max() if exact else distance.median()
            worst = max(worst, found.item())
    print(f"{kind}: mean and variance are off the reference's by {worst:.1e}")
    if not worst <= limit:
        yield f"{kind}: mean or variance is off the reference's by {worst:.1e}"


def load(directory: pathlib.Path, dtype: torch.dtype) -> transformers.PreTrainedModel:
    """With the code that travels with the checkpoint; all weights must find places."""
    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        str(directory), trust_remote_code=True, dtype=dtype, output_loading_info=True
    )
    problems = {key: found for key, found in report.items() if found}
    assert not problems, f"{directory}: {problems}"
    return model.eval()


def largest_difference(ours: dict, logits: list[torch.Tensor]) -> float:
    return max(
        (ours[f"logits.{s}"] - logits[s]).abs().max().item()
        for s in range(len(ours) // 2)
    )


def check_logits(
    directory: pathlib.Path, ours: dict, logits: list[torch.Tensor], sequences: list
) -> Iterator[str]:
    """Within the bar, or no further from float64 than transformers' float32 is.

    Routers that were drawn at random make a model in which roundings grow.
    """
    worst = largest_difference(ours, logits)
    print(f"{directory.name}: logits are off ours by {worst:.1e}")
    if worst <= MAX_LOGITS_DIFFERENCE:
        return
    exact, _ = run(load(directory, torch.float64), sequences)
    theirs = {f"logits.{s}": logits[s] for s in range(len(ours) // 2)}
    bar = largest_difference({**ours, **theirs}, exact)
    off = largest_difference(ours, exact)
    print(f"{directory.name}: ours are off float64 by {off:.1e}, theirs by {bar:.1e}")
    if not off <= bar:
        yield f"{directory.name}: logits are off by {worst:.1e}"


def check_aligned(work: pathlib.Path, name: str, sequences: list) -> Iterator[str]:
    directory = work / name
    logits, moments = run(load(directory, torch.float32), sequences)
    ours = safetensors.torch.load_file(work / f"{name}.logits")
    yield from check_logits(directory, ours, logits, sequences)
    if name.endswith("_exact"):
        kind = name.removesuffix("_exact")
        with safetensors.safe_open(
            sorted(directory.glob("*.safetensors"))[0], framework="pt"
        ) as opened:
            dtype = opened.get_tensor(next(iter(opened.keys()))).dtype
        yield from check_restored(work, kind, moments, dtype)
        yield from check_factors_pt(work, kind)


def main() -> None:
    directory, work = sys.argv[1], pathlib.Path(sys.argv[2])
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    artifact = str(work / "tokens.safetensors")
    sequences = transformers_loss.read_artifact(artifact, 128)[:NUM_SEQUENCES]
    problems = list(check_reference(directory, work, sequences))
    for kind in KINDS:
        for mode in ("exact", "published"):
            problems += check_aligned(work, f"{kind}_{mode}", sequences)
    for problem in problems:
        print(f"{directory}: {problem}")
    print(f"{directory}: {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
