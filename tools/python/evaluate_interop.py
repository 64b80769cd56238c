"""The Python side of //tools/tests:evaluate_interop_test.

  evaluate_interop.py MODEL_DIR ARTIFACT REPORT LOGITS [REFERENCE_DIR]

compares what `llama_moe evaluate --json --logits_out=LOGITS` found for the token
artifact ARTIFACT, its output REPORT, with transformers in float32: loss, perplexity
and counts, the logits of the first sequences, and the divergence from the reference, if
there is one. Needs torch, transformers, safetensors and numpy.
"""

import json
import math
import pathlib
import sys

import safetensors
import torch

import transformers_loss

MAX_LOSS_DIFFERENCE = 1e-5
MAX_LOGIT_DIFFERENCE = 2e-4
MAX_DIVERGENCE_DIFFERENCE = 1e-5

Tensors = dict[str, torch.Tensor]


def _read(path: str) -> Tensors:
    with safetensors.safe_open(path, framework="pt") as opened:
        return {name: opened.get_tensor(name) for name in opened.keys()}


@torch.no_grad()
def _run(directory: str, sequences: list) -> tuple[list[torch.Tensor], float]:
    """The logits of every sequence, and the mean loss."""
    model = transformers_loss.load(directory, "eager")
    logits = [
        model(sequence.ids.unsqueeze(0), use_cache=False).logits[0]
        for sequence in sequences
    ]
    total = sum(map(transformers_loss.exact_loss, logits, sequences))
    return logits, total / sum(s.num_predicted() for s in sequences)


def compare_report(report: dict, sequences: list, loss: float) -> list[str]:
    """A line for every figure of the report that is wrong."""
    counts = {
        "num_tokens": sum(s.ids.numel() for s in sequences),
        "num_predicted_tokens": sum(s.num_predicted() for s in sequences),
    }
    problems = [
        f"{name}: expected {count}, found {report.get(name)}"
        for name, count in counts.items()
        if report.get(name) != count
    ]
    # A NaN is in no range.
    if not abs(report["loss"] - loss) <= MAX_LOSS_DIFFERENCE:
        problems.append(f"loss: {report['loss']}, transformers has {loss}")
    # The perplexity is the float nearest to that of the loss as a float.
    if not math.isclose(report["perplexity"], math.exp(report["loss"]), rel_tol=1e-6):
        problems.append(f"perplexity: {report['perplexity']} of loss {report['loss']}")
    for name in ("seconds", "tokens_per_sec", "peak_resident_bytes"):
        if not report[name] > 0:
            problems.append(f"{name}: expected more than 0, found {report[name]}")
    return problems


def compare_divergence(
    report: dict, sequences: list, logits: list[torch.Tensor], reference: list[torch.Tensor]
) -> list[str]:
    """A line for every figure of the divergence that is wrong."""
    divergences, agreements = [], []
    for sequence, of_model, of_reference in zip(sequences, logits, reference):
        is_predicted = sequence.labels[1:] != transformers_loss.IGNORED_LABEL
        p = of_reference[:-1][is_predicted].double().log_softmax(-1)
        q = of_model[:-1][is_predicted].double().log_softmax(-1)
        divergences.append((p.exp() * (p - q)).sum(-1))
        agreements.append(p.argmax(-1) == q.argmax(-1))
    values = torch.cat(divergences).sort().values
    expected = {"kl_divergence": values.mean().item()}
    for percent in (50, 90, 99):
        # The smallest that so many of them do not exceed.
        at = math.ceil(percent * len(values) / 100) - 1
        expected[f"kl_divergence_{percent}"] = values[at].item()
    expected["kl_divergence_max"] = values[-1].item()
    expected["first_choice_agreement"] = torch.cat(agreements).double().mean().item()
    return [
        f"{name}: {report.get(name)}, transformers has {value}"
        for name, value in expected.items()
        if not abs(report.get(name, math.nan) - value) <= MAX_DIVERGENCE_DIFFERENCE
    ]


def compare_logits(
    tensors: Tensors, sequences: list, logits: list[torch.Tensor]
) -> tuple[list[str], float]:
    """A line for everything wrong in the file of logits, and the worst difference."""
    problems, worst = [], 0.0
    count = len(tensors) // 2
    names = {f"{kind}.{s}" for kind in ("logits", "input_ids") for s in range(count)}
    if count == 0 or set(tensors) != names:
        return [f"logits: unexpected tensors {sorted(tensors)}"], worst
    for s in range(count):
        ids, got = tensors[f"input_ids.{s}"], tensors[f"logits.{s}"]
        if ids.dtype != torch.int32 or ids.tolist() != sequences[s].ids.tolist():
            problems.append(f"input_ids.{s}: {ids.dtype}, not the artifact's ids")
        if got.dtype != torch.float32 or got.shape != logits[s].shape:
            problems.append(
                f"logits.{s}: expected float32 {tuple(logits[s].shape)}, "
                f"found {got.dtype} {tuple(got.shape)}"
            )
            continue
        difference = (got - logits[s]).abs().max().item()
        worst = max(worst, difference)
        if not difference <= MAX_LOGIT_DIFFERENCE:
            problems.append(f"logits.{s}: off by up to {difference:.3e}")
    return problems, worst


def main() -> None:
    directory, artifact, report_path, logits_path, *references = sys.argv[1:]
    torch.set_num_threads(1)
    sequences = transformers_loss.read_artifact(artifact, None)
    logits, loss = _run(directory, sequences)
    report = json.loads(pathlib.Path(report_path).read_text("utf-8"))
    problems = compare_report(report, sequences, loss)
    for reference_directory in references:
        reference, _ = _run(reference_directory, sequences)
        problems += compare_divergence(report, sequences, logits, reference)
    tensors = _read(logits_path)
    found, worst = compare_logits(tensors, sequences, logits)
    for problem in problems + found:
        print(f"{directory}: {problem}")
    print(
        f"{directory}: {len(sequences)} sequences, loss {loss:.8f}, off by "
        f"{abs(report['loss'] - loss):.1e}; logits of {len(tensors) // 2} off by up "
        f"to {worst:.1e}"
    )
    sys.exit(1 if problems or found else 0)


if __name__ == "__main__":
    main()
