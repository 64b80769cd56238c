"""LLaMA with experts in its MLPs, its attention or both, for transformers.

It travels with a checkpoint that `llama_moe` converted, beside
configuration_llama_moe.py, and is loaded by `trust_remote_code=True`. Apache-2.0.
Needs transformers 4.57 or later, 5.x included.

A layer computes, on normalised inputs x,

  MLP        y = scale_factor * sum over the chosen e of w_e * expert_e(x)
                 + mlp_residual(x), where there is one
  attention  y = scale_factor_attn * sum over the chosen e of w_e * attention_e(x)

where the router's p = softmax(x gate^T) in float32, the k largest p are chosen (the
lowest index among equal ones), and w_e = p_e / sum of the chosen p. Inside an
attention expert only the tokens that chose it exist: they attend causally to each
other, at their original positions. Contract layers are those of LLaMA.
"""

import dataclasses
from typing import Optional

import torch
from torch import nn
from torch.nn import functional
from transformers import DynamicCache, GenerationMixin, PreTrainedModel
from transformers import modeling_outputs

from .configuration_llama_moe import LlamaMoeConfig, PublishedLlamaMoeConfig

IGNORED_LABEL = -100


# router_logits and attn_router_logits: [batch * tokens, experts] of each layer that has
# experts in its MLP, in its attention.
@dataclasses.dataclass
class MoeModelOutput(modeling_outputs.MoeModelOutputWithPast):
    attn_router_logits: Optional[tuple] = None


@dataclasses.dataclass
class MoeCausalLMOutput(modeling_outputs.MoeCausalLMOutputWithPast):
    attn_router_logits: Optional[tuple] = None


class RMSNorm(nn.Module):
    """weight * x / sqrt(mean(x^2) + eps), in float32."""

    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        wide = x.float()
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return self.weight * wide.to(x.dtype)


def rope_frequencies(config, lengths):
    """Frequencies [batch, head_dim / 2] for sequences of `lengths` [batch] tokens.

    Only those of type "dynamic" depend on the length, each row on its own. As in
    transformers, a key in a cache keeps those of when it came: past
    max_position_embeddings, that type computes something else with a cache.
    """
    rope, dim = config.rope_parameters, config.head_dim
    base = torch.full_like(lengths, rope["rope_theta"], dtype=torch.float32)
    factor = rope.get("factor", 1.0)
    if rope["rope_type"] == "dynamic":
        longest = config.max_position_embeddings
        stretch = factor * lengths.clamp(min=longest) / longest - (factor - 1)
        base = base * stretch ** (dim / (dim - 2))
    exponents = torch.arange(0, dim, 2, device=lengths.device).float() / dim
    frequencies = 1.0 / base[:, None] ** exponents
    if rope["rope_type"] == "linear":
        return frequencies / factor
    if rope["rope_type"] == "llama3":
        return _llama3_frequencies(rope, frequencies)
    return frequencies


def _llama3_frequencies(rope, frequencies):
    """Long waves slower by the factor, short ones as they are, and between."""
    factor, low, high = (
        rope[name] for name in ("factor", "low_freq_factor", "high_freq_factor")
    )
    waves = frequencies / (2 * torch.pi) * rope["original_max_position_embeddings"]
    share = ((waves - low) / (high - low)).clamp(0, 1)
    return (1 - share) * frequencies / factor + share * frequencies


def rotary_tables(config, positions, dtype):
    """Cosines and sines [batch, tokens, head_dim] at `positions` [batch, tokens]."""
    frequencies = rope_frequencies(config, positions.amax(1) + 1)
    angles = positions[..., None].float() * frequencies[:, None]
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate(x, rotary):
    """Rotates x [tokens, heads, head_dim] by the tables [tokens, head_dim]."""
    cos, sin = (table.unsqueeze(-2) for table in rotary)
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


def route(x, gate, top_k):
    """Chooses the experts of tokens x [tokens, hidden].

    Returns: the router's logits [tokens, experts] in float32, the chosen experts
      [tokens, top_k] and their weights.
    """
    logits = gate(x).float()
    # topk does not say which of equal ones it takes; a stable sort does.
    ordered, experts = logits.softmax(-1).sort(dim=-1, descending=True, stable=True)
    weights = ordered[:, :top_k]
    weights = weights / weights.sum(-1, keepdim=True)
    return logits, experts[:, :top_k], weights.to(x.dtype)


def balance_loss(router_logits, top_k, is_token):
    """Load-balancing loss of routers: experts * sum over e of f_e P_e.

    f_e is the number of choices of e a token, P_e the mean probability of e, over the
    tokens of all layers (Fedus et al., Switch Transformers, section 2.2, as
    Mixtral has it in transformers). Smallest, top_k, where both are even.

    Args:
      router_logits: [tokens, experts] of each layer.
      is_token: [tokens], False for padding; None where there is none.
    """
    if not router_logits:
        return 0.0
    # Layers may be on several devices.
    device = router_logits[0].device
    logits = torch.stack([layer.to(device) for layer in router_logits])
    if is_token is not None:
        logits = logits[:, is_token.to(device)]
    p = logits.flatten(0, 1).softmax(-1)
    experts = p.sort(dim=-1, descending=True, stable=True).indices[:, :top_k]
    num_experts = p.shape[-1]
    choices = torch.bincount(experts.flatten(), minlength=num_experts) / len(p)
    return num_experts * (choices * p.mean(0)).sum()


class GatedMlp(nn.Module):
    """w2(silu(w1 x) * w3 x): a dense MLP, a residual one, or an expert."""

    def __init__(self, hidden_size, size, bias, down_bias):
        super().__init__()
        self.w1 = nn.Linear(hidden_size, size, bias=bias)
        self.w2 = nn.Linear(size, hidden_size, bias=down_bias)
        self.w3 = nn.Linear(hidden_size, size, bias=bias)

    def forward(self, x):
        return self.w2(functional.silu(self.w1(x)) * self.w3(x))


class SparseMlp(nn.Module):
    """The routed experts of an MLP."""

    def __init__(self, config):
        super().__init__()
        self.top_k = config.num_experts_per_tok
        self.scale_factor = config.scale_factor
        self.gate = nn.Linear(config.hidden_size, config.num_local_experts, bias=False)
        bias, down_bias = config.mlp_bias, config.mlp_bias or config.add_rescale_bias
        self.experts = nn.ModuleList(
            GatedMlp(config.hidden_size, config.intermediate_size, bias, down_bias)
            for _ in range(config.num_local_experts)
        )

    def forward(self, x):
        """Output [batch, tokens, hidden] and the router's logits."""
        flat = x.flatten(0, 1)
        logits, experts, weights = route(flat, self.gate, self.top_k)
        y = torch.zeros_like(flat)
        for e, expert in enumerate(self.experts):
            # Experts without tokens run, too, so that every one gets a gradient.
            tokens, choice = (experts == e).nonzero(as_tuple=True)
            part = expert(flat.index_select(0, tokens))
            y.index_add_(0, tokens, part * weights[tokens, choice, None])
        return self.scale_factor * y.view_as(x), logits


def attend(q, k, v, mask, dropout):
    """Scaled dot-product attention; causal where there is no mask.

    Args:
      q: [batch, heads, queries, head_dim].
      k, v: [batch, KV heads, keys, head_dim].
      mask: True where a query sees a key, [batch, 1, queries, keys].
    """
    group = q.shape[1] // k.shape[1]
    if group > 1:
        k, v = (t.repeat_interleave(group, dim=1) for t in (k, v))
    return functional.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, dropout_p=dropout, is_causal=mask is None
    )


def causal_mask(attention_mask, past, length, batch, device):
    """Which keys dense attention sees: [batch, 1, length, past + length].

    None where that is all before a query and there is neither a cache nor padding.
    """
    if attention_mask is None and past == 0:
        return None
    queries = torch.arange(past, past + length, device=device)[:, None]
    keys = torch.arange(past + length, device=device)
    mask = (keys <= queries).expand(batch, 1, -1, -1)
    if attention_mask is not None:
        # A padding token sees itself, so that no softmax is over nothing.
        mask = (mask & attention_mask[:, None, None, :]) | (keys == queries)
    return mask


class DenseAttention(nn.Module):
    """LLaMA's attention."""

    def __init__(self, config, layer):
        super().__init__()
        self.layer = layer
        self.head_dim = config.head_dim
        self.dropout = config.attention_dropout
        hidden, bias = config.hidden_size, config.attention_bias
        query_size = config.num_attention_heads * config.head_dim
        key_size = config.num_key_value_heads * config.head_dim
        self.q_proj = nn.Linear(hidden, query_size, bias=bias)
        self.k_proj = nn.Linear(hidden, key_size, bias=bias)
        self.v_proj = nn.Linear(hidden, key_size, bias=bias)
        self.o_proj = nn.Linear(query_size, hidden, bias=bias)

    def forward(self, x, rotary, is_token, mask, cache):
        """Output [batch, tokens, hidden], and None for a router's logits."""
        del is_token  # In the mask.
        q, k, v = (
            project(x).unflatten(-1, (-1, self.head_dim))
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        q, k = rotate(q, rotary), rotate(k, rotary)
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        if cache is not None:
            k, v = cache.update(k, v, self.layer)
        y = attend(q, k, v, mask, self.dropout if self.training else 0.0)
        return self.o_proj(y.transpose(1, 2).flatten(2)), None


class Packing:
    """The tokens of an expert, each row of them packed to the left.

    Args:
      exists: [batch, tokens].
    """

    def __init__(self, exists):
        ranks = exists.cumsum(1)
        self.rows, self.columns = exists.nonzero(as_tuple=True)
        self.ranks = ranks[self.rows, self.columns] - 1
        self.shape = (len(exists), int(ranks[:, -1].max()))

    def pack(self, x):
        """[batch, longest row, ...] from x [n, ...], one for each token; 0 elsewhere."""
        packed = x.new_zeros(*self.shape, *x.shape[1:])
        return packed.index_put((self.rows, self.ranks), x)

    def unpack(self, packed):
        """The inverse of pack."""
        return packed[self.rows, self.ranks]


class SparseAttention(nn.Module):
    """Attention experts: each a share of the query heads and one KV head.

    The cache holds keys and values of every token and expert, 0 where the token did
    not choose the expert; one more feature of a key, 1 or 0, says whether it did. So
    every operation on a cache (for beams, say) carries the choices along.
    """

    def __init__(self, config, layer):
        super().__init__()
        self.layer = layer
        self.head_dim = config.head_dim
        self.top_k = config.top_k_attn
        self.scale_factor = config.scale_factor_attn
        self.dropout = config.attention_dropout
        hidden, num_experts = config.hidden_size, config.attn_experts
        query_size = config.num_attention_heads * config.head_dim // num_experts
        bias = config.attention_bias

        def experts(size_in, size_out, has_bias):
            return nn.ModuleList(
                nn.Linear(size_in, size_out, bias=has_bias) for _ in range(num_experts)
            )

        self.gate = nn.Linear(hidden, num_experts, bias=False)
        self.q_proj = experts(hidden, query_size, bias)
        self.k_proj = experts(hidden, config.head_dim, bias)
        self.v_proj = experts(hidden, config.head_dim, bias)
        self.o_proj = experts(query_size, hidden, bias or config.add_rescale_bias)

    def forward(self, x, rotary, is_token, mask, cache):
        """Output [batch, tokens, hidden] and the router's logits."""
        del mask  # Each expert has its own.
        flat = x.flatten(0, 1)
        logits, experts, weights = route(flat, self.gate, self.top_k)
        # [batch * tokens, experts]: the weight of each expert, and whether chosen.
        weights = torch.zeros_like(logits, dtype=x.dtype).scatter(1, experts, weights)
        chosen = torch.zeros_like(logits, dtype=torch.bool).scatter(1, experts, True)
        if is_token is not None:
            chosen = chosen & is_token.flatten()[:, None]
        rotary = tuple(table.flatten(0, 1) for table in rotary)
        tokens = [chosen[:, e].nonzero().squeeze(1) for e in range(len(self.q_proj))]
        inputs = [flat.index_select(0, t) for t in tokens]
        keys, values = self._keys_and_values(x, rotary, tokens, inputs)
        if cache is not None:
            keys, values = cache.update(keys, values, self.layer)
        y = torch.zeros_like(flat)
        for e, (token, x_e) in enumerate(zip(tokens, inputs)):
            q = self.q_proj[e](x_e).unflatten(-1, (-1, self.head_dim))
            q = rotate(q, tuple(table[token] for table in rotary))
            part = self._attend(q, token, x.shape[1], keys[:, e], values[:, e])
            y.index_add_(0, token, self.o_proj[e](part) * weights[token, e, None])
        return self.scale_factor * y.view_as(x), logits

    def _keys_and_values(self, x, rotary, tokens, inputs):
        """What the cache holds of new tokens: [batch, experts, tokens, ...]."""
        flat_size, all_keys, all_values = x.shape[0] * x.shape[1], [], []
        for e, (token, x_e) in enumerate(zip(tokens, inputs)):
            k = self.k_proj[e](x_e).unsqueeze(1)
            k = rotate(k, tuple(table[token] for table in rotary)).squeeze(1)
            k = torch.cat((k, k.new_ones(len(k), 1)), dim=1)
            v = self.v_proj[e](x_e)
            for part, parts in ((k, all_keys), (v, all_values)):
                spread = part.new_zeros(flat_size, part.shape[1])
                spread = spread.index_copy(0, token, part)
                parts.append(spread.unflatten(0, x.shape[:2]))
        return torch.stack(all_keys, 1), torch.stack(all_values, 1)

    def _attend(self, q, token, length, keys, values):
        """Attention among the tokens of one expert.

        Args:
          q: queries of its new tokens, [n, heads, head_dim].
          token: their indices in [batch * length].
          keys, values: of all tokens, [batch, past + length, ...].

        Returns: [n, heads * head_dim].
        """
        if len(token) == 0:
            return q.flatten(1)
        past = keys.shape[1] - length
        exists = keys[..., -1] > 0.5
        seen, new = Packing(exists), Packing(exists[:, past:])
        k = seen.pack(keys[seen.rows, seen.columns, :-1]).unsqueeze(1)
        v = seen.pack(values[seen.rows, seen.columns]).unsqueeze(1)
        q = new.pack(q).transpose(1, 2)
        mask = None
        if past > 0:
            # A query sees the expert's tokens up to itself.
            ranks = new.pack(exists.cumsum(1)[:, past:][new.rows, new.columns] - 1)
            slots = torch.arange(seen.shape[1], device=q.device)
            mask = slots <= ranks[:, None, :, None]
        y = attend(q, k, v, mask, self.dropout if self.training else 0.0)
        return new.unpack(y.transpose(1, 2)).flatten(1)


class DecoderLayer(nn.Module):
    """x + attention(norm(x)), then x + MLP(norm(x))."""

    def __init__(self, config, layer):
        super().__init__()
        is_sparse = config.has_attention_experts(layer)
        self.self_attn = (SparseAttention if is_sparse else DenseAttention)(config, layer)
        hidden, bias = config.hidden_size, config.mlp_bias
        self.is_sparse = config.has_mlp_experts(layer)
        self.mlp_residual = None
        if self.is_sparse:
            self.block_sparse_moe = SparseMlp(config)
            residual_size = getattr(config, "intermediate_size_residual", None)
            if residual_size is not None:
                self.mlp_residual = GatedMlp(hidden, residual_size, bias, bias)
        else:
            size = config.dense_intermediate_size
            self.block_sparse_moe = GatedMlp(hidden, size, bias, bias)
        self.input_layernorm = RMSNorm(hidden, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(hidden, config.rms_norm_eps)

    def forward(self, hidden, rotary, is_token, mask, cache):
        """Hidden states, and the logits of the MLP's and the attention's router."""
        x = self.input_layernorm(hidden)
        y, attention_logits = self.self_attn(x, rotary, is_token, mask, cache)
        hidden = hidden + y
        x = self.post_attention_layernorm(hidden)
        y, logits = self.block_sparse_moe(x), None
        if self.is_sparse:
            y, logits = y
        if self.mlp_residual is not None:
            y = y + self.mlp_residual(x)
        return hidden + y, logits, attention_logits


class LlamaMoePreTrainedModel(PreTrainedModel):
    """What the classes below share."""

    config_class = LlamaMoeConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _no_split_modules = ["DecoderLayer"]
    _skip_keys_device_placement = ["past_key_values"]
    _supports_sdpa = True


class LlamaMoeModel(LlamaMoePreTrainedModel):
    """The decoder without its language model head."""

    def __init__(self, config):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(
            config.vocab_size, config.hidden_size, config.pad_token_id
        )
        self.layers = nn.ModuleList(
            DecoderLayer(config, layer) for layer in range(config.num_hidden_layers)
        )
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.gradient_checkpointing = False
        self.post_init()

    def _run_layer(self, layer, *arguments):
        if self.gradient_checkpointing and self.training:
            return self._gradient_checkpointing_func(layer.__call__, *arguments)
        return layer(*arguments)

    def _layer_arguments(self, hidden, attention_mask, position_ids, cache):
        """What every layer takes beside the hidden states."""
        batch, length, _ = hidden.shape
        past = cache.get_seq_length() if cache is not None else 0
        if position_ids is None:
            position_ids = torch.arange(past, past + length, device=hidden.device)
            position_ids = position_ids.expand(batch, -1)
        rotary = rotary_tables(self.config, position_ids, hidden.dtype)
        is_token = None
        if attention_mask is not None:
            if attention_mask.shape != (batch, past + length):
                raise ValueError(
                    f"attention_mask is {tuple(attention_mask.shape)}; wanted is a number "
                    f"for each token, those in the cache too: {(batch, past + length)}"
                )
            is_token = attention_mask.bool()
        mask = causal_mask(is_token, past, length, batch, hidden.device)
        is_new_token = None if is_token is None else is_token[:, past:]
        return rotary, is_new_token, mask, cache

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        position_ids=None,
        past_key_values=None,
        inputs_embeds=None,
        use_cache=None,
        output_hidden_states=None,
        output_router_logits=None,
        **kwargs,
    ):
        """Hidden states of input_ids or inputs_embeds, as MoeModelOutput.

        Args:
          attention_mask: [batch, cached + new tokens], 0 for padding.
          position_ids: [batch, tokens]; counted from the cache on by default.
        """
        del kwargs  # What other models take and generate() passes.
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give either input_ids or inputs_embeds")
        hidden = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        if use_cache is None:
            use_cache = self.config.use_cache and not self.training
        cache = past_key_values
        if cache is None and use_cache and not self.gradient_checkpointing:
            cache = DynamicCache()
        arguments = self._layer_arguments(hidden, attention_mask, position_ids, cache)
        states, mlp_logits, attn_logits = [hidden], [], []
        for layer in self.layers:
            hidden, of_mlp, of_attention = self._run_layer(layer, hidden, *arguments)
            states.append(hidden)
            mlp_logits += [] if of_mlp is None else [of_mlp]
            attn_logits += [] if of_attention is None else [of_attention]
        states[-1] = self.norm(hidden)
        return MoeModelOutput(
            last_hidden_state=states[-1],
            past_key_values=cache,
            hidden_states=tuple(states) if output_hidden_states else None,
            router_logits=tuple(mlp_logits) if output_router_logits else None,
            attn_router_logits=tuple(attn_logits) if output_router_logits else None,
        )


class LlamaMoeForCausalLM(LlamaMoePreTrainedModel, GenerationMixin):
    """The decoder and its language model head."""

    # A dict for transformers 5; version 4 reads its keys.
    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}

    def __init__(self, config):
        super().__init__(config)
        self.model = LlamaMoeModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        position_ids=None,
        past_key_values=None,
        inputs_embeds=None,
        labels=None,
        use_cache=None,
        output_hidden_states=None,
        output_router_logits=None,
        logits_to_keep=0,
        return_dict=None,
        **kwargs,
    ):
        """Logits, and with `labels` the loss, as MoeCausalLMOutput.

        Args:
          labels: [batch, tokens]; label t is predicted from the tokens before it, and
            -100 is ignored.
          output_router_logits: return the routers' logits and the load-balancing loss
            (of the MLPs' routers plus that of the attentions'), and add the latter,
            times config.router_aux_loss_coef, to the loss.
          logits_to_keep: only the logits of so many last tokens (0: all), or of the
            tokens with these indices.
          num_items_in_batch (in kwargs): what the sum of the tokens' losses is
            divided by, in place of their number.
        """
        config = self.config
        if output_router_logits is None:
            output_router_logits = config.output_router_logits
        if output_hidden_states is None:
            output_hidden_states = config.output_hidden_states
        decoded = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            output_hidden_states=output_hidden_states,
            output_router_logits=output_router_logits,
        )
        if isinstance(logits_to_keep, int):
            logits_to_keep = slice(-logits_to_keep if logits_to_keep else None, None)
        logits = self.lm_head(decoded.last_hidden_state[:, logits_to_keep])
        loss, aux_loss = None, None
        if labels is not None:
            loss = token_loss(logits, labels, kwargs.get("num_items_in_batch"))
        if output_router_logits:
            aux_loss = self._balance_loss(decoded, attention_mask)
            if loss is not None:
                loss = loss + config.router_aux_loss_coef * aux_loss
        output = MoeCausalLMOutput(
            loss=loss,
            aux_loss=aux_loss,
            logits=logits,
            past_key_values=decoded.past_key_values,
            hidden_states=decoded.hidden_states,
            router_logits=decoded.router_logits,
            attn_router_logits=decoded.attn_router_logits,
        )
        return output.to_tuple() if return_dict is False else output

    def _balance_loss(self, decoded, attention_mask):
        config, is_token = self.config, None
        if attention_mask is not None:
            length = decoded.last_hidden_state.shape[1]
            is_token = attention_mask[:, -length:].flatten().bool()
        loss = balance_loss(decoded.router_logits, config.num_experts_per_tok, is_token)
        return loss + balance_loss(decoded.attn_router_logits, config.top_k_attn, is_token)


class MixtralModel(LlamaMoeModel):  # As the published LLaMA-MoE-v2 code names it.
    config_class = PublishedLlamaMoeConfig


class MixtralForCausalLM(LlamaMoeForCausalLM):
    config_class = PublishedLlamaMoeConfig


def token_loss(logits, labels, num_items):
    """Mean cross entropy in float32 of label t + 1 from the logits of token t."""
    labels = functional.pad(labels, (0, 1), value=IGNORED_LABEL)[:, 1:]
    total = functional.cross_entropy(
        logits.float().flatten(0, 1),
        labels.flatten().to(logits.device),
        ignore_index=IGNORED_LABEL,
        reduction="mean" if num_items is None else "sum",
    )
    return total if num_items is None else total / num_items
