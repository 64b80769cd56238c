#!/usr/bin/env bash
# Converted and exported checkpoints are the same bytes, in every file, whatever the
# machine is told to do: threads, SIMD targets, and the variables and libraries by which
# other programs' results move.
set -euo pipefail

readonly LLAMA_MOE="$1"
readonly FLUSH_TO_ZERO="${PWD}/$2"
failures=0

# shellcheck source=tools/tests/every_machine.sh
source tools/tests/every_machine.sh

readonly WORK="${TEST_TMPDIR:-/tmp}/convert"

# Sorts the names of a directory the same way everywhere.
export LC_ALL=C

# SHA-256 of what sha256sum says of all files of a checkpoint but the model code, computed
# on the first machine: pins the bytes everywhere. The code is held to the first that was
# written.
declare -rA WANT=(
  [vanilla:llama_gqa_bf16]=bc938fcdc0a581d6ed4882490fa4fe73d93fe6d2cc23f3fb09d23a4cbdf8512e
  [residual:llama_gqa_bf16]=1c5534df7507cd38c8eb1f5cac961c309393bbcf14f950c4d38b62ccbc810c73
  [attention:llama_gqa_bf16]=3a3dd5240bb3934b54a895bd28dd4050f8cc797ef5c2b7cc6f857fd165d91bd9
  [mixtral:llama_gqa_bf16]=432023ebb0229037036fd017e0ad5c8d0ca7ed9a10b267b9d28a73909eab6cda
  [granite:llama_gqa_bf16]=f618b1849319944650b490fccdc030bd5d4a0f9332155e01c83542ff85a6ffe7
  [ernie:llama_gqa_bf16]=ca776ff3040c84425c3d433168c5bda22fac65ad117b2d6b15f4206b705e63f7
  [qwen2:llama_gqa_bf16]=8fa7cf8a07e30436014a08695d75a812b2a6dc7e8b1e036ffed8951297f98217
  [narrow:llama_gqa_bf16]=21a9832c2b85ec6b14e74a909a174503b9c63e4451082705f5e0c0ff32842adc
  [vanilla:llama_headdim_f16]=1937306cc7c6abaa4ee4ae5802db1c4664b834b4f6dcf1fa8cc2f2be8d5bf4e4
  [residual:llama_headdim_f16]=1d36dd1c95df02653dc62db371976e16dc420220680d1fd4b555e0871a0f4f19
  [attention:llama_headdim_f16]=8f4c4dcb0ca3a2e3f4924b75746d7c77fd3483fb6551fbc2a83aa872f46c872e
  [mixtral:llama_headdim_f16]=0416d9ac04ec3b36b3d91df0580d75bcf63d49f4e7e57bb0f9c33f2b0429d8d2
  [ernie:llama_headdim_f16]=68edf73764d616a37f9504b346b402b56da5094cd314528703741af9bb21b306
  [narrow:llama_mha_f32_sharded]=3400acdce5d03044bf0ae5f2f26d931ef0267a8f98bf2241ce8a6d7c8845e41e
  [vanilla:llama_mha_f32_sharded]=c60f035edec5d2a192fbb699987adb39c766878512a7758e578022e15f97474a
  [residual:llama_mha_f32_sharded]=5da32649c826e06beb86acf652c396864bac56051f6cb2d156ab78668b08bc30
  [attention:llama_mha_f32_sharded]=9e759226395f7367944510b3c87a3888b5abf50ffd709a101dec6e914a88120b
  [mixtral:llama_mha_f32_sharded]=47188d368f3fce90b29915c41647be439790620c383b4deb5d5bb1c02cd4f624
  [granite:llama_mha_f32_sharded]=a4934d4528ab17a906bfa6d59b82f30553e639719c2d7a74579d92dab5cc84af
  [ernie:llama_mha_f32_sharded]=71eaaa9e8d571f714930dfaf9c8f622bb5236000ca8370e7aed96856f84f524c
  [qwen2:llama_mha_f32_sharded]=8b7d8c6371b3eb8f85e51c968b0ad77fad4d2f6dcca9ce3e857a7cab49b83a71
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
    narrow) step=(remove_neurons --model_path="testdata/$2" --num_neurons=64
      --dataset_dir_or_path=testdata/stories --max_steps=3 --batch_size=4
      --model_max_length=256 --seed=5) ;;
    granite) step=(export --model_path="${made}/residual" --target=granitemoeshared) ;;
    ernie) step=(export --model_path="${made}/residual" --target=ernie4_5_moe) ;;
    qwen2) step=(export --model_path="${made}/residual" --target=qwen2_moe) ;;
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

# For each checkpoint, what sha256sum says of all its files.
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
