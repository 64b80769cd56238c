"""Writes the inputs of some MLPs, by transformers in float32, to a file.

  mlp_inputs.py MODEL_DIR ARTIFACT LAYER... --out FILE [--tokens N]

ARTIFACT is a token artifact of `llama_moe tokenize`. FILE gets the tensors
"layer.LAYER", F32 [N, hidden_size]: the outputs of post_attention_layernorm for
the first N tokens. Needs torch, transformers and safetensors.
"""

import argparse

import safetensors.torch
import torch

import transformers_loss


@torch.no_grad()
def mlp_inputs(
    directory: str,
    sequences: list,
    layers: list[int] | None = None,
    num_tokens: int | None = None,
) -> dict[int, torch.Tensor]:
    """x_t of the first tokens, [num_tokens, hidden_size], for each layer.

    Without `layers`, of all; without `num_tokens`, all tokens.
    """
    model = transformers_loss.load(directory, "sdpa")
    if layers is None:
        layers = list(range(model.config.num_hidden_layers))
    found: dict[int, list[torch.Tensor]] = {layer: [] for layer in layers}
    for layer in layers:
        model.model.layers[layer].mlp.register_forward_pre_hook(
            lambda _, inputs, layer=layer: found[layer].append(inputs[0][0])
        )
    count = 0
    for sequence in sequences:
        model.model(sequence.ids.unsqueeze(0), use_cache=False)
        count += sequence.ids.numel()
        if num_tokens is not None and count >= num_tokens:
            break
    return {layer: torch.cat(parts)[:num_tokens] for layer, parts in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model_dir")
    parser.add_argument("artifact")
    parser.add_argument("layers", type=int, nargs="+")
    parser.add_argument("--out", required=True)
    parser.add_argument("--tokens", type=int, default=8192)
    options = parser.parse_args()
    sequences = transformers_loss.read_artifact(options.artifact, None)
    states = mlp_inputs(
        options.model_dir, sequences, options.layers, options.tokens
    )
    safetensors.torch.save_file(
        {f"layer.{layer}": x.contiguous() for layer, x in states.items()},
        options.out,
    )


if __name__ == "__main__":
    main()
