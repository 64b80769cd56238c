#!/usr/bin/env bash
# Converts a dense checkpoint in every way, and holds weights and logits to torch and
# transformers. For tests on fixtures, and for real checkpoints:
#
#   ./bazelw build //tools:llama_moe
#   PYTHON="$(tools/python/venv.sh)" tools/convert_interop.sh bazel-bin/tools/llama_moe \
#     tools/python/convert_interop.py MODEL_DIR DATASET
#
# DATASET, for real checkpoints, is what `evaluate` reads, and the first 48 tokens of it
# are used. Works under TMPDIR, where it needs room for some twenty checkpoints. The model's
# intermediate size must be a multiple of 8.
set -euo pipefail

readonly LLAMA_MOE="$1"
readonly SCRIPT="$2"
readonly MODEL="$3"
readonly DATASET="${4:-}"

work="$(mktemp -d "${TEST_TMPDIR:-${TMPDIR:-/tmp}}/convert_XXXXXX")"
trap 'rm -rf "${work}"' EXIT
# Where transformers keeps copies of the code that travels with checkpoints.
export HF_HOME="${work}/.huggingface"
export HF_HUB_OFFLINE=1

# The tokens that are looked at.
readonly WALK=(--dataset_dir_or_path="${DATASET:-${work}/ids.jsonl}" --no_shuffle
  --max_steps=1 --model_max_length=48)

# make STEP FROM NAME [FLAG...]: a checkpoint in the work directory.
make() {
  "${LLAMA_MOE}" "$1" --model_path="$2" --save_path="${work}/$3" --progress=none \
    "${@:4}" >/dev/null
}

# make_moe STEP FROM NAME [FLAG...]: the same, and its logits.
make_moe() {
  make "$@"
  "${LLAMA_MOE}" evaluate --model_path="${work}/$3" --progress=none "${WALK[@]}" \
    --logits_out="${work}/$3.logits.safetensors" >/dev/null
}

facts="$("${PYTHON}" "${SCRIPT}" prepare "${MODEL}" "${work}")"
read -r kv_heads split has_own_head_dim num_neurons <<<"${facts}"
gates="--gate_weights_file=${work}/gate_weights.pt"
indices="--neuron_indices_file=${work}/neuron_indices.pt"
residual="--neuron_indices_file=${work}/neuron_indices_residual.pt"

make_moe convert_mixtral "${MODEL}" vanilla "${gates}" "${indices}"
make_moe convert_mixtral "${MODEL}" sequential --seed=11
make_moe convert_mixtral "${MODEL}" contract --seed=11 --num_moe_contract_layers=1
make_moe convert_mixtral_residual "${MODEL}" residual "${gates}" "${residual}" \
  --top_k=2 --scale_factor=2
make_moe convert_mixtral_attn_moe "${work}/vanilla" attention --seed=12 --top_k_attn=2 \
  --attn_split="${split}"
make_moe convert_mixtral_attn_moe "${MODEL}" attention_from_dense --seed=12 --top_k_attn=1
make_moe convert_mixtral_attn_moe "${work}/residual" residual_attention --seed=12 \
  --top_k_attn=2 --attn_split="${split}"
make_moe convert_mixtral_attn_moe "${work}/contract" contract_attention --seed=12 \
  --top_k_attn=1 --scale_factor_attn=2
make_moe convert_mixtral "${MODEL}" plain_mixtral "${gates}" "${indices}" --scale_factor=1
make_moe convert_mixtral "${MODEL}" published "${gates}" "${indices}" --config_style=published
make_moe convert_mixtral_attn_moe "${work}/published" published_attention --seed=12 \
  --top_k_attn=2
make_moe convert_mixtral "${MODEL}" float32_routers "${gates}" "${indices}" \
  --router_dtype=float32
make_moe convert_mixtral_attn_moe "${work}/float32_routers" float32_attention_routers \
  --seed=12 --top_k_attn=2 --router_dtype=float32

make_moe convert_mixtral_residual "${MODEL}" residual_contract "${gates}" "${residual}" \
  --top_k=2 --scale_factor=2 --num_moe_contract_layers=1

make export "${work}/vanilla" mixtral --target=mixtral
for name in vanilla contract residual residual_contract; do
  make export "${work}/${name}" "ernie_${name}" --target=ernie4_5_moe
done
# A head_dim of its own has no place in these.
for export in granitemoeshared:residual qwen2_moe:residual qwen2_moe:residual_contract; do
  target="${export%:*}" name="${export#*:}"
  if [[ "${has_own_head_dim}" == no ]]; then
    make export "${work}/${name}" "${target}_${name}" --target="${target}"
  elif make export "${work}/${name}" refused --target="${target}" 2>"${work}/err"; then
    echo "${target} has no head_dim of its own, and the export did not say so" >&2
    exit 1
  fi
done

make_moe remove_neurons "${MODEL}" narrow --num_neurons="${num_neurons}" "${WALK[@]}" \
  --batch_size=1

# All experts with equal weights and the right scale are the dense model.
make_moe convert_mixtral "${MODEL}" identity_mlp --top_k=8 --scale_factor=8 "${indices}" \
  --gate_weights_file="${work}/zeros_8.pt"
make_moe convert_mixtral_residual "${MODEL}" identity_residual "${residual}" \
  --gate_weights_file="${work}/zeros_8.pt" --top_k=7 --scale_factor=7
make_moe convert_mixtral_attn_moe "${work}/identity_mlp" identity_both \
  --attn_gate_weights_file="${work}/zeros_${kv_heads}.pt" --top_k_attn="${kv_heads}" \
  --scale_factor_attn="${kv_heads}"
attn_experts=$((kv_heads * split))
make_moe convert_mixtral_attn_moe "${MODEL}" identity_attention --attn_split="${split}" \
  --attn_gate_weights_file="${work}/zeros_${attn_experts}.pt" \
  --top_k_attn="${attn_experts}" --scale_factor_attn="${attn_experts}"
"${PYTHON}" "${SCRIPT}" check "${MODEL}" "${work}" ${DATASET:+--real}
