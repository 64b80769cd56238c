"""Tests of the model code that travels with a converted checkpoint: what it computes.

Run by tools/tests/huggingface_code_test.sh. Needs torch, transformers and safetensors.
"""

import dataclasses
import sys
import unittest

import torch
import transformers

import moe_cases
import tiny_moe
from moe_cases import make_case, random_ids, relative_difference

MAX_RELATIVE_DIFFERENCE = moe_cases.MAX_RELATIVE_DIFFERENCE

ATTENTION = {"attn_split": 2, "top_k_attn": 2, "scale_factor_attn": 2.0}

# One of each kind.
KINDS = {
    "vanilla": tiny_moe.Options(scale_factor=4.0),
    "residual": tiny_moe.Options(
        num_local_experts=7,
        num_experts_per_tok=1,
        intermediate_size=8,
        intermediate_size_residual=8,
    ),
    "contract": tiny_moe.Options(num_moe_contract_layers=1, **ATTENTION),
    "attention": tiny_moe.Options(**ATTENTION),
    "attention_only": tiny_moe.Options(num_local_experts=0, **ATTENTION),
    "aligned": tiny_moe.Options(
        add_rescale_bias=True, num_moe_contract_layers=1, num_hidden_layers=4, **ATTENTION
    ),
}


class CodeTestCase(unittest.TestCase):
    """Comparisons of tensors."""

    def assert_close(self, got, want, limit=MAX_RELATIVE_DIFFERENCE):
        self.assertEqual(got.shape, want.shape)
        self.assertLessEqual(relative_difference(got, want), limit)


class FormulaTest(CodeTestCase):
    """Against the formulas in tools/python/moe_reference.py."""

    def test_logits_of_every_combination_of_options(self):
        count = 0
        for options in moe_cases.all_options():
            with self.subTest(options=options), torch.no_grad():
                case = make_case(options, seed=count + 1)
                ids = random_ids(14, seed=count)
                want = case.reference().logits(ids.tolist())
                got = case.model(ids[None]).logits[0].double()
                self.assert_close(got, want)
                self._check_batch(case.model, ids, got, options)
                self._check_cache(case.model, ids, got, options)
            count += 1
        self.assertEqual(count, 128)

    def _check_batch(self, model, ids, alone, options):
        """Neither padding nor the other rows of a batch change a token's logits."""
        rows = [ids, random_ids(19, seed=99), random_ids(1, seed=98)]
        padded, mask = moe_cases.left_pad(rows)
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        logits = model(padded, attention_mask=mask, position_ids=positions).logits
        self.assert_close(logits[0, -14:].double(), alone)
        if (options.rope_scaling or {}).get("rope_type") != "dynamic":
            # Positions counted from the padding on are as far from each other.
            logits = model(padded, attention_mask=mask).logits
            self.assert_close(logits[0, -14:].double(), alone)

    def _check_cache(self, model, ids, alone, options):
        """Pieces of a sequence through a cache give the logits of the whole."""
        if (options.rope_scaling or {}).get("rope_type") == "dynamic":
            # A key keeps the frequencies of the length it came in at, as in
            # transformers' LLaMA: only up to max_position_embeddings these are one.
            ids = ids[: options.max_position_embeddings]
            alone = model(ids[None]).logits[0].double()
        cache, pieces = None, []
        for piece in ids.split([5, 1, 3, 1] + [1] * (len(ids) - 10)):
            output = model(piece[None], past_key_values=cache, use_cache=True)
            cache = output.past_key_values
            pieces.append(output.logits[0])
        self.assert_close(torch.cat(pieces).double(), alone)

    def test_all_experts_chosen(self):
        options = tiny_moe.Options(
            num_local_experts=5,
            num_experts_per_tok=5,
            attn_split=2,
            top_k_attn=4,
            scale_factor_attn=3.0,
        )
        case = make_case(options)
        ids = random_ids(12)
        want = case.reference().logits(ids.tolist())
        self.assert_close(case.model(ids[None]).logits[0].double(), want)

    def test_the_lowest_of_equal_experts_is_chosen(self):
        options = dataclasses.replace(
            KINDS["attention"], num_local_experts=5, num_experts_per_tok=3, top_k_attn=3
        )
        gates = {
            name: torch.zeros(shape)
            for name, shape in tiny_moe.tensor_shapes(options).items()
            if name.endswith("gate.weight")
        }
        row = torch.randn(32, generator=torch.Generator().manual_seed(3))
        for gate in gates.values():
            gate[:2] = row
        case = make_case(options, **gates)
        ids = random_ids(12)
        reference = case.reference()
        want = reference.logits(ids.tolist())
        self.assert_close(case.model(ids[None]).logits[0].double(), want)
        # Experts 0 and 1 are equal, and so are the others, above them or below.
        chosen = {tuple(c) for layer in reference.choices.values() for c in layer}
        self.assertEqual(chosen, {(0, 1, 2), (2, 3, 4), (0, 2, 3)})

    def test_rope_parameters_as_transformers_5_writes_them(self):
        case = make_case(KINDS["vanilla"])
        config_class = type(case.model.config)
        for scaling in moe_cases.ROPE_SCALINGS:
            old = config_class(rope_theta=50.0, rope_scaling=scaling)
            both = {"rope_theta": 50.0, **(scaling or {"rope_type": "default"})}
            new = config_class(rope_parameters=both)
            self.assertEqual(old.rope_parameters, new.rope_parameters)
            self.assertEqual(old.rope_parameters, both)
        older = config_class(rope_scaling={"type": "linear", "factor": 3.0})
        self.assertEqual(
            older.rope_parameters,
            {"rope_theta": 10000.0, "rope_type": "linear", "factor": 3.0},
        )


class IdentityTest(CodeTestCase):
    """All experts with equal weights are the dense model of transformers."""

    def _dense(self, scaling, contract_layers=0, attn_split=0, mlp_experts=0):
        """A random LlamaForCausalLM, and the model converted from it."""
        options = tiny_moe.Options(
            num_hidden_layers=3,
            num_attention_heads=8,
            num_key_value_heads=2,
            max_position_embeddings=16,
            rope_scaling=scaling,
            num_local_experts=mlp_experts,
            num_experts_per_tok=mlp_experts,
            intermediate_size=64 // max(mlp_experts, 1),
            scale_factor=float(max(mlp_experts, 1)),
            attn_split=attn_split,
            top_k_attn=2 * attn_split,
            scale_factor_attn=2.0 * attn_split,
            num_moe_contract_layers=contract_layers,
        )
        fields = tiny_moe.config_json(options)
        dense_config = transformers.LlamaConfig(
            **{
                name: fields[name]
                for name in (
                    "vocab_size",
                    "hidden_size",
                    "num_hidden_layers",
                    "num_attention_heads",
                    "num_key_value_heads",
                    "head_dim",
                    "max_position_embeddings",
                    "rope_theta",
                    "rms_norm_eps",
                )
            },
            intermediate_size=64,
            rope_scaling=scaling,
        )
        torch.manual_seed(7)
        dense = transformers.LlamaForCausalLM(dense_config).eval()
        for name, parameter in dense.named_parameters():
            torch.nn.init.normal_(parameter, 1.0 if "norm" in name else 0.0, 0.15)
        tensors = convert(dense.state_dict(), options)
        return dense, make_case(options, **tensors).model

    def _check(self, **how):
        for scaling in moe_cases.ROPE_SCALINGS:
            with self.subTest(scaling=scaling, **how), torch.no_grad():
                dense, sparse = self._dense(scaling, **how)
                # Longer than max_position_embeddings, which "dynamic" looks at.
                ids = random_ids(2, 23)
                self.assert_close(sparse(ids).logits, dense(ids).logits)

    def test_mlp(self):
        self._check(mlp_experts=4)
        self._check(mlp_experts=4, contract_layers=1)

    def test_attention(self):
        for attn_split in (1, 2, 4):
            self._check(attn_split=attn_split)
        self._check(attn_split=2, contract_layers=1)

    def test_mlp_and_attention(self):
        self._check(mlp_experts=8, attn_split=2)


def convert(dense, options):
    """Splits a dense LLaMA evenly, with routers that prefer no expert."""
    tensors = {}
    for name in tiny_moe.tensor_shapes(options):
        if name in dense:
            tensors[name] = dense[name].clone()
            continue
        parts = name.split(".")
        layer, module = int(parts[2]), parts[-2]
        if module == "gate":
            tensors[name] = torch.zeros(tiny_moe.tensor_shapes(options)[name])
            continue
        prefix = f"model.layers.{layer}."
        if parts[3] == "block_sparse_moe":
            dense_name = {"w1": "gate_proj", "w2": "down_proj", "w3": "up_proj"}[module]
            whole = dense[f"{prefix}mlp.{dense_name}.weight"]
            e = int(parts[5]) if parts[4] == "experts" else None
            dim, count = (1 if module == "w2" else 0), options.num_local_experts
        else:
            module, e = parts[4], int(parts[5])
            whole = dense[f"{prefix}self_attn.{module}.weight"]
            dim, count = (1 if module == "o_proj" else 0), options.attn_experts
            if module in ("k_proj", "v_proj"):
                e, count = e // options.attn_split, options.num_key_value_heads
        part = whole if e is None else whole.chunk(count, dim)[e]
        tensors[name] = part.contiguous().clone()
    return tensors


class GenerateTest(CodeTestCase):
    """generate() with a cache and without."""

    def _generate(self, model, ids, mask, use_cache, **how):
        return model.generate(
            ids,
            attention_mask=mask,
            max_new_tokens=24,
            min_new_tokens=24,
            pad_token_id=0,
            use_cache=use_cache,
            **{"do_sample": False, **how},
        )

    def test_greedy_in_padded_batches(self):
        for name, options in KINDS.items():
            with self.subTest(name):
                model = make_case(options, seed=3).model
                rows = [random_ids(n, seed=n) for n in (9, 4, 1)]
                ids, mask = moe_cases.left_pad(rows)
                cached = self._generate(model, ids, mask, True)
                self.assertEqual(cached.shape, (3, 9 + 24))
                self.assertTrue(torch.equal(cached, self._generate(model, ids, mask, False)))
                for row, generated in zip(rows, cached):
                    alone = row[None]
                    alone = self._generate(model, alone, torch.ones_like(alone), True)
                    self.assertEqual(generated[9:].tolist(), alone[0, len(row) :].tolist())

    def test_beams_and_samples(self):
        for name in ("attention", "aligned"):
            model = make_case(KINDS[name], seed=4).model
            ids, mask = moe_cases.left_pad([random_ids(n, seed=n) for n in (7, 3)])
            for how in ({"num_beams": 3}, {"do_sample": True, "num_return_sequences": 2}):
                with self.subTest(name=name, how=how):
                    found = []
                    for use_cache in (True, False):
                        torch.manual_seed(0)
                        found.append(self._generate(model, ids, mask, use_cache, **how))
                    self.assertTrue(torch.equal(*found))

    def test_the_cache_grows_by_what_is_given(self):
        model = make_case(KINDS["contract"]).model
        output = model(random_ids(2, 7), use_cache=True)
        cache = output.past_key_values
        self.assertEqual(cache.get_seq_length(), 7)
        model(random_ids(2, 2), past_key_values=cache)
        self.assertEqual(cache.get_seq_length(), 9)
        self.assertIsNone(model(random_ids(2, 7), use_cache=False).past_key_values)


class InputTest(CodeTestCase):
    """What a forward pass takes and refuses."""

    def test_embeddings_in_place_of_ids(self):
        model = make_case(KINDS["attention"]).model
        ids = random_ids(2, 5)
        embedded = model.get_input_embeddings()(ids)
        self.assertTrue(torch.equal(model(ids).logits, model(inputs_embeds=embedded).logits))
        with self.assertRaisesRegex(ValueError, "input_ids or inputs_embeds"):
            model(ids, inputs_embeds=embedded)
        with self.assertRaisesRegex(ValueError, "input_ids or inputs_embeds"):
            model()

    def test_logits_of_some_tokens(self):
        model = make_case(KINDS["vanilla"]).model
        ids = random_ids(2, 5)
        logits = model(ids).logits
        self.assert_close(model(ids, logits_to_keep=2).logits, logits[:, -2:])
        some = torch.tensor([0, 3])
        self.assert_close(model(ids, logits_to_keep=some).logits, logits[:, some])

    def test_hidden_states_and_tuples(self):
        model = make_case(KINDS["aligned"]).model
        ids = random_ids(2, 5)
        output = model(ids, output_hidden_states=True)
        self.assertEqual(len(output.hidden_states), 5)
        self.assert_close(model.lm_head(output.hidden_states[-1]), output.logits)
        self.assertTrue(torch.equal(model(ids, return_dict=False)[0], output.logits))

    def test_no_softmax_is_over_nothing(self):
        # What that gives depends on the device and the version of torch.
        code = sys.modules[type(make_case(KINDS["vanilla"]).model).__module__]
        is_token = torch.tensor([[False, False, True, True, True]])
        for past in (0, 1, 3):
            mask = code.causal_mask(is_token, past, 5 - past, 1, "cpu")
            self.assertTrue(mask.any(-1).all())
            self.assertFalse(mask[0, 0, -1, :2].any())

    def test_a_mask_that_does_not_fit(self):
        model = make_case(KINDS["vanilla"]).model
        with self.assertRaisesRegex(ValueError, r"attention_mask is \(2, 4\).*\(2, 5\)"):
            model(random_ids(2, 5), attention_mask=torch.ones(2, 4))

    def test_configurations_that_are_not_supported(self):
        config_class = type(make_case(KINDS["vanilla"]).model.config)
        for fields, message in (
            ({"hidden_act": "gelu"}, "hidden_act"),
            ({"sliding_window": 16}, "sliding_window"),
            ({"rope_scaling": {"rope_type": "yarn", "factor": 2.0}}, "yarn"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                config_class(**fields)


if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    unittest.main()
