#!/usr/bin/env bash
# `llama_moe split_gradient_get_grads` against scores by PyTorch's autograd, hooked into
# transformers in float32 over the fixtures; and neuron splits against the structure that
# Python scripts read. Runs where $MOE_PYTHON, or else python3, can import torch and
# transformers; elsewhere it says that it was skipped and passes.
#
#   bazel test --test_env=MOE_PYTHON=/path/to/python //tools:split_interop_test
set -euo pipefail

readonly LLAMA_MOE="$1"
readonly SCRIPT="$2"
# shellcheck source=tools/interop_python.sh
source tools/interop_python.sh torch transformers safetensors

work="$(mktemp -d "${TEST_TMPDIR:-/tmp}/split.XXXXXX")"
trap 'rm -rf "${work}"' EXIT

# compare MODEL LINES: four batches of three sequences.
compare() {
  local walk=(--model_path="$1" --dataset_dir_or_path="${work}/tokens.safetensors"
    --no_shuffle --max_steps=4 --batch_size=3 --model_max_length=256 --progress=none)
  rm -rf "${work:?}"/*
  "${LLAMA_MOE}" tokenize --model_path="$1" --dataset_dir_or_path="$2" \
    --save_path="${work}/tokens.safetensors" --model_max_length=256 --progress=none >/dev/null
  "${LLAMA_MOE}" random_selection "${walk[@]}" --save_path="${work}" --num_experts=7 >/dev/null
  # A step in Python may have written the router weights.
  "${PYTHON}" -c 'import sys, safetensors.torch, torch
gates = safetensors.torch.load_file(sys.argv[1])
torch.save({i: gates[f"layers.{i}"] for i in range(len(gates))}, sys.argv[2])' \
    "${work}/gate_weights.safetensors" "${work}/gates.pt"
  "${LLAMA_MOE}" split_gradient_get_grads "${walk[@]}" --gate_weights_file="${work}/gates.pt" \
    --save_path="${work}" --format=pt >/dev/null
  "${LLAMA_MOE}" split_gradient --score_file="${work}/importance_scores.pt" --num_experts=7 \
    --share_neurons --save_path="${work}/vanilla" --format=pt >/dev/null
  "${LLAMA_MOE}" split_gradient_residual --score_file="${work}/importance_scores.pt" \
    --share_neurons --save_path="${work}/residual" --format=pt >/dev/null
  "${PYTHON}" "${SCRIPT}" "$1" "${work}" 12 3
}

for model in llama_gqa_bf16 llama_mha_f32_sharded llama_headdim_f16; do
  # Texts; and conversations, of which many labels are ignored.
  compare "testdata/${model}" testdata/stories/text.jsonl
  compare "testdata/${model}" testdata/stories/conversations.jsonl
done
echo "PASSED"
