#!/usr/bin/env bash
# `llama_moe convert_mixtral`, `convert_mixtral_residual`, `convert_mixtral_attn_moe` and
# `export` against torch and transformers, on the fixtures. Runs where $MOE_PYTHON, or
# else python3, can import torch and transformers; elsewhere it says that it was skipped
# and passes.
#
#   bazel test --test_env=MOE_PYTHON=/path/to/python //tools:convert_interop_test
set -euo pipefail

readonly LLAMA_MOE="$1"
readonly SCRIPT="$2"
# shellcheck source=tools/interop_python.sh
source tools/interop_python.sh torch transformers safetensors

work="$(mktemp -d "${TEST_TMPDIR:-/tmp}/convert_XXXXXX")"
trap 'rm -rf "${work}"' EXIT
# Where transformers keeps copies of the code that travels with checkpoints.
export HF_HOME="${work}/.huggingface"
export HF_HUB_OFFLINE=1

# make STEP FROM NAME [FLAG...]: a checkpoint in the work directory.
make() {
  "${LLAMA_MOE}" "$1" --model_path="$2" --save_path="${work}/$3" --progress=none \
    "${@:4}" >/dev/null
}

for name in llama_gqa_bf16 llama_mha_f32_sharded llama_headdim_f16; do
  model="testdata/${name}"
  kv_heads=4 split=1
  [[ "${name}" != llama_gqa_bf16 ]] || split=2
  [[ "${name}" != llama_headdim_f16 ]] || kv_heads=2
  rm -rf "${work:?}"/*
  "${PYTHON}" "${SCRIPT}" prepare "${model}" "${work}"
  gates="--gate_weights_file=${work}/gate_weights.pt"
  residual="--neuron_indices_file=${work}/neuron_indices_residual.pt"

  make convert_mixtral "${model}" vanilla "${gates}" \
    --neuron_indices_file="${work}/neuron_indices.pt"
  make convert_mixtral "${model}" sequential --seed=11
  make convert_mixtral "${model}" contract --seed=11 --num_moe_contract_layers=1
  make convert_mixtral_residual "${model}" residual "${gates}" "${residual}" \
    --top_k=2 --scale_factor=2
  make convert_mixtral_attn_moe "${work}/vanilla" attention --seed=12 --top_k_attn=2 \
    --attn_split="${split}"
  make convert_mixtral_attn_moe "${model}" attention_from_dense --seed=12 --top_k_attn=1

  make export "${work}/vanilla" mixtral --target=mixtral
  if [[ "${name}" != llama_headdim_f16 ]]; then
    make export "${work}/residual" granite --target=granitemoeshared
  elif make export "${work}/residual" granite --target=granitemoeshared 2>"${work}/err"; then
    echo "granitemoeshared has no head_dim of its own, and the export did not say so" >&2
    exit 1
  fi

  # All experts with equal weights and the right scale are the dense model.
  make convert_mixtral "${model}" identity_mlp --gate_weights_file="${work}/zeros_8.pt" \
    --neuron_indices_file="${work}/neuron_indices.pt" --top_k=8 --scale_factor=8
  make convert_mixtral_residual "${model}" identity_residual "${residual}" \
    --gate_weights_file="${work}/zeros_8.pt" --top_k=7 --scale_factor=7
  make convert_mixtral_attn_moe "${work}/identity_mlp" identity_both \
    --attn_gate_weights_file="${work}/zeros_${kv_heads}.pt" --top_k_attn="${kv_heads}" \
    --scale_factor_attn="${kv_heads}"
  "${PYTHON}" "${SCRIPT}" check "${model}" "${work}"
done
echo "PASSED"
