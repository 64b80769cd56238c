"""How many choices of experts change where routers are rounded to the checkpoint's type.

  router_choices.py MOE_DIR GATE_WEIGHTS TOKENS [--sequences N]

MOE_DIR is a converted checkpoint whose routers are in the type of its weights, GATE_WEIGHTS
the gate_weights.safetensors that they were made from, TOKENS a token artifact. Runs the
model code that travels with a checkpoint in float32, on the first N sequences (default 8),
with the routers of the checkpoint and with those of the artifact, and prints how many of
1,000 choices of an expert by a token in a layer differ. Needs torch, transformers and
safetensors.
"""

import argparse

import safetensors.torch
import torch

import travelling_model


@torch.no_grad()
def choices(model, sequences: list[torch.Tensor]) -> list[torch.Tensor]:
    """[tokens, top_k] of each sequence and layer, in the order of the experts."""
    found = []
    for ids in sequences:
        output = model(ids.unsqueeze(0), output_router_logits=True, use_cache=False)
        for logits in output.router_logits:
            top = logits.topk(model.config.num_experts_per_tok, dim=-1).indices
            found.append(top.sort(dim=-1).values)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("gate_weights")
    parser.add_argument("tokens")
    parser.add_argument("--sequences", type=int, default=8)
    options = parser.parse_args()
    tokens = safetensors.torch.load_file(options.tokens)
    ids, offsets = tokens["input_ids"].long(), tokens["offsets"].tolist()
    sequences = [ids[a:b] for a, b in zip(offsets, offsets[1:])][: options.sequences]
    gates = safetensors.torch.load_file(options.gate_weights)
    model = travelling_model.load(options.model)
    rounded = choices(model, sequences)
    for i, layer in enumerate(model.model.layers):
        gate = layer.block_sparse_moe.gate.weight
        gate.data.copy_(gates[f"layers.{i}"][: gate.shape[0]])
    exact = choices(model, sequences)
    changed = total = 0
    for a, b in zip(rounded, exact):
        same = (a.unsqueeze(-1) == b.unsqueeze(-2)).any(-1)
        changed += (~same).sum().item()
        total += a.numel()
    print(f"{changed} of {total} choices change: {1000 * changed / total:.2f} per thousand")


if __name__ == "__main__":
    main()
