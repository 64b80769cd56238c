"""Configuration of a LLaMA whose MLPs, attention or both have experts.

It travels with a checkpoint that `llama_moe` converted, beside
modeling_llama_moe.py, and is loaded by `trust_remote_code=True`. Apache-2.0.

Without it, a loader refuses the model_type, "llama_moe". In the published style the
model_type is "mixtral": then transformers without this code takes the checkpoint for its
own Mixtral, which knows neither scale_factor nor the other experts, and computes
something else. `llama_moe export` writes checkpoints that load without code.

Needs transformers 4.57 or later, 5.x included.
"""

from transformers import PretrainedConfig

ROPE_TYPES = ("default", "linear", "dynamic", "llama3")


def _rope_parameters(theta, scaling, parameters):
    """One form of what transformers 4 and 5 write in two: type, theta, factors."""
    rope = {"rope_theta": theta, **(scaling or {}), **(parameters or {})}
    # Older files say "type".
    old_name = rope.pop("type", "default")
    rope.setdefault("rope_type", old_name)
    if rope["rope_type"] not in ROPE_TYPES:
        raise ValueError(
            f"RoPE of type {rope['rope_type']!r}: supported are {', '.join(ROPE_TYPES)}"
        )
    return rope


class LlamaMoeConfig(PretrainedConfig):
    """The fields of LLaMA, and those of the experts.

    The layers i < num_moe_contract_layers and i >= num_hidden_layers -
    num_moe_contract_layers, the contract layers, stay dense.

    Args:
      intermediate_size: of one expert; that of the dense MLP where there are no
        MLP experts.
      dense_intermediate_size: of the dense MLP, which contract layers keep.
      intermediate_size_residual: of the residual expert, which every token
        passes; None where there is none.
      num_local_experts: routed experts of an MLP; 0 where only the attention has
        experts.
      num_experts_per_tok: how many of them a token chooses.
      scale_factor: of the sum of the chosen experts' outputs.
      use_attn_moe, attn_experts, top_k_attn, scale_factor_attn: the same for
        attention.
      add_rescale_bias: whether experts carry the bias of an alignment (w2.bias,
        o_proj.{e}.bias).
      output_router_logits: return the routers' logits and, with labels, add the
        load-balancing loss times router_aux_loss_coef.
    """

    model_type = "llama_moe"
    keys_to_ignore_at_inference = ["past_key_values"]

    def __init__(
        self,
        vocab_size=32000,
        hidden_size=4096,
        intermediate_size=11008,
        dense_intermediate_size=None,
        intermediate_size_residual=None,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=None,
        head_dim=None,
        hidden_act="silu",
        max_position_embeddings=2048,
        initializer_range=0.02,
        rms_norm_eps=1e-6,
        use_cache=True,
        pad_token_id=None,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=False,
        rope_theta=10000.0,
        rope_scaling=None,
        rope_parameters=None,
        sliding_window=None,
        attention_bias=False,
        mlp_bias=False,
        attention_dropout=0.0,
        num_local_experts=8,
        num_experts_per_tok=2,
        scale_factor=1.0,
        moe_type="modulelist",
        num_moe_contract_layers=0,
        use_attn_moe=False,
        attn_experts=0,
        top_k_attn=0,
        scale_factor_attn=1.0,
        add_rescale_bias=False,
        output_router_logits=False,
        router_aux_loss_coef=0.01,
        **kwargs,
    ):
        if hidden_act != "silu":
            raise ValueError(f"hidden_act is {hidden_act!r}; supported is 'silu'")
        if sliding_window is not None:
            raise ValueError("sliding_window: attention over a window is not supported")
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.intermediate_size = intermediate_size
        self.dense_intermediate_size = dense_intermediate_size or intermediate_size
        if intermediate_size_residual is not None:
            self.intermediate_size_residual = intermediate_size_residual
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.num_key_value_heads = num_key_value_heads or num_attention_heads
        self.head_dim = head_dim or hidden_size // num_attention_heads
        self.hidden_act = hidden_act
        self.max_position_embeddings = max_position_embeddings
        self.initializer_range = initializer_range
        self.rms_norm_eps = rms_norm_eps
        self.use_cache = use_cache
        self.rope_parameters = _rope_parameters(rope_theta, rope_scaling, rope_parameters)
        self.sliding_window = sliding_window
        self.attention_bias = attention_bias
        self.mlp_bias = mlp_bias
        self.attention_dropout = attention_dropout
        self.num_local_experts = num_local_experts
        self.num_experts_per_tok = num_experts_per_tok
        self.scale_factor = scale_factor
        self.moe_type = moe_type
        self.num_moe_contract_layers = num_moe_contract_layers
        self.use_attn_moe = use_attn_moe
        self.attn_experts = attn_experts
        self.top_k_attn = top_k_attn
        self.scale_factor_attn = scale_factor_attn
        self.add_rescale_bias = add_rescale_bias
        self.output_router_logits = output_router_logits
        self.router_aux_loss_coef = router_aux_loss_coef
        super().__init__(
            pad_token_id=pad_token_id,
            bos_token_id=bos_token_id,
            eos_token_id=eos_token_id,
            tie_word_embeddings=tie_word_embeddings,
            **kwargs,
        )

    def is_contract_layer(self, layer):
        """Whether a layer stays dense."""
        n = self.num_moe_contract_layers
        return layer < n or layer >= self.num_hidden_layers - n

    def has_mlp_experts(self, layer):
        """Whether the layer's MLP has experts."""
        return self.num_local_experts > 0 and not self.is_contract_layer(layer)

    def has_attention_experts(self, layer):
        """Whether the layer's attention has experts."""
        return self.use_attn_moe and not self.is_contract_layer(layer)


class PublishedLlamaMoeConfig(LlamaMoeConfig):
    """The same, as the published LLaMA-MoE-v2 code names it."""

    model_type = "mixtral"

    # transformers 5 makes one of the class's fields where there is none.
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
