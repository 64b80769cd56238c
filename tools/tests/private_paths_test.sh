#!/usr/bin/env bash
# No file that any step writes tells where the model, the data or the results lay, and none
# has what a link beside the model leads to: each step runs with everything in one folder
# of an unmistakable name, which is the home folder too, and every byte is looked through.
set -euo pipefail

LLAMA_MOE="${PWD}/$1"
readonly LLAMA_MOE
readonly NAME=zqx7_private_folder
readonly WORK="${TEST_TMPDIR:-/tmp}/${NAME}"
failures=0

mkdir -p "${WORK}/keys" "${WORK}/made"
export HOME="${WORK}"
cp -rL --no-preserve=mode testdata/llama_gqa_bf16 "${WORK}/model"
cp -rL --no-preserve=mode testdata/stories "${WORK}/data"
cp -L experiments/gsp_vanilla.textproto "${WORK}/chain.textproto"
# One restart on two batches: what is written is the same in kind.
sed -i 's/max_steps: 32/max_steps: 1/; s/n_init: 4/n_init: 1/; s/no_shuffle: true/no_shuffle: true max_steps: 1/' \
  "${WORK}/chain.textproto"

# What a model may bring along: paths that libraries note, and links out of its folder.
sed -i "1s|{|{\n  \"_name_or_path\": \"${WORK}/model\",\n  \"output_dir\": \"${WORK}/out\",|" \
  "${WORK}/model/config.json"
sed -i "1s|{|{\n  \"tokenizer_file\": \"${WORK}/model/tokenizer.json\",|" \
  "${WORK}/model/tokenizer_config.json"
echo "the key of ${NAME}" >"${WORK}/keys/id"
ln -s ../keys/id "${WORK}/model/LICENSE-x"
echo "terms" >"${WORK}/model/LICENSE"
# A line that reports list.
echo "no JSON" >"${WORK}/data/a_bad.jsonl"
cat "${WORK}/data/messages.jsonl" >>"${WORK}/data/a_bad.jsonl"

readonly MODEL="--model_path=${WORK}/model"
readonly WALK=("--dataset_dir_or_path=${WORK}/data/a_bad.jsonl" --skip_bad_lines --max_steps=1
  --batch_size=2 --model_max_length=64)
readonly MADE="${WORK}/made"

# run STEP [FLAG...]
run() {
  "${LLAMA_MOE}" "$@" --progress=none >"${WORK}.out" 2>&1 && return
  printf '%s: ended with an error\n' "$1"
  cat "${WORK}.out"
  failures=$((failures + 1))
}

# says WHAT: of the step before.
says() {
  grep --quiet --fixed-strings -e "$1" "${WORK}.out" && return
  printf 'no "%s" in\n' "$1"
  cat "${WORK}.out"
  failures=$((failures + 1))
}

cd "${WORK}"
run tokenize "${MODEL}" "--dataset_dir_or_path=${WORK}/data" --skip_bad_lines \
  --save_path="${MADE}/tokens.safetensors"
for step in random_selection hidden_clustering; do
  run "${step}" "${MODEL}" "${WALK[@]}" --num_experts=4 --format=pt --save_path="${MADE}/${step}"
done
readonly GATES="--gate_weights_file=${MADE}/random_selection/gate_weights.safetensors"
run split_gradient_get_grads "${MODEL}" "${WALK[@]}" "${GATES}" --format=pt \
  --save_path="${MADE}/scores"
readonly SCORES="--score_file=${MADE}/scores/importance_scores.safetensors"
run split_gradient "${SCORES}" --num_experts=4 --format=pt --save_path="${MADE}/split_gradient"
run split_gradient_residual "${SCORES}" --num_experts_moe=4 --num_experts_residual=2 \
  --save_path="${MADE}/residual_split"
run split_sequential "${MODEL}" --num_experts=4 --save_path="${MADE}/split_sequential"
run split_random "${MODEL}" --num_experts=4 --save_path="${MADE}/split_random"
for step in split_energy split_activation_rate; do
  run "${step}" "${MODEL}" "${WALK[@]}" --num_experts=4 --num_shared_neurons=16 --top_k=2 \
    --format=pt --save_path="${MADE}/${step}"
done

run convert_mixtral "${MODEL}" "${GATES}" \
  --neuron_indices_file="${MADE}/split_gradient/neuron_indices.safetensors" \
  --save_path="${MADE}/vanilla"
for left in "LICENSE-x: it is a link to a file outside" "config.json: _name_or_path: it is a path" \
  "tokenizer_config.json: tokenizer_file: it is a path"; do
  says "left behind         ${left}"
done
run remove_neurons "${MODEL}" "${WALK[@]}" --num_neurons=16 \
  --report_out="${MADE}/neuron_removal.json" --save_path="${MADE}/narrow"
says "left behind         LICENSE-x: it is a link to a file outside"
run convert_mixtral_residual "${MODEL}" "${GATES}" --json \
  --neuron_indices_file="${MADE}/residual_split/neuron_indices.safetensors" \
  --save_path="${MADE}/residual"
says '"name": "LICENSE-x"'
run convert_mixtral_attn_moe --model_path="${MADE}/vanilla" --top_k_attn=2 \
  --save_path="${MADE}/attention"
run export --model_path="${MADE}/vanilla" --target=mixtral --save_path="${MADE}/mixtral"
run export --model_path="${MADE}/residual" --target=granitemoeshared --save_path="${MADE}/granite"
run export --model_path="${MADE}/residual" --target=ernie4_5_moe --save_path="${MADE}/ernie"
run export --model_path="${MADE}/residual" --target=qwen2_moe --save_path="${MADE}/qwen2"

run get_hidden_distribution "${MODEL}" "${WALK[@]}" --format=pt --save_path="${MADE}/reference"
for shard in 0 1; do
  run get_hidden_distribution "${MODEL}" "${WALK[@]}" --shards=2 --shard="${shard}" \
    --save_path="${MADE}/parts"
done
run get_hidden_distribution --save_path="${MADE}/merged" \
  --merge "${MADE}/parts/distribution.part-"{0,1}-of-2.safetensors
# The links of a model that has been converted are as bad.
ln -s ../../keys/id "${MADE}/attention/NOTICE"
run align_converted_model --model_path="${MADE}/attention" "${WALK[@]}" --format=pt \
  --reference_distribution_file="${MADE}/reference/distribution.safetensors" \
  --save_path="${MADE}/aligned"
says "NOTICE: it is a link to a file outside"
rm "${MADE}/attention/NOTICE"
ln -s ../../keys/id "${MADE}/residual/NOTICE"
run reconstruct_converted_model --model_path="${MADE}/residual" \
  --dense_model_path="${WORK}/model" "${WALK[@]}" --report_out="${MADE}/reconstruction.json" \
  --save_path="${MADE}/reconstructed" --json
says '"name": "NOTICE"'
rm "${MADE}/residual/NOTICE"
run evaluate --model_path="${MADE}/aligned" "${WALK[@]}" --report_out="${MADE}/evaluation.json" \
  --logits_out="${MADE}/logits.safetensors"

rm "${WORK}/data/a_bad.jsonl"
readonly EXPERIMENT=("--experiment=${WORK}/chain.textproto" "${MODEL}"
  "--dataset_dir_or_path=${WORK}/data")
run run "${EXPERIMENT[@]}" --save_path="${MADE}/results"
run verify "${EXPERIMENT[@]}" --results="${MADE}/results" --update_lock="${MADE}/chain.lock.textproto"
run run "${EXPERIMENT[@]}" --save_path="${MADE}/results" --lock="${MADE}/chain.lock.textproto"
run run_step "${EXPERIMENT[@]}" --step=router --save_path="${MADE}/steps/router" \
  --timing_out="${MADE}/steps/router.timing.textproto"
run report "${EXPERIMENT[@]}" --results="${MADE}/results" --lock="${MADE}/chain.lock.textproto" \
  --save_path="${MADE}/report"

num_files="$(find "${MADE}" -type f | wc -l)"
((num_files > 150)) || { echo "only ${num_files} files were written"; failures=$((failures + 1)); }
while IFS= read -r file; do
  printf 'tells where it was made: %s\n' "${file#"${WORK}/"}"
  grep --text --fixed-strings --only-matching -e "${NAME}" "${file}" | head -n 1
  failures=$((failures + 1))
done < <(grep --recursive --files-with-matches --text --fixed-strings \
  -e "${NAME}" -e "${TEST_TMPDIR:-/tmp}/" "${MADE}")
((failures == 0)) && echo "PASSED: ${num_files} files"
exit $((failures > 0))
