"""The Python side of //tools/tests:convert_interop_test.

  convert_interop.py prepare MODEL_DIR WORK_DIR
  convert_interop.py check MODEL_DIR WORK_DIR [--real]

`prepare` writes router weights and neuron indices as the LLaMA-MoE-v2 scripts do,
with torch.save, and token ids; and prints what the commands need to know of the model:
its KV heads, an --attn_split that fits, whether its head_dim is its own, and a
--num_neurons to keep.
`check` holds what the commands made of them (convert_interop.sh says what is where) to
the weights by torch's own indexing; the logits that `evaluate` wrote, to those of the
model code that travels with a checkpoint; and these to what was exported, in
transformers' own models. A dense checkpoint with fewer neurons is held to transformers'
dense model, whose down_proj gets columns of zeros for the other neurons. Needs torch,
transformers, safetensors and numpy.

A real model that is cut into experts and not yet trained moves float32's roundings by
far more than a fixture does, in any evaluation. With --real two evaluations may differ
by three times what transformers' own float32 is off its float64, where that is more.
"""

import dataclasses
import json
import pathlib
import sys
from typing import Iterator

import numpy as np
import safetensors
import torch
import transformers

import philox_reference

NUM_EXPERTS = 8
NUM_ROUTED = 7  # Beside a residual expert.
NUM_TOKENS = 48
MLP_SEED = 11
ATTENTION_SEED = 12
# Two float32 evaluations in different orders of the sums.
MAX_LOGITS_DIFFERENCE = 2e-4
# All experts with equal weights, against the dense model: of the largest logit where
# that is above 1, since a float32 evaluation of logits near 20 is itself off by more.
MAX_IDENTITY_DIFFERENCE = 1e-5

IDENTITIES = (
    "identity_mlp",
    "identity_residual",
    "identity_both",
    "identity_attention",
)

Tensors = dict[str, torch.Tensor]
PARTS = {"w1": "gate_proj", "w3": "up_proj", "w2": "down_proj"}


def read_config(directory: pathlib.Path) -> dict:
    return json.loads((directory / "config.json").read_text("utf-8"))


def head_dim_of(config: dict) -> int:
    default = config["hidden_size"] // config["num_attention_heads"]
    return config.get("head_dim") or default


def attention_split(config: dict) -> int:
    group = config["num_attention_heads"] // config["num_key_value_heads"]
    return 2 if group % 2 == 0 else 1


def facts(config: dict) -> str:
    attention_size = head_dim_of(config) * config["num_attention_heads"]
    has_own_head_dim = "yes" if attention_size != config["hidden_size"] else "no"
    kv_heads, split = config["num_key_value_heads"], attention_split(config)
    return f"{kv_heads} {split} {has_own_head_dim} {config['intermediate_size'] // 4}"


def prepare(directory: pathlib.Path, work: pathlib.Path) -> None:
    """Random artifacts, gate weights of zeros, which weigh all experts alike, and ids."""
    config = read_config(directory)
    layers = range(config["num_hidden_layers"])
    neurons = config["intermediate_size"]
    size = neurons // NUM_EXPERTS
    generator = torch.Generator().manual_seed(0)
    hidden = config["hidden_size"]
    # As sharp as drawn routers are. Ten times as sharp, and a rounding of the hidden
    # states moves the logits by more than the bar, in whatever float32 evaluation.
    gates = {
        i: torch.randn(NUM_EXPERTS, hidden, generator=generator) / hidden**0.5
        for i in layers
    }
    torch.save(gates, work / "gate_weights.pt")
    experts, residual = {}, {}
    for i in layers:
        order = torch.randperm(neurons, generator=generator).tolist()
        blocks = [order[e * size : (e + 1) * size] for e in range(NUM_EXPERTS)]
        experts[i] = blocks
        residual[i] = {"residual": blocks[-1], **dict(enumerate(blocks[:NUM_ROUTED]))}
    torch.save(experts, work / "neuron_indices.pt")
    torch.save(residual, work / "neuron_indices_residual.pt")
    kv_heads = config["num_key_value_heads"]
    for count in {kv_heads, attention_split(config) * kv_heads, NUM_EXPERTS}:
        zeros = {i: torch.zeros(count, hidden) for i in layers}
        torch.save(zeros, work / f"zeros_{count}.pt")
    ids = torch.randint(config["vocab_size"], (NUM_TOKENS,), generator=generator).tolist()
    line = {"input_ids": ids, "labels": ids}
    (work / "ids.jsonl").write_text(json.dumps(line) + "\n", "utf-8")
    print(facts(config))


def read_tensors(directory: pathlib.Path) -> Tensors:
    """Every tensor, by the safetensors library; the index must say the same."""
    tensors: Tensors = {}
    shards = {}
    for path in sorted(directory.glob("*.safetensors")):
        with safetensors.safe_open(path, framework="pt") as file:
            assert file.metadata() == {"format": "pt"}, file.metadata()
            for name in file.keys():
                tensors[name] = file.get_tensor(name)
                shards[name] = path.name
    index = directory / "model.safetensors.index.json"
    if index.exists():
        found = json.loads(index.read_text("utf-8"))
        assert found["weight_map"] == shards, "weight_map"
        total = sum(t.numel() * t.element_size() for t in tensors.values())
        assert found["metadata"]["total_size"] == total, "total_size"
    return tensors


def drawn_router(shape: torch.Size, seed: int, name: str) -> torch.Tensor:
    """U(-1/sqrt(H), 1/sqrt(H)) of a named stream, in float32."""
    bound = np.float32(1.0 / np.sqrt(np.float64(shape[1])))
    words = philox_reference.stream(seed, name, shape.numel())
    odd = [2 * (word >> 8) + 1 - (1 << 24) for word in words]
    units = np.array(odd, dtype=np.float32) * np.float32(2.0**-24)
    return torch.from_numpy(units * bound).reshape(shape)


def expect(got: Tensors, name: str, want: torch.Tensor) -> Iterator[str]:
    found = got.pop(name, None)
    if found is None:
        yield f"{name} is missing"
    elif found.dtype != want.dtype or not torch.equal(found, want):
        yield f"{name} differs"


def check_expert(
    dense: Tensors, got: Tensors, layer: str, name: str, neurons: list[int]
) -> Iterator[str]:
    for part, old in PARTS.items():
        weight = dense[f"{layer}mlp.{old}.weight"]
        want = weight[:, neurons] if part == "w2" else weight[neurons]
        yield from expect(got, f"{layer}{name}.{part}.weight", want)


def check_mlps(
    dense: Tensors, moe: pathlib.Path, gates: dict, indices: dict, contract: int
) -> Iterator[str]:
    """Experts and routers; what is left are the tensors of the dense model."""
    got = read_tensors(moe)
    num_layers = len(indices)
    for i in range(num_layers):
        layer = f"model.layers.{i}."
        if i < contract or i >= num_layers - contract:
            for part, old in PARTS.items():
                want = dense[f"{layer}mlp.{old}.weight"]
                yield from expect(got, f"{layer}block_sparse_moe.{part}.weight", want)
            continue
        blocks = indices[i]
        num_experts = NUM_EXPERTS
        if isinstance(blocks, dict):
            num_experts = NUM_ROUTED
            yield from check_expert(dense, got, layer, "mlp_residual", blocks["residual"])
        for e in range(num_experts):
            name = f"block_sparse_moe.experts.{e}"
            yield from check_expert(dense, got, layer, name, blocks[e])
        # torch rounds to nearest even, too.
        dtype = dense[f"{layer}mlp.gate_proj.weight"].dtype
        want = gates[i][:num_experts].to(dtype)
        yield from expect(got, f"{layer}block_sparse_moe.gate.weight", want)
    for name, tensor in dense.items():
        if ".mlp." not in name:
            yield from expect(got, name, tensor)
    yield from (f"{name} is too much" for name in got)


def check_attention(dense: Tensors, moe: pathlib.Path, config: dict) -> Iterator[str]:
    """Experts and drawn routers of a converted checkpoint's attention."""
    got = read_tensors(moe)
    written = read_config(moe)
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    head_dim = head_dim_of(config)
    num_experts = written["attn_experts"]
    split = num_experts // kv_heads
    size = heads // num_experts * head_dim
    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}.self_attn."
        old = {p: dense[f"{layer}{p}_proj.weight"] for p in "qkvo"}
        for e in range(num_experts):
            query = slice(e * size, (e + 1) * size)
            kv = slice(e // split * head_dim, (e // split + 1) * head_dim)
            yield from expect(got, f"{layer}q_proj.{e}.weight", old["q"][query])
            yield from expect(got, f"{layer}k_proj.{e}.weight", old["k"][kv])
            yield from expect(got, f"{layer}v_proj.{e}.weight", old["v"][kv])
            yield from expect(got, f"{layer}o_proj.{e}.weight", old["o"][:, query])
        shape = torch.Size((num_experts, config["hidden_size"]))
        drawn = drawn_router(shape, ATTENTION_SEED, f"convert_mixtral_attn_moe/layer/{i}")
        yield from expect(got, f"{layer}gate.weight", drawn.to(old["q"].dtype))


def kept_neurons(dense: Tensors, narrow: Tensors, layer: int) -> list[int]:
    """The dense model's neurons that a narrow MLP has, in its order."""
    name = f"model.layers.{layer}.mlp.gate_proj.weight"
    rows = {row.view(torch.uint8).numpy().tobytes(): n for n, row in enumerate(dense[name])}
    return [rows[row.view(torch.uint8).numpy().tobytes()] for row in narrow[name]]


def check_narrow(dense: Tensors, narrow: pathlib.Path, config: dict) -> Iterator[str]:
    """Neurons of the dense model, ascending, and all else as it was."""
    got = read_tensors(narrow)
    size = config["intermediate_size"] // 4
    want_config = config | {"intermediate_size": size}
    want_config.pop("_name_or_path", None)
    if read_config(narrow) != want_config:
        yield "config.json has more than another intermediate_size"
    for i in range(config["num_hidden_layers"]):
        kept = kept_neurons(dense, got, i)
        if len(kept) != size or kept != sorted(set(kept)):
            yield f"layer {i} has the neurons {kept}"
        for part in PARTS.values():
            name = f"model.layers.{i}.mlp.{part}.weight"
            weight = dense[name]
            want = weight[:, kept] if part == "down_proj" else weight[kept]
            yield from expect(got, name, want)
    for name, tensor in dense.items():
        if ".mlp." not in name:
            yield from expect(got, name, tensor)
    yield from (f"{name} is too much" for name in got)


def check_weights(directory: pathlib.Path, work: pathlib.Path) -> Iterator[str]:
    dense = read_tensors(directory)
    config = read_config(directory)
    layers = range(config["num_hidden_layers"])
    given = torch.load(work / "gate_weights.pt", weights_only=True)
    indices = torch.load(work / "neuron_indices.pt", weights_only=True)
    residual = torch.load(work / "neuron_indices_residual.pt", weights_only=True)
    size = config["intermediate_size"] // NUM_EXPERTS
    cuts = [list(range(e * size, (e + 1) * size)) for e in range(NUM_EXPERTS)]
    sequential = {i: cuts for i in layers}
    shape = torch.Size((NUM_EXPERTS, config["hidden_size"]))
    drawn = {i: drawn_router(shape, MLP_SEED, f"convert_mixtral/layer/{i}") for i in layers}
    for name, gates, split, contract in (
        ("vanilla", given, indices, 0),
        ("sequential", drawn, sequential, 0),
        ("contract", drawn, sequential, 1),
        ("residual", given, residual, 0),
    ):
        problems = check_mlps(dense, work / name, gates, split, contract)
        yield from (f"{name}: {problem}" for problem in problems)
    problems = check_narrow(dense, work / "narrow", config)
    yield from (f"narrow: {problem}" for problem in problems)
    for name in ("attention", "attention_from_dense"):
        problems = check_attention(dense, work / name, config)
        yield from (f"{name}: {problem}" for problem in problems)


def check_forms(work: pathlib.Path) -> Iterator[str]:
    """Which loaders a checkpoint is for, and the type of its routers."""
    model_types = {
        "vanilla": "llama_moe",
        "plain_mixtral": "mixtral",
        "published": "mixtral",
        "published_attention": "mixtral",
        "float32_attention_routers": "llama_moe",
    }
    for name, want in model_types.items():
        config = read_config(work / name)
        if config["model_type"] != want:
            yield f"{name}: model_type is {config['model_type']}, want {want}"
        if ("auto_map" in config) == (name == "plain_mixtral"):
            yield f"{name}: auto_map is {config.get('auto_map')}"
        if ("intermediate_size_residual" in config) != name.startswith("published"):
            yield f"{name}: intermediate_size_residual is not what the style has"
    given = torch.load(work / "gate_weights.pt", weights_only=True)
    routers = read_tensors(work / "float32_attention_routers")
    for i, want in given.items():
        yield from expect(routers, f"model.layers.{i}.block_sparse_moe.gate.weight", want)
        dtype = routers[f"model.layers.{i}.self_attn.gate.weight"].dtype
        if dtype != torch.float32:
            yield f"float32_attention_routers: the router of layer {i} is {dtype}"


def load(
    directory: pathlib.Path, kind: str, dtype: torch.dtype = torch.float32
) -> transformers.PreTrainedModel:
    """By transformers; all weights must find their places."""
    options = {"trust_remote_code": True} if kind == "LlamaMoe" else {}
    cls = (
        transformers.AutoModelForCausalLM
        if kind == "LlamaMoe"
        else getattr(transformers, f"{kind}ForCausalLM")
    )
    model, report = cls.from_pretrained(
        str(directory), dtype=dtype, output_loading_info=True, **options
    )
    problems = {key: found for key, found in report.items() if found}
    assert not problems, f"{directory}: {problems}"
    # The grouped products of transformers 5 want sizes that a fixture does not have.
    if hasattr(model, "set_experts_implementation"):
        model.set_experts_implementation("eager")
    return model.eval()


@torch.no_grad()
def logits_of(
    directory: pathlib.Path,
    kind: str,
    ids: torch.Tensor,
    dtype: torch.dtype = torch.float32,
) -> torch.Tensor:
    return load(directory, kind, dtype)(ids.unsqueeze(0)).logits[0]


@torch.no_grad()
def neuron_energies(model: transformers.LlamaForCausalLM, ids: torch.Tensor) -> list[torch.Tensor]:
    """For each layer [I], the mean over tokens of h^2 |d|^2 by the mean square of the hidden
    state after the layer, in float64.
    """
    activations, states = [], []
    for layer in model.model.layers:
        layer.mlp.down_proj.register_forward_pre_hook(
            lambda _, inputs: activations.append(inputs[0][0].double())
        )
        layer.register_forward_hook(
            lambda *call: states.append(
                (call[2][0] if isinstance(call[2], tuple) else call[2]).double()
            )
        )
    model(ids.unsqueeze(0))
    energies = []
    for layer, h, state in zip(model.model.layers, activations, states):
        squares = state.reshape(len(ids), -1).square().mean(dim=1, keepdim=True)
        norms = layer.mlp.down_proj.weight.double().square().sum(dim=0)
        weights = 1.0 / (squares + model.config.rms_norm_eps)
        energies.append((weights * h.square()).mean(dim=0) * norms)
    return energies


@torch.no_grad()
def without_others(
    directory: pathlib.Path, narrow: pathlib.Path
) -> transformers.LlamaForCausalLM:
    """The dense model with columns of zeros for the neurons that `narrow` has not."""
    model = load(directory, "Llama")
    dense, got = read_tensors(directory), read_tensors(narrow)
    for i, layer in enumerate(model.model.layers):
        others = torch.ones(model.config.intermediate_size, dtype=torch.bool)
        others[kept_neurons(dense, got, i)] = False
        layer.mlp.down_proj.weight[:, others] = 0.0
    return model


def check_energies(
    directory: pathlib.Path, narrow: pathlib.Path, ids: torch.Tensor
) -> Iterator[str]:
    """No neuron has more energy than one that is kept, but for roundings of float32."""
    dense, got = read_tensors(directory), read_tensors(narrow)
    for i, energies in enumerate(neuron_energies(load(directory, "Llama"), ids)):
        kept = kept_neurons(dense, got, i)
        least = energies[kept].min().item()
        energies[kept] = 0.0
        if not energies.max().item() <= least * (1.0 + 1e-4):
            yield f"narrow: layer {i} keeps energies of {least} and not {energies.max()}"


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two evaluations of the same ids that must agree."""

    what: str
    got: torch.Tensor
    want: torch.Tensor
    max_difference: float

    def problems(self) -> Iterator[str]:
        difference = (self.got - self.want).abs().max().item()
        largest = self.want.abs().max().item()
        print(f"{self.what} differ by {difference:.1e}; the largest is {largest:.1f}")
        if not difference <= self.max_difference:  # A NaN is in no range.
            yield f"{self.what} differ by {difference:.1e}"


def logit_pairs(
    directory: pathlib.Path, work: pathlib.Path, is_real: bool
) -> Iterator[Pair]:
    """Ours and the travelling code's of every checkpoint; exports; identities."""
    evaluated, travelling, limits = {}, {}, {}
    for path in sorted(work.glob("*.logits.safetensors")):
        name = path.name.removesuffix(".logits.safetensors")
        with safetensors.safe_open(path, framework="pt") as file:
            ids = file.get_tensor("input_ids.0").long()
            evaluated[name] = file.get_tensor("logits.0")
        travelling[name] = logits_of(work / name, "LlamaMoe", ids)
        limits[name] = MAX_LOGITS_DIFFERENCE
        if is_real:
            exact = logits_of(work / name, "LlamaMoe", ids, torch.float64)
            rounding = (travelling[name] - exact).abs().max().item()
            ours = (evaluated[name] - exact).abs().max().item()
            print(f"{name}: off float64: evaluate {ours:.1e}, the model code {rounding:.1e}")
            limits[name] = max(limits[name], 3.0 * rounding)
        what = f"{name}: logits of evaluate and of the model code"
        yield Pair(what, evaluated[name], travelling[name], limits[name])
    for name, exported, kind in (
        ("vanilla", "mixtral", "Mixtral"),
        ("plain_mixtral", "plain_mixtral", "Mixtral"),
        ("residual", "granitemoeshared_residual", "GraniteMoeShared"),
        ("vanilla", "ernie_vanilla", "Ernie4_5_Moe"),
        ("contract", "ernie_contract", "Ernie4_5_Moe"),
        ("residual", "ernie_residual", "Ernie4_5_Moe"),
        ("residual_contract", "ernie_residual_contract", "Ernie4_5_Moe"),
        ("residual", "qwen2_moe_residual", "Qwen2Moe"),
        ("residual_contract", "qwen2_moe_residual_contract", "Qwen2Moe"),
    ):
        if (work / exported).exists():
            native = logits_of(work / exported, kind, ids)
            what = f"{name}: logits of evaluate and of {kind}ForCausalLM"
            yield Pair(what, evaluated[name], native, limits[name])
    dense = logits_of(directory, "Llama", ids)
    limit = MAX_IDENTITY_DIFFERENCE * max(1.0, dense.abs().max().item())
    what = "narrow: logits of LlamaForCausalLM and of the dense model without the other neurons"
    narrow = logits_of(work / "narrow", "Llama", ids)
    with torch.no_grad():
        want = without_others(directory, work / "narrow")(ids.unsqueeze(0)).logits[0]
    yield Pair(what, narrow, want, limit)
    for name in IDENTITIES:
        what = f"{name}: logits of all experts and of the dense model"
        yield Pair(f"{what}, by evaluate,", evaluated[name], dense, limit)
        yield Pair(f"{what}, by the model code,", travelling[name], dense, limit)


def check_logits(
    directory: pathlib.Path, work: pathlib.Path, is_real: bool
) -> Iterator[str]:
    with safetensors.safe_open(work / "narrow.logits.safetensors", framework="pt") as file:
        ids = file.get_tensor("input_ids.0").long()
    yield from check_energies(directory, work / "narrow", ids)
    for pair in logit_pairs(directory, work, is_real):
        yield from pair.problems()


def main() -> None:
    what, directory, work = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    if what == "prepare":
        prepare(directory, work)
        return
    is_real = sys.argv[4:] == ["--real"]
    problems = list(check_weights(directory, work))
    problems += check_forms(work)
    problems += check_logits(directory, work, is_real)
    for problem in problems:
        print(f"{directory}: {problem}")
    print(f"{directory}: {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
