"""What a converted checkpoint computes, formula by formula and token by token.

Slow and literal, in float64, over the fields of config.json and the tensors by their
names; it shares nothing with the model code that travels with a checkpoint, so that
tests can hold the one against the other. One sequence, no padding, no cache.
"""

import math
from typing import Any

import torch

Config = dict[str, Any]
Tensors = dict[str, torch.Tensor]


class Reference:
    """A checkpoint's forward pass."""

    def __init__(self, config: Config, tensors: Tensors):
        self._config = config
        self._tensors = {name: tensor.double() for name, tensor in tensors.items()}
        # What the routers chose: (layer, "mlp" or "attention") -> experts, lowest
        # first, of each token.
        self.choices: dict[tuple[int, str], list[list[int]]] = {}

    def logits(self, ids: list[int]) -> torch.Tensor:
        """Logits [T, vocab_size] of a sequence of T ids."""
        self.choices = {}
        embedding = self._tensors["model.embed_tokens.weight"]
        hidden = [embedding[token] for token in ids]
        for layer in range(self._config["num_hidden_layers"]):
            hidden = self._layer(layer, hidden)
        head = self._tensors.get("lm_head.weight", embedding)
        return torch.stack([head @ self._norm("model.norm", h) for h in hidden])

    def loss(self, ids: list[int]) -> float:
        """Mean cross entropy of every token but the first."""
        p = self.logits(ids).softmax(-1)
        losses = [-math.log(p[t, ids[t + 1]]) for t in range(len(ids) - 1)]
        return sum(losses) / len(losses)

    def _layer(self, layer: int, hidden: list[torch.Tensor]) -> list[torch.Tensor]:
        config, prefix = self._config, f"model.layers.{layer}."
        n = config["num_moe_contract_layers"]
        contract = layer < n or layer >= config["num_hidden_layers"] - n
        x = [self._norm(prefix + "input_layernorm", h) for h in hidden]
        if config["use_attn_moe"] and not contract:
            y = self._attention_experts(layer, x)
        else:
            y = self._dense_attention(prefix + "self_attn.", x)
        hidden = [h + part for h, part in zip(hidden, y)]
        x = [self._norm(prefix + "post_attention_layernorm", h) for h in hidden]
        if config["num_local_experts"] > 0 and not contract:
            y = self._mlp_experts(layer, x)
        else:
            y = [self._mlp(prefix + "block_sparse_moe", x_t) for x_t in x]
        return [h + part for h, part in zip(hidden, y)]

    def _norm(self, name: str, x: torch.Tensor) -> torch.Tensor:
        mean_square = (x * x).mean() + self._config["rms_norm_eps"]
        return self._tensors[name + ".weight"] * x / math.sqrt(mean_square)

    def _linear(self, name: str, x: torch.Tensor) -> torch.Tensor:
        y = self._tensors[name + ".weight"] @ x
        bias = self._tensors.get(name + ".bias")
        return y if bias is None else y + bias

    def _mlp(self, name: str, x: torch.Tensor) -> torch.Tensor:
        gate, up = self._linear(name + ".w1", x), self._linear(name + ".w3", x)
        return self._linear(name + ".w2", gate / (1 + torch.exp(-gate)) * up)

    def _route(self, name: str, x: torch.Tensor, top_k: int) -> dict[int, float]:
        """Expert -> weight, for the chosen ones."""
        powers = [math.exp(z) for z in self._linear(name, x).tolist()]
        p = [power / sum(powers) for power in powers]
        # Largest first; the lowest index among equals.
        chosen = sorted(range(len(p)), key=lambda e: (-p[e], e))[:top_k]
        return {e: p[e] / sum(p[c] for c in chosen) for e in sorted(chosen)}

    def _mlp_experts(self, layer: int, x: list[torch.Tensor]) -> list[torch.Tensor]:
        config, prefix = self._config, f"model.layers.{layer}."
        block, chosen, outputs = prefix + "block_sparse_moe", [], []
        for x_t in x:
            weights = self._route(block + ".gate", x_t, config["num_experts_per_tok"])
            chosen.append(list(weights))
            y = torch.zeros_like(x_t)
            for e, weight in weights.items():
                y = y + weight * self._mlp(f"{block}.experts.{e}", x_t)
            y = config["scale_factor"] * y
            if config.get("intermediate_size_residual") is not None:
                y = y + self._mlp(prefix + "mlp_residual", x_t)
            outputs.append(y)
        self.choices[layer, "mlp"] = chosen
        return outputs

    def _frequency(self, i: int, length: int) -> float:
        """Angle a position of pair i, in a sequence of `length` tokens."""
        config = self._config
        dim, scaling = config["head_dim"], config.get("rope_scaling") or {}
        kind, factor = scaling.get("rope_type"), scaling.get("factor", 1.0)
        theta = config["rope_theta"]
        if kind == "dynamic":
            longest = config["max_position_embeddings"]
            n = max(length, longest)
            theta *= (factor * n / longest - (factor - 1)) ** (dim / (dim - 2))
        f = theta ** (-2 * i / dim)
        if kind == "linear":
            return f / factor
        if kind == "llama3":
            context = scaling["original_max_position_embeddings"]
            low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
            wave = 2 * math.pi / f
            if wave > context / low:
                return f / factor
            if wave >= context / high:
                s = (context / wave - low) / (high - low)
                return (1 - s) * f / factor + s * f
        return f

    def _rotate(self, x: torch.Tensor, position: int, length: int) -> torch.Tensor:
        half, y = len(x) // 2, x.clone()
        for i in range(half):
            angle = position * self._frequency(i, length)
            cos, sin = math.cos(angle), math.sin(angle)
            y[i] = x[i] * cos - x[i + half] * sin
            y[i + half] = x[i + half] * cos + x[i] * sin
        return y

    def _attend(self, q, keys, values) -> torch.Tensor:
        """Output of one query head over the keys it sees."""
        scores = [float(q @ k) / math.sqrt(len(q)) for k in keys]
        powers = [math.exp(score - max(scores)) for score in scores]
        parts = [power / sum(powers) * v for power, v in zip(powers, values)]
        return torch.stack(parts).sum(0)

    def _dense_attention(self, prefix: str, x: list[torch.Tensor]) -> list[torch.Tensor]:
        config, length = self._config, len(x)
        dim, num_heads = config["head_dim"], config["num_attention_heads"]
        group = num_heads // config["num_key_value_heads"]
        q, k, v = (
            [self._linear(f"{prefix}{name}_proj", x_t).split(dim) for x_t in x]
            for name in "qkv"
        )
        outputs = []
        for t in range(length):
            heads = []
            for head in range(num_heads):
                kv = head // group
                keys = [self._rotate(k[u][kv], u, length) for u in range(t + 1)]
                values = [v[u][kv] for u in range(t + 1)]
                heads.append(
                    self._attend(self._rotate(q[t][head], t, length), keys, values)
                )
            outputs.append(self._linear(prefix + "o_proj", torch.cat(heads)))
        return outputs

    def _attention_experts(self, layer: int, x: list[torch.Tensor]) -> list[torch.Tensor]:
        config, prefix = self._config, f"model.layers.{layer}.self_attn."
        weights = [self._route(prefix + "gate", x_t, config["top_k_attn"]) for x_t in x]
        self.choices[layer, "attention"] = [list(w) for w in weights]
        outputs = [torch.zeros_like(x_t) for x_t in x]
        for e in range(config["attn_experts"]):
            # The tokens that chose e, and no others, exist here.
            tokens = [t for t in range(len(x)) if e in weights[t]]
            for t, y in self._attention_expert(prefix, e, x, tokens):
                outputs[t] = outputs[t] + weights[t][e] * y
        return [config["scale_factor_attn"] * y for y in outputs]

    def _attention_expert(self, prefix, e, x, tokens):
        """(t, output) of expert e for each of its tokens."""
        dim, length = self._config["head_dim"], len(x)
        keys, values = [], []
        for t in tokens:
            keys.append(
                self._rotate(self._linear(f"{prefix}k_proj.{e}", x[t]), t, length)
            )
            values.append(self._linear(f"{prefix}v_proj.{e}", x[t]))
            queries = self._linear(f"{prefix}q_proj.{e}", x[t]).split(dim)
            heads = [
                self._attend(self._rotate(q, t, length), keys, values) for q in queries
            ]
            yield t, self._linear(f"{prefix}o_proj.{e}", torch.cat(heads))
