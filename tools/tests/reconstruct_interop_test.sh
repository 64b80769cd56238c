#!/usr/bin/env bash
# `llama_moe reconstruct_converted_model` against transformers in float64: every matrix that
# it writes is the solution of the ridge regression that the step states, with features and
# hidden states of the written checkpoint, by the code that travels with it, and of the dense
# model; and the report's shares of energy are those of the same. Runs where $MOE_PYTHON, or else python3, can import torch and transformers;
# elsewhere it says that it was skipped and passes.
#
#   bazel test --test_env=MOE_PYTHON=/path/to/python //tools/tests:reconstruct_interop_test
set -euo pipefail

readonly LLAMA_MOE="$1"
readonly SCRIPT="$2"
# shellcheck source=tools/tests/interop_python.sh
source tools/tests/interop_python.sh torch transformers safetensors

work="$(mktemp -d "${TEST_TMPDIR:-/tmp}/reconstruct_XXXXXX")"
trap 'rm -rf "${work}"' EXIT
# Where transformers keeps copies of the code that travels with checkpoints.
export HF_HOME="${work}/.huggingface"
export HF_HUB_OFFLINE=1

readonly MODEL=testdata/llama_mha_f32_sharded
# The first 16 sequences.
readonly WALK=(--dataset_dir_or_path="${work}/tokens.safetensors" --no_shuffle --max_steps=4
  --batch_size=4 --model_max_length=128)

# run STEP [FLAG...]
run() {
  "${LLAMA_MOE}" "$@" --progress=none >/dev/null
}

run tokenize --model_path="${MODEL}" --dataset_dir_or_path=testdata/stories/text.jsonl \
  --model_max_length=128 --save_path="${work}/tokens.safetensors"
run split_energy --model_path="${MODEL}" "${WALK[@]}" --num_shared_neurons=32 --num_experts=4 \
  --top_k=2 --save_path="${work}/split"
run convert_mixtral_residual --model_path="${MODEL}" --num_experts=4 --top_k=2 --scale_factor=2 \
  --gate_weights_file="${work}/split/gate_weights.safetensors" \
  --neuron_indices_file="${work}/split/neuron_indices.safetensors" --save_path="${work}/converted"
run reconstruct_converted_model --model_path="${work}/converted" --dense_model_path="${MODEL}" \
  "${WALK[@]}" --save_path="${work}/made_dense_stream" \
  --report_out="${work}/made_dense_stream.json"
run reconstruct_converted_model --model_path="${work}/converted" --dense_model_path="${MODEL}" \
  "${WALK[@]}" --parts=mlp --target=dense_block --save_path="${work}/made_dense_block" \
  --report_out="${work}/made_dense_block.json"
"${PYTHON}" "${SCRIPT}" "${MODEL}" "${work}"
echo "PASSED"
