#!/usr/bin/env bash
# `llama_moe split_gradient_get_grads` against scores by PyTorch's autograd, hooked into
# transformers in float32 over the fixtures; and neuron splits against the structure that
# Python scripts read. Runs where $MOE_PYTHON, or else python3, can import torch and
# transformers; elsewhere it says that it was skipped and passes.
#
#   bazel test --test_env=MOE_PYTHON=/path/to/python //tools/tests:split_interop_test
set -euo pipefail

readonly LLAMA_MOE="$1"
readonly SCRIPT="$2"
# shellcheck source=tools/tests/interop_python.sh
source tools/tests/interop_python.sh torch transformers safetensors

work="$(mktemp -d "${TEST_TMPDIR:-/tmp}/split.XXXXXX")"
trap 'rm -rf "${work}"' EXIT

# make MODEL LINES WORK: what there is to compare, of four batches of three sequences.
make() {
  local walk=(--model_path="$1" --dataset_dir_or_path="$3/tokens.safetensors" --no_shuffle
    --max_steps=4 --batch_size=3 --model_max_length=256 --progress=none)
  "${LLAMA_MOE}" tokenize --model_path="$1" --dataset_dir_or_path="$2" \
    --save_path="$3/tokens.safetensors" --model_max_length=256 --progress=none
  "${LLAMA_MOE}" random_selection "${walk[@]}" --save_path="$3" --num_experts=7 --format=pt
  "${LLAMA_MOE}" split_gradient_get_grads "${walk[@]}" --save_path="$3" --format=pt \
    --gate_weights_file="$3/gate_weights.pt"
  "${LLAMA_MOE}" split_gradient --score_file="$3/importance_scores.pt" --num_experts=7 \
    --share_neurons --save_path="$3/vanilla" --format=pt
  "${LLAMA_MOE}" split_gradient_residual --score_file="$3/importance_scores.pt" \
    --share_neurons --save_path="$3/residual" --format=pt
}

pairs=()
for model in llama_gqa_bf16 llama_mha_f32_sharded llama_headdim_f16; do
  # Texts; and conversations, of which many labels are ignored.
  for lines in text conversations; do
    mkdir "${work}/${model}.${lines}"
    make "testdata/${model}" "testdata/stories/${lines}.jsonl" "${work}/${model}.${lines}" >/dev/null
    pairs+=("testdata/${model}" "${work}/${model}.${lines}")
  done
done
"${PYTHON}" "${SCRIPT}" 12 3 "${pairs[@]}"
echo "PASSED"
