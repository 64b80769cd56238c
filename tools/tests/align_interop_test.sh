#!/usr/bin/env bash
# `llama_moe get_hidden_distribution` and `align_converted_model` against transformers: the
# recorded moments are those of hooks in the dense model, the aligned checkpoints of every
# kind load with the code that travels with them, and their logits and their blocks' moments
# are ours. Runs where $MOE_PYTHON, or else python3, can import torch and transformers;
# elsewhere it says that it was skipped and passes.
#
#   bazel test --test_env=MOE_PYTHON=/path/to/python //tools/tests:align_interop_test
set -euo pipefail

readonly LLAMA_MOE="$1"
readonly SCRIPT="$2"
# shellcheck source=tools/tests/interop_python.sh
source tools/tests/interop_python.sh torch transformers safetensors

work="$(mktemp -d "${TEST_TMPDIR:-/tmp}/align_XXXXXX")"
trap 'rm -rf "${work}"' EXIT
# Where transformers keeps copies of the code that travels with checkpoints.
export HF_HOME="${work}/.huggingface"
export HF_HUB_OFFLINE=1

# make STEP FROM NAME [FLAG...]: in the work directory.
make() {
  "${LLAMA_MOE}" "$1" --model_path="$2" --save_path="${work}/$3" --progress=none \
    "${@:4}" >/dev/null
}

for name in llama_mha_f32_sharded llama_gqa_bf16; do
  model="testdata/${name}"
  rm -rf "${work:?}"/*
  walk=(--dataset_dir_or_path="${work}/tokens.safetensors" --no_shuffle --max_steps=4
    --batch_size=3 --model_max_length=128)
  "${LLAMA_MOE}" tokenize --model_path="${model}" --progress=none --model_max_length=128 \
    --dataset_dir_or_path=testdata/stories/text.jsonl --save_path="${work}/tokens.safetensors" \
    >/dev/null
  make get_hidden_distribution "${model}" reference "${walk[@]}" --format=pt
  make random_selection "${model}" gates "${walk[@]}" --num_experts=4 --seed=3
  gates="--gate_weights_file=${work}/gates/gate_weights.safetensors"
  make split_gradient_get_grads "${model}" scores "${walk[@]}" "${gates}"
  make convert_mixtral "${model}" vanilla "${gates}" --num_experts=4
  make convert_mixtral "${model}" contract "${gates}" --num_experts=4 --num_moe_contract_layers=1
  make convert_mixtral_attn_moe "${work}/vanilla" both --seed=12 --top_k_attn=2 \
    --scale_factor_attn=3
  make convert_mixtral_attn_moe "${model}" attention --seed=12 --top_k_attn=2
  "${LLAMA_MOE}" split_gradient_residual --score_file="${work}/scores/importance_scores.safetensors" \
    --num_experts_moe=4 --share_neurons --save_path="${work}/split" --progress=none >/dev/null
  make convert_mixtral_residual "${model}" residual "${gates}" --num_experts=4 --top_k=2 \
    --scale_factor=2 --share_neurons \
    --neuron_indices_file="${work}/split/neuron_indices.safetensors"
  for kind in vanilla contract both attention residual; do
    make align_converted_model "${work}/${kind}" "${kind}_exact" "${walk[@]}" \
      --reference_distribution_file="${work}/reference/distribution.pt" --format=pt
    make align_converted_model "${work}/${kind}" "${kind}_published" "${walk[@]}" \
      --alignment_mode=published \
      --reference_distribution_file="${work}/reference/distribution.safetensors"
    for mode in exact published; do
      "${LLAMA_MOE}" evaluate --model_path="${work}/${kind}_${mode}" "${walk[@]}" \
        --logits_out="${work}/${kind}_${mode}.logits" --num_logits_sequences=4 \
        --progress=none >/dev/null
    done
  done
  "${PYTHON}" "${SCRIPT}" "${model}" "${work}"
done
echo "PASSED"
