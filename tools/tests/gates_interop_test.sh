#!/usr/bin/env bash
# `llama_moe hidden_clustering` and `random_selection` against hidden states that
# transformers computes in float32 over the fixtures. Runs where $MOE_PYTHON, or else
# python3, can import torch and transformers; elsewhere it says that it was skipped and
# passes.
#
#   bazel test --test_env=MOE_PYTHON=/path/to/python //tools/tests:gates_interop_test
set -euo pipefail

readonly LLAMA_MOE="$1"
readonly SCRIPT="$2"
# shellcheck source=tools/tests/interop_python.sh
source tools/tests/interop_python.sh torch transformers safetensors

work="$(mktemp -d "${TEST_TMPDIR:-/tmp}/gates.XXXXXX")"
trap 'rm -rf "${work}"' EXIT

# make STEP NAME MODEL [FLAG...]: the router weights of a step, in a directory.
make() {
  "${LLAMA_MOE}" "$1" --model_path="$3" --dataset_dir_or_path="${work}/tokens.safetensors" \
    --no_shuffle --max_steps=8 --model_max_length=256 --save_path="${work}/$2" --format=pt \
    --seed=7 --progress=none "${@:4}" >/dev/null
}

for name in llama_gqa_bf16 llama_mha_f32_sharded llama_headdim_f16; do
  model="testdata/${name}"
  rm -rf "${work:?}"/*
  "${LLAMA_MOE}" tokenize --model_path="${model}" --progress=none --model_max_length=256 \
    --dataset_dir_or_path=testdata/stories/text.jsonl \
    --save_path="${work}/tokens.safetensors" >/dev/null
  make random_selection random "${model}" --num_experts=8
  make hidden_clustering bounded "${model}" --num_experts=8 --n_init=2
  # Sizes of 0 to all tokens: every token is with its nearest centroid.
  make hidden_clustering free "${model}" --num_experts=2 --balance_jitter_factor=1 --n_init=2
  make hidden_clustering cosine "${model}" --num_experts=2 --balance_jitter_factor=1 \
    --distance_metric=cos --n_init=2
  "${PYTHON}" "${SCRIPT}" "${model}" "${work}" 8
done
echo "PASSED"
