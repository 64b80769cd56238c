#!/usr/bin/env bash
# `llama_moe evaluate` against transformers in float32 over the fixtures: loss, logits,
# and divergence from another model. Runs where $MOE_PYTHON, or else python3, can import
# torch and transformers; elsewhere it says that it was skipped and passes.
#
#   bazel test --test_env=MOE_PYTHON=/path/to/python //tools/tests:evaluate_interop_test
set -euo pipefail

readonly LLAMA_MOE="$1"
readonly SCRIPT="$2"
# shellcheck source=tools/tests/interop_python.sh
source tools/tests/interop_python.sh torch transformers safetensors

work="$(mktemp -d "${TEST_TMPDIR:-/tmp}/evaluate.XXXXXX")"
trap 'rm -rf "${work}"' EXIT

# compare MODEL REFERENCE LINES
compare() {
  rm -f "${work}"/*
  "${LLAMA_MOE}" tokenize --model_path="$1" --dataset_dir_or_path="$3" \
    --save_path="${work}/tokens.safetensors" --model_max_length=512 --progress=none \
    >/dev/null
  "${LLAMA_MOE}" evaluate --model_path="$1" --reference_model_path="$2" \
    --dataset_dir_or_path="${work}/tokens.safetensors" --model_max_length=512 --json \
    --no_shuffle --logits_out="${work}/logits.safetensors" --progress=none >"${work}/report.json"
  "${PYTHON}" "${SCRIPT}" "$1" "${work}/tokens.safetensors" "${work}/report.json" \
    "${work}/logits.safetensors" "$2"
}

for model in llama_gqa_bf16 llama_mha_f32_sharded llama_headdim_f16; do
  # Texts; and conversations, of which many labels are ignored.
  for lines in text conversations; do
    compare "testdata/${model}" testdata/llama_headdim_f16 "testdata/stories/${lines}.jsonl"
  done
done
echo "PASSED"
