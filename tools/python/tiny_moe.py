"""Makes a tiny MoE checkpoint with random weights, for any combination of options.

  tiny_moe.py --out DIR [--seed N] [--OPTION VALUE]... [--with_code]

DIR gets config.json and model.safetensors as the conversion commands of `llama_moe`
write them (fields, tensor names, shapes), and with --with_code the model code that
travels with them. Weights are drawn, not split from a dense model: norm weights 1 plus
normal of standard deviation 0.3, the rest normal, 0.3 for embeddings, the head and
biases, 0.5 for routers, 0.15 for what is left; by one generator of torch in the order
of the sorted names, in float32 and then rounded to the dtype. Needs torch and
safetensors.
"""

import argparse
import dataclasses
import json
import pathlib
import shutil
from typing import Any, Optional

import safetensors.torch
import torch

CODE_DIR = pathlib.Path(__file__).resolve().parents[2] / "moe/convert/huggingface"
CODE_FILES = ("configuration_llama_moe.py", "modeling_llama_moe.py")

OWN_CLASSES = {
    "architectures": ["LlamaMoeForCausalLM"],
    "auto_map": {
        "AutoConfig": "configuration_llama_moe.LlamaMoeConfig",
        "AutoModel": "modeling_llama_moe.LlamaMoeModel",
        "AutoModelForCausalLM": "modeling_llama_moe.LlamaMoeForCausalLM",
    },
    "model_type": "llama_moe",
}
# As --config_style=published writes it.
PUBLISHED_CLASSES = {
    "architectures": ["MixtralForCausalLM"],
    "auto_map": {
        "AutoConfig": "configuration_llama_moe.PublishedLlamaMoeConfig",
        "AutoModel": "modeling_llama_moe.MixtralModel",
        "AutoModelForCausalLM": "modeling_llama_moe.MixtralForCausalLM",
    },
    "model_type": "mixtral",
}

_DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


@dataclasses.dataclass(frozen=True)
class Options:
    """What a checkpoint is like; names as in config.json where it has them."""

    vocab_size: int = 64
    hidden_size: int = 32
    num_hidden_layers: int = 3
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    head_dim: int = 8
    dense_intermediate_size: int = 64
    max_position_embeddings: int = 128
    tie_word_embeddings: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False
    rope_theta: float = 10000.0
    rope_scaling: Optional[dict] = None  # In JSON on the command line.
    num_local_experts: int = 4  # 0: dense MLPs.
    num_experts_per_tok: int = 2
    intermediate_size: int = 16  # One expert's.
    intermediate_size_residual: Optional[int] = None
    scale_factor: float = 1.0
    num_moe_contract_layers: int = 0
    attn_split: int = 0  # attn_experts / num_key_value_heads; 0: dense attention.
    top_k_attn: int = 0
    scale_factor_attn: float = 1.0
    add_rescale_bias: bool = False
    dtype: str = "float32"  # bfloat16, float16

    @property
    def attn_experts(self) -> int:
        return self.num_key_value_heads * self.attn_split

    def is_contract_layer(self, layer: int) -> bool:
        n = self.num_moe_contract_layers
        return not n <= layer < self.num_hidden_layers - n


def config_json(options: Options) -> dict[str, Any]:
    """The fields of config.json."""
    fields = dataclasses.asdict(options)
    del fields["attn_split"]
    for name in ("rope_scaling", "intermediate_size_residual"):
        if fields[name] is None:
            del fields[name]
    if options.num_local_experts == 0:
        fields["intermediate_size"] = options.dense_intermediate_size
        fields["num_experts_per_tok"] = 0
    return {
        **fields,
        **OWN_CLASSES,
        "attn_experts": options.attn_experts,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "moe_type": "modulelist",
        "rms_norm_eps": 1e-5,
        "router_aux_loss_coef": 0.01,
        "sliding_window": None,
        "use_attn_moe": options.attn_split > 0,
    }


class _Shapes(dict):
    """Name -> shape of tensors."""

    def linear(self, name: str, size_out: int, size_in: int, bias: bool) -> None:
        self[f"{name}.weight"] = (size_out, size_in)
        if bias:
            self[f"{name}.bias"] = (size_out,)

    def mlp(self, name: str, hidden: int, size: int, bias: bool, down_bias: bool) -> None:
        self.linear(f"{name}.w1", size, hidden, bias)
        self.linear(f"{name}.w3", size, hidden, bias)
        self.linear(f"{name}.w2", hidden, size, down_bias)


def _add_attention(options: Options, layer: int, shapes: _Shapes) -> None:
    prefix, hidden = f"model.layers.{layer}.self_attn.", options.hidden_size
    query_size = options.num_attention_heads * options.head_dim
    bias = options.attention_bias
    if options.attn_split == 0 or options.is_contract_layer(layer):
        key_size = options.num_key_value_heads * options.head_dim
        shapes.linear(prefix + "q_proj", query_size, hidden, bias)
        shapes.linear(prefix + "k_proj", key_size, hidden, bias)
        shapes.linear(prefix + "v_proj", key_size, hidden, bias)
        shapes.linear(prefix + "o_proj", hidden, query_size, bias)
        return
    experts = options.attn_experts
    out_bias = bias or options.add_rescale_bias
    shapes.linear(prefix + "gate", experts, hidden, False)
    for e in range(experts):
        shapes.linear(f"{prefix}q_proj.{e}", query_size // experts, hidden, bias)
        shapes.linear(f"{prefix}k_proj.{e}", options.head_dim, hidden, bias)
        shapes.linear(f"{prefix}v_proj.{e}", options.head_dim, hidden, bias)
        shapes.linear(f"{prefix}o_proj.{e}", hidden, query_size // experts, out_bias)


def _add_mlp(options: Options, layer: int, shapes: _Shapes) -> None:
    prefix, hidden = f"model.layers.{layer}.", options.hidden_size
    bias = options.mlp_bias
    block = prefix + "block_sparse_moe"
    if options.num_local_experts == 0 or options.is_contract_layer(layer):
        shapes.mlp(block, hidden, options.dense_intermediate_size, bias, bias)
        return
    shapes.linear(f"{block}.gate", options.num_local_experts, hidden, False)
    down_bias = bias or options.add_rescale_bias
    for e in range(options.num_local_experts):
        name = f"{block}.experts.{e}"
        shapes.mlp(name, hidden, options.intermediate_size, bias, down_bias)
    residual = options.intermediate_size_residual
    if residual is not None:
        shapes.mlp(f"{prefix}mlp_residual", hidden, residual, bias, bias)


def tensor_shapes(options: Options) -> dict[str, tuple[int, ...]]:
    """The name and shape of every tensor."""
    shapes = _Shapes()
    vocab_shape = (options.vocab_size, options.hidden_size)
    shapes["model.embed_tokens.weight"] = vocab_shape
    if not options.tie_word_embeddings:
        shapes["lm_head.weight"] = vocab_shape
    shapes["model.norm.weight"] = (options.hidden_size,)
    for layer in range(options.num_hidden_layers):
        prefix = f"model.layers.{layer}."
        shapes[prefix + "input_layernorm.weight"] = (options.hidden_size,)
        shapes[prefix + "post_attention_layernorm.weight"] = (options.hidden_size,)
        _add_attention(options, layer, shapes)
        _add_mlp(options, layer, shapes)
    return dict(shapes)


def _scale(name: str) -> float:
    if name.endswith("norm.weight"):
        return 0.3
    if name.endswith("gate.weight"):
        return 0.5
    if name.endswith(".bias") or "embed_tokens" in name or "lm_head" in name:
        return 0.3
    return 0.15


def random_tensors(options: Options, seed: int) -> dict[str, torch.Tensor]:
    """The weights that the module's comment describes."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in sorted(tensor_shapes(options).items()):
        drawn = torch.randn(shape, generator=generator) * _scale(name)
        if name.endswith("norm.weight"):
            drawn = drawn + 1
        tensors[name] = drawn.to(_DTYPES[options.dtype])
    return tensors


def copy_code(directory: pathlib.Path) -> None:
    """Puts the model code that travels with a checkpoint into its directory."""
    for name in CODE_FILES:
        shutil.copyfile(CODE_DIR / name, directory / name)


def write(
    options: Options,
    tensors: dict[str, torch.Tensor],
    directory: pathlib.Path,
    with_code: bool = False,
) -> None:
    """Writes a checkpoint into a directory, which may be there already."""
    directory.mkdir(parents=True, exist_ok=True)
    text = json.dumps(config_json(options), indent=2, sort_keys=True) + "\n"
    (directory / "config.json").write_text(text, encoding="utf-8")
    path = directory / "model.safetensors"
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})
    # safetensors makes files readable by their owner alone.
    path.chmod(0o644)
    if with_code:
        copy_code(directory)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--with_code", action="store_true", help="copy the model code, too")
    for field in dataclasses.fields(Options):
        flag, kind = f"--{field.name}", field.type
        if kind is bool:
            parser.add_argument(flag, action="store_true")
            continue
        if kind == Optional[dict]:
            kind = json.loads
        elif kind == Optional[int]:
            kind = int
        choices = sorted(_DTYPES) if field.name == "dtype" else None
        parser.add_argument(
            flag,
            type=kind,
            default=field.default,
            choices=choices,
            help=f"default: {field.default}",
        )
    return parser


def main() -> None:
    arguments = vars(_parser().parse_args())
    out, seed, with_code = (arguments.pop(name) for name in ("out", "seed", "with_code"))
    options = Options(**arguments)
    write(options, random_tensors(options, seed), out, with_code)


if __name__ == "__main__":
    main()
