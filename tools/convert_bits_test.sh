#!/usr/bin/env bash
# Converted and exported checkpoints are the same bytes, in every file, whatever the
# machine is told to do: threads, SIMD targets, and the variables and libraries by which
# other programs' results move.
set -euo pipefail

readonly LLAMA_MOE="$1"
readonly FLUSH_TO_ZERO="${PWD}/$2"
failures=0

# shellcheck source=tools/every_machine.sh
source tools/every_machine.sh

readonly WORK="${TEST_TMPDIR:-/tmp}/convert"

# Of the order in which the files of a directory are named.
export LC_ALL=C

# SHA-256 of what sha256sum says of all files of a checkpoint but the model code, computed
# on the first machine: pins the bytes everywhere. The code is held to the first that was
# written.
declare -rA WANT=(
  [vanilla:llama_gqa_bf16]=29679bf15426b746848216ec44d8ad069baa70b062fc3ae35b42711aa0293636
  [residual:llama_gqa_bf16]=ac76667e489480d4688abf4ed24d1f4d730e50a642c30d65854821bb167f589b
  [attention:llama_gqa_bf16]=cad171716a920951082a0e656a558f8a003421c29ba65e36f9e2bcc0020c0017
  [mixtral:llama_gqa_bf16]=432023ebb0229037036fd017e0ad5c8d0ca7ed9a10b267b9d28a73909eab6cda
  [granite:llama_gqa_bf16]=f618b1849319944650b490fccdc030bd5d4a0f9332155e01c83542ff85a6ffe7
  [vanilla:llama_headdim_f16]=fcddfe2ee933edc54fa699e9106dfbaf2ae9a45d73ede08792c1f51a3d99c15e
  [residual:llama_headdim_f16]=23541b8074442a1110b03f37e65289e42312376c0cf68f7f74ebae1a481bd6d2
  [attention:llama_headdim_f16]=0226227e254a89ed29b52f5efcbdc8ba364a45d9f7d3db5b9c557ee6732c30c8
  [mixtral:llama_headdim_f16]=0416d9ac04ec3b36b3d91df0580d75bcf63d49f4e7e57bb0f9c33f2b0429d8d2
  [vanilla:llama_mha_f32_sharded]=072a4e3ba0f21a21a76016cdde4b4c70e0aef633a8fe4da5dc90774f6d7e2cc5
  [residual:llama_mha_f32_sharded]=3d945fe1851a998f4e6bed35b6a76be37a96bd91aa1ba8117bf625e10acdd7a4
  [attention:llama_mha_f32_sharded]=786bb06c98f56d05a068c783459f5d0953c7633746e55126152f5f6e14c9d744
  [mixtral:llama_mha_f32_sharded]=47188d368f3fce90b29915c41647be439790620c383b4deb5d5bb1c02cd4f624
  [granite:llama_mha_f32_sharded]=a4934d4528ab17a906bfa6d59b82f30553e639719c2d7a74579d92dab5cc84af
)

# run STEP [FLAG...]
run() {
  "${LLAMA_MOE}" "$@" --progress=none --overwrite >/dev/null
}

# make KIND MODEL DIRECTORY: a checkpoint of that kind. Those that are made from others are
# made from what prepare has made.
make() {
  local made="${WORK}/made/$2" step
  case "$1" in
    vanilla) step=(convert_mixtral --model_path="testdata/$2" --scale_factor=3 --seed=5) ;;
    residual) step=(convert_mixtral_residual --model_path="testdata/$2" --scale_factor=3
      --gate_weights_file="${made}/gate_weights.safetensors"
      --neuron_indices_file="${made}/neuron_indices.safetensors") ;;
    attention) step=(convert_mixtral_attn_moe --model_path="${made}/vanilla" --top_k_attn=2
      --scale_factor_attn=3 --seed=6) ;;
    mixtral) step=(export --model_path="${made}/vanilla" --target=mixtral) ;;
    granite) step=(export --model_path="${made}/residual" --target=granitemoeshared) ;;
  esac
  run "${step[@]}" --save_path="$3"
}

# prepare MODEL: what the conversions are made from.
prepare() {
  local made="${WORK}/made/$1"
  local walk=(--model_path="testdata/$1" --dataset_dir_or_path=testdata/stories
    --max_steps=3 --batch_size=4 --model_max_length=256 --seed=5)
  run random_selection "${walk[@]}" --num_experts=7 --save_path="${made}"
  run split_gradient_get_grads "${walk[@]}" --save_path="${made}" \
    --gate_weights_file="${made}/gate_weights.safetensors"
  run split_gradient_residual --save_path="${made}" \
    --score_file="${made}/importance_scores.safetensors"
  make vanilla "$1" "${made}/vanilla"
  make residual "$1" "${made}/residual"
}

# Of each checkpoint, what sha256sum says of all its files.
declare -A first

# expect KIND:MODEL WHAT: in the environment of the caller.
expect() {
  local to="${WORK}/to/${1/:/_}" files="an error" got
  make "${1%%:*}" "${1#*:}" "${to}" && files="$(cd "${to}" && sha256sum -- *)"
  : "${first[$1]:=${files}}"
  got="$(grep -v '\.py$' <<<"${files}" | sha256sum)"
  [[ "${got%% *}" == "${WANT[$1]}" && "${files}" == "${first[$1]}" ]] && return
  printf '%s, %s: got %s, want %s, of\n%s\n' "$1" "$2" "${got%% *}" "${WANT[$1]}" "${files}"
  failures=$((failures + 1))
}

mkdir -p "${WORK}/to"
for model in llama_gqa_bf16 llama_headdim_f16 llama_mha_f32_sharded; do
  prepare "${model}"
done
for what in "${!WANT[@]}"; do
  expect "${what}" "as it is"
  every_machine "${FLUSH_TO_ZERO}" expect "${what}"
done
((failures == 0)) && echo "PASSED"
exit $((failures > 0))
