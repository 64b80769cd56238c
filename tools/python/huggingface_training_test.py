"""Tests of the model code that travels with a converted checkpoint: training, files.

Run by tools/tests/huggingface_code_test.sh. Needs torch, transformers, safetensors.
"""

import json
import pathlib
import tempfile
import unittest

import safetensors.torch
import torch
import transformers
from transformers.models.mixtral import modeling_mixtral

import moe_cases
import tiny_moe
import travelling_model
from moe_cases import make_case, random_ids, relative_difference

ATTENTION = {"attn_split": 2, "top_k_attn": 2, "scale_factor_attn": 2.0}
# Everything that can have a gradient.
FULL = tiny_moe.Options(
    num_hidden_layers=4,
    num_moe_contract_layers=1,
    intermediate_size_residual=16,
    add_rescale_bias=True,
    attention_bias=True,
    mlp_bias=True,
    **ATTENTION,
)


class LossTest(unittest.TestCase):
    """The loss of labels."""

    def test_mean_over_predicted_tokens(self):
        case = make_case(FULL)
        ids = random_ids(12)
        got = case.model(ids[None], labels=ids[None]).loss.item()
        self.assertAlmostEqual(got, case.reference().loss(ids.tolist()), delta=1e-5)

    def test_ignored_labels_and_a_given_number_of_items(self):
        model = make_case(FULL).model
        ids = random_ids(2, 9)
        labels = ids.clone()
        labels[0, :4] = labels[1, 7] = -100
        logits = model(ids).logits.double().log_softmax(-1)
        total, count = 0.0, 0
        for row in range(2):
            for t in range(1, 9):
                if labels[row, t] != -100:
                    total -= logits[row, t - 1, labels[row, t]].item()
                    count += 1
        got = model(ids, labels=labels).loss.item()
        self.assertAlmostEqual(got, total / count, delta=1e-5)
        got = model(ids, labels=labels, num_items_in_batch=torch.tensor(40)).loss.item()
        self.assertAlmostEqual(got, total / 40, delta=1e-5)


class GradientTest(unittest.TestCase):
    """Gradients of the loss."""

    def test_every_parameter_has_one(self):
        for seed, options in enumerate((FULL, tiny_moe.Options(num_local_experts=0, **ATTENTION))):
            model = make_case(options, seed=seed).model.train()
            ids = random_ids(4, 40)
            model(ids, labels=ids).loss.backward()
            for name, parameter in model.named_parameters():
                self.assertIsNotNone(parameter.grad, name)
                self.assertGreater(parameter.grad.abs().max().item(), 0, name)

    def test_against_differences_of_the_formulas(self):
        case = make_case(FULL, seed=5)
        ids = random_ids(10, seed=1)
        case.model.train()
        case.model(ids[None], labels=ids[None]).loss.backward()
        parameters = dict(case.model.named_parameters())
        generator = torch.Generator().manual_seed(1)
        for name in (
            "model.embed_tokens.weight",
            "model.layers.0.block_sparse_moe.w1.weight",
            "model.layers.1.block_sparse_moe.gate.weight",
            "model.layers.1.block_sparse_moe.experts.0.w1.weight",
            "model.layers.2.block_sparse_moe.experts.3.w2.weight",
            "model.layers.2.block_sparse_moe.experts.1.w2.bias",
            "model.layers.1.mlp_residual.w3.weight",
            "model.layers.1.self_attn.gate.weight",
            "model.layers.2.self_attn.gate.weight",
            "model.layers.1.self_attn.q_proj.1.weight",
            "model.layers.1.self_attn.k_proj.2.weight",
            "model.layers.2.self_attn.v_proj.0.weight",
            "model.layers.2.self_attn.o_proj.3.weight",
            "model.layers.2.self_attn.o_proj.3.bias",
            "model.layers.3.self_attn.k_proj.weight",
        ):
            with self.subTest(name):
                shape = parameters[name].shape
                direction = torch.randn(shape, generator=generator, dtype=torch.float64)
                got = (parameters[name].grad.double() * direction).sum().item()
                losses = []
                for step in (-1e-5, 1e-5):
                    moved = dict(case.tensors)
                    moved[name] = moved[name].double() + step * direction
                    moved = moe_cases.Case(case.options, moved, case.model)
                    losses.append(moved.reference().loss(ids.tolist()))
                want = (losses[1] - losses[0]) / 2e-5
                self.assertAlmostEqual(got, want, delta=2e-5 * max(1.0, abs(want)))

    def test_gradient_checkpointing_changes_nothing(self):
        ids = random_ids(2, 12)
        found = []
        for checkpointing in (False, True):
            model = make_case(FULL).model.train()
            if checkpointing:
                model.gradient_checkpointing_enable({"use_reentrant": False})
            runs = []
            model.model.layers[1].register_forward_pre_hook(lambda *_, runs=runs: runs.append(1))
            loss = model(ids, labels=ids).loss
            loss.backward()
            self.assertEqual(len(runs), 2 if checkpointing else 1)
            gradients = [p.grad for p in model.parameters()]
            found.append([loss.detach(), *gradients])
        for got, want in zip(*found):
            torch.testing.assert_close(got, want)

    def test_mixed_precision(self):
        # All experts, so that rounding does not choose others.
        options = tiny_moe.Options(num_experts_per_tok=4, **{**ATTENTION, "top_k_attn": 4})
        model = make_case(options).model.train()
        ids = random_ids(2, 12)
        want = model(ids, labels=ids).loss
        with torch.autocast("cpu", torch.bfloat16):
            got = model(ids, labels=ids).loss
        got.backward()
        self.assertEqual(got.dtype, torch.float32)
        self.assertLess(abs(got - want).item(), 0.02 * want.item())
        self.assertNotEqual(got.item(), want.item())


class BalanceLossTest(unittest.TestCase):
    """The load-balancing loss."""

    def _direct(self, router_logits, top_k, is_token):
        """E * sum over e of f_e P_e, a token and layer at a time."""
        num_experts = router_logits[0].shape[1]
        choices, p_sum, count = [0.0] * num_experts, [0.0] * num_experts, 0
        for logits in router_logits:
            for p, real in zip(logits.double().softmax(-1).tolist(), is_token):
                if not real:
                    continue
                count += 1
                order = sorted(range(num_experts), key=lambda e: (-p[e], e))
                for e in order[:top_k]:
                    choices[e] += 1
                p_sum = [a + b for a, b in zip(p_sum, p)]
        return num_experts * sum(a * b for a, b in zip(choices, p_sum)) / count**2

    def test_against_the_formula_and_mixtral(self):
        model = make_case(FULL).model
        ids, mask = moe_cases.left_pad([random_ids(11, seed=n)[:n] for n in (11, 6)])
        for attention_mask in (None, mask):
            real = torch.ones_like(ids) if attention_mask is None else mask
            output = model(
                ids, attention_mask=attention_mask, labels=ids, output_router_logits=True
            )
            self.assertEqual([len(x) for x in output.router_logits], [22, 22])
            self.assertEqual([len(x) for x in output.attn_router_logits], [22, 22])
            want = sum(
                self._direct(logits, 2, real.flatten().tolist())
                for logits in (output.router_logits, output.attn_router_logits)
            )
            self.assertAlmostEqual(output.aux_loss.item(), want, delta=1e-5)
            of_mixtral = sum(
                modeling_mixtral.load_balancing_loss_func(logits, 4, 2, attention_mask).item()
                for logits in (output.router_logits, output.attn_router_logits)
            )
            self.assertAlmostEqual(output.aux_loss.item(), of_mixtral, delta=1e-5)
            loss = model(ids, attention_mask=attention_mask, labels=ids).loss
            self.assertAlmostEqual(output.loss.item(), (loss + 0.01 * want).item(), delta=1e-5)

    def test_off_by_default_on_by_the_configuration(self):
        model = make_case(FULL).model
        ids = random_ids(1, 6)
        output = model(ids)
        self.assertIsNone(output.aux_loss)
        self.assertIsNone(output.router_logits)
        model.config.output_router_logits = True
        self.assertIsNotNone(model(ids).aux_loss)

    def test_its_gradient_reaches_every_router_and_balances(self):
        model = make_case(FULL).model
        ids = random_ids(4, 30)
        gates = [p for name, p in model.named_parameters() if "gate" in name]
        self.assertEqual(len(gates), 4)
        losses = []
        for _ in range(30):
            loss = model(ids, output_router_logits=True).aux_loss
            losses.append(loss.item())
            gradients = torch.autograd.grad(loss, gates)
            for gate, gradient in zip(gates, gradients):
                self.assertGreater(gradient.abs().max().item(), 0)
                gate.data -= 0.05 * gradient
        # 4 is the least: 2 choices of a token for each of the two kinds of router.
        self.assertLess(losses[-1] - 4, 0.5 * (losses[0] - 4))


class FilesTest(unittest.TestCase):
    """Loading and saving."""

    def setUp(self):
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self.directory = pathlib.Path(temp.name)

    def test_saved_and_loaded_again(self):
        for i, options in enumerate(
            (
                FULL,
                tiny_moe.Options(tie_word_embeddings=True, dtype="bfloat16"),
                tiny_moe.Options(
                    num_local_experts=0, rope_scaling=moe_cases.ROPE_SCALINGS[3], **ATTENTION
                ),
            )
        ):
            with self.subTest(options=options):
                case = make_case(options, dtype="auto")
                ids = random_ids(2, 9)
                saved = self.directory / str(i)
                case.model.save_pretrained(saved)
                self._check_saved(saved, case)
                again = transformers.AutoModelForCausalLM.from_pretrained(
                    str(saved), trust_remote_code=True, dtype="auto"
                )
                self.assertTrue(torch.equal(again(ids).logits, case.model(ids).logits))

    def _check_saved(self, directory, case):
        """The files are those of a converted checkpoint."""
        tensors = safetensors.torch.load_file(directory / "model.safetensors")
        self.assertEqual(set(tensors), set(case.tensors))
        for name, tensor in tensors.items():
            self.assertEqual(tensor.dtype, case.tensors[name].dtype)
            self.assertTrue(torch.equal(tensor, case.tensors[name]), name)
        config = json.loads((directory / "config.json").read_text("utf-8"))
        want = tiny_moe.config_json(case.options)
        rope = {"rope_theta": want.pop("rope_theta"), "rope_type": "default"}
        rope.update(want.pop("rope_scaling", {}))
        self.assertEqual(config["rope_parameters"], rope)
        self.assertEqual({name: config.get(name) for name in want}, want)
        residual = "intermediate_size_residual"
        self.assertEqual(residual in config, residual in want)
        self.assertNotIn("rope_scaling", config)
        for name in tiny_moe.CODE_FILES:
            self.assertTrue((directory / name).exists(), name)

    def test_auto_classes_take_the_code_that_travels(self):
        options = tiny_moe.Options(**ATTENTION)
        tensors = tiny_moe.random_tensors(options, 1)
        tiny_moe.write(options, tensors, self.directory, with_code=True)
        path, trust = str(self.directory), {"trust_remote_code": True}
        config = transformers.AutoConfig.from_pretrained(path, **trust)
        self.assertEqual(type(config).__name__, "LlamaMoeConfig")
        self.assertEqual(config.model_type, "llama_moe")
        decoder = transformers.AutoModel.from_pretrained(path, **trust)
        model = transformers.AutoModelForCausalLM.from_pretrained(path, **trust)
        fresh = transformers.AutoModelForCausalLM.from_config(config, **trust)
        for module in (decoder, model, fresh):
            self.assertTrue(type(module).__module__.startswith("transformers_modules."))
        ids = random_ids(1, 5)
        hidden = decoder(ids).last_hidden_state
        self.assertTrue(torch.equal(model.lm_head(hidden), model(ids).logits))
        self.assertEqual(set(fresh.state_dict()), set(tensors))
        self.assertTrue(torch.isfinite(fresh(ids).logits).all())

    def test_without_the_code_it_is_refused_by_name(self):
        options = tiny_moe.Options(**ATTENTION)
        tensors = tiny_moe.random_tensors(options, 1)
        tiny_moe.write(options, tensors, self.directory, with_code=True)
        with self.assertRaisesRegex(ValueError, "trust_remote_code"):
            transformers.AutoModelForCausalLM.from_pretrained(
                str(self.directory), trust_remote_code=False
            )
        self._put({"auto_map": None})
        with self.assertRaisesRegex(ValueError, "llama_moe"):
            transformers.AutoModelForCausalLM.from_pretrained(
                str(self.directory), trust_remote_code=False
            )

    def test_the_published_style_computes_the_same(self):
        options = tiny_moe.Options(**ATTENTION)
        tensors = tiny_moe.random_tensors(options, 1)
        ids = random_ids(2, 9)
        logits = []
        for style in (tiny_moe.OWN_CLASSES, tiny_moe.PUBLISHED_CLASSES):
            tiny_moe.write(options, tensors, self.directory, with_code=True)
            self._put(style)
            model = transformers.AutoModelForCausalLM.from_pretrained(
                str(self.directory), trust_remote_code=True
            )
            self.assertEqual([type(model).__name__], style["architectures"])
            self.assertEqual(model.config.model_type, style["model_type"])
            logits.append(model(ids).logits)
            saved = self.directory / "saved"
            model.save_pretrained(saved)
            config = json.loads((saved / "config.json").read_text("utf-8"))
            self.assertEqual(config["model_type"], style["model_type"])
        self.assertTrue(torch.equal(*logits))

    def _put(self, fields):
        """Sets fields of the written config.json, or drops them for None."""
        path = self.directory / "config.json"
        config = {**json.loads(path.read_text("utf-8")), **fields}
        config = {name: value for name, value in config.items() if value is not None}
        path.write_text(json.dumps(config), "utf-8")

    def test_equals_mixtral_where_that_can_hold_it(self):
        options = tiny_moe.Options(num_local_experts=6, num_experts_per_tok=3)
        tiny_moe.write(options, tiny_moe.random_tensors(options, 1), self.directory)
        self._put({"model_type": "mixtral", "auto_map": None})
        native = transformers.AutoModelForCausalLM.from_pretrained(
            str(self.directory), dtype=torch.float32
        ).eval()
        self.assertIsInstance(native, transformers.MixtralForCausalLM)
        ids = random_ids(2, 20)
        got = travelling_model.load(self.directory)(ids).logits
        difference = relative_difference(got, native(ids).logits)
        self.assertLessEqual(difference, moe_cases.MAX_RELATIVE_DIFFERENCE)

    def test_bfloat16(self):
        # All experts, so that rounding does not choose others.
        options = tiny_moe.Options(
            num_experts_per_tok=4, dtype="bfloat16", **{**ATTENTION, "top_k_attn": 4}
        )
        ids = random_ids(2, 9)
        narrow = make_case(options, dtype=torch.bfloat16).model
        wide = make_case(options).model
        self.assertEqual({p.dtype for p in narrow.parameters()}, {torch.bfloat16})
        logits = narrow(ids).logits
        self.assertEqual(logits.dtype, torch.bfloat16)
        # Sixteen roundings to 8 bits.
        difference = relative_difference(logits.float(), wide(ids).logits)
        self.assertLess(difference, 16 / 256)
        self.assertGreater(difference, 0)
        generated = narrow.generate(ids, max_new_tokens=5, do_sample=False, pad_token_id=0)
        self.assertEqual(generated.shape, (2, 14))

    def test_a_tensor_that_is_missing_is_noticed(self):
        options = tiny_moe.Options()
        tensors = tiny_moe.random_tensors(options, 1)
        del tensors["model.layers.1.block_sparse_moe.experts.2.w3.weight"]
        tiny_moe.write(options, tensors, self.directory)
        with self.assertRaisesRegex(ValueError, "layers.1.block_sparse_moe.experts.2.w3"):
            travelling_model.load(self.directory)


if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    unittest.main()
