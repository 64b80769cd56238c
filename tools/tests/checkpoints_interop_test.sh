#!/usr/bin/env bash
# Checkpoints as people have them: a tied head's copy, names with a prefix or without
# "model.", derived buffers, a quantization_config that was left over, a cache of the hub,
# a tokenizer with code of its own. Each has the loss and logits that transformers computes
# for it, or for the checkpoint that it was made from where transformers does not take it,
# and converts to the same tensors and config.json. Runs where $MOE_PYTHON, or else python3, can import torch
# and transformers; elsewhere it says that it was skipped and passes.
#
#   bazel test --test_env=MOE_PYTHON=/path/to/python //tools/tests:checkpoints_interop_test
set -euo pipefail

readonly LLAMA_MOE="$1"
readonly SCRIPT="$2"
readonly EVALUATE="$3"
# shellcheck source=tools/tests/interop_python.sh
source tools/tests/interop_python.sh torch transformers safetensors

work="$(mktemp -d "${TEST_TMPDIR:-/tmp}/checkpoints.XXXXXX")"
trap 'rm -rf "${work}"' EXIT
export HF_HOME="${work}/home" HF_HUB_OFFLINE=1
readonly PLAIN=testdata/llama_gqa_bf16

convert() {
  "${LLAMA_MOE}" convert_mixtral --model_path="$1" --save_path="$2" --num_experts=4 \
    --progress=none
}

# same MODEL REFERENCE FIXTURE: loss and logits of MODEL are those that transformers has
# for REFERENCE, and MODEL converts to what FIXTURE does.
same() {
  local out="${work}/same"
  rm -rf "${out}"
  mkdir "${out}"
  "${LLAMA_MOE}" tokenize --model_path="$1" --save_path="${out}/tokens.safetensors" \
    --dataset_dir_or_path=testdata/stories/text.jsonl --model_max_length=512 --progress=none \
    >/dev/null
  "${LLAMA_MOE}" evaluate --model_path="$1" --json --no_shuffle --progress=none \
    --model_max_length=512 \
    --dataset_dir_or_path="${out}/tokens.safetensors" \
    --logits_out="${out}/logits.safetensors" >"${out}/report.json"
  "${PYTHON}" "${EVALUATE}" "$2" "${out}/tokens.safetensors" "${out}/report.json" \
    "${out}/logits.safetensors"
  convert "$1" "${out}/moe" >/dev/null
  convert "$3" "${out}/wanted" >/dev/null
  "${LLAMA_MOE}" diff "${out}/wanted" "${out}/moe" >/dev/null
}

"${PYTHON}" "${SCRIPT}" make testdata "${work}/models"
readonly MODELS="${work}/models"
same "${MODELS}/tied_copy" "${MODELS}/tied_copy" testdata/llama_mha_f32_sharded
same "${MODELS}/prefix_module." "${PLAIN}" "${PLAIN}"
same "${MODELS}/prefix_base_model.model." "${PLAIN}" "${PLAIN}"
same "${MODELS}/no_model" "${PLAIN}" "${PLAIN}"
same "${MODELS}/buffers" "${MODELS}/buffers" "${PLAIN}"
same "${MODELS}/quantization_config" "${PLAIN}" "${PLAIN}"

# The four forms of a model in a cache of the hub; the last as transformers finds it, too.
readonly FOLDER="${MODELS}/hub/models--acme--Fox"
same "${FOLDER}/snapshots/0123abcd" "${FOLDER}/snapshots/0123abcd" "${PLAIN}"
same "${FOLDER}" "${PLAIN}" "${PLAIN}"
export HF_HUB_CACHE="${MODELS}/hub"
same acme/Fox acme/Fox "${PLAIN}"
mkdir "${HF_HOME}"
mv "${MODELS}/hub" "${HF_HOME}/hub"
unset HF_HUB_CACHE
same acme/Fox acme/Fox "${PLAIN}"

convert "${MODELS}/tokenizer_code" "${work}/moe" >"${work}/moe.txt"
grep -q "left behind *README.md: " "${work}/moe.txt"
"${PYTHON}" "${SCRIPT}" tokenizer "${MODELS}/tokenizer_code" "${work}/moe"
echo "PASSED"
