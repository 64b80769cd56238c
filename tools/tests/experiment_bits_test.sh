#!/usr/bin/env bash
# An experiment has its lock whatever the machine is told to do; and where a byte of its
# model or data, a seed or an option is another, it says which step diverged first.
set -euo pipefail

readonly LLAMA_MOE="$1"
readonly FLUSH_TO_ZERO="${PWD}/$2"
lock=experiments/gsp_vanilla.lock.textproto
failures=0

# shellcheck source=tools/tests/every_machine.sh
source tools/tests/every_machine.sh

cp -L experiments/gsp_vanilla.textproto "${TEST_TMPDIR}/spec"
cp -rL testdata/llama_gqa_bf16 "${TEST_TMPDIR}/model"
cp -rL testdata/stories "${TEST_TMPDIR}/data"
chmod -R u+w "${TEST_TMPDIR}"

# run RESULTS [FLAG...]: the experiment of the copies, against the lock, if there is one.
run() {
  "${LLAMA_MOE}" run --experiment="${TEST_TMPDIR}/spec" --model_path="${TEST_TMPDIR}/model" \
    --dataset_dir_or_path="${TEST_TMPDIR}/data" --save_path="${TEST_TMPDIR}/$1" \
    ${lock:+"--lock=${lock}"} --progress=none "${@:2}" >"${TEST_TMPDIR}/out" 2>&1
}

fail() {
  printf '%s\n' "$@"
  cat "${TEST_TMPDIR}/out"
  failures=$((failures + 1))
}

# verified [FLAG...] WHAT: from nothing, in the environment of the caller.
verified() {
  rm -rf "${TEST_TMPDIR}/machine"
  run machine "${@:1:$#-1}" || fail "${*: -1}: not as pinned"
}

with_variable MOE_NUM_THREADS=1 with_variable MOE_SIMD_TARGET=avx2 verified "one thread of AVX2"

# With less data, as some of these machines are slow.
sed 's/max_steps: 32/max_steps: 1/; s/n_init: 4/n_init: 1/; s/no_shuffle: true/no_shuffle: true max_steps: 2/' \
  experiments/gsp_vanilla.textproto >"${TEST_TMPDIR}/little_spec"
cp "${TEST_TMPDIR}/little_spec" "${TEST_TMPDIR}/spec"
lock=
run results || fail "less data"
lock="${TEST_TMPDIR}/little.lock.textproto"
cp "${TEST_TMPDIR}/results/lock.textproto" "${lock}"
every_machine "${FLUSH_TO_ZERO}" verified
verified --memory_budget=16MiB "a memory budget"

# diverges STEP CAUSE WHAT: with what has been changed, of what is there already.
diverges() {
  local status=0
  run results || status=$?
  ((status == 1)) || fail "$3: exit status ${status}, wanted 1"
  grep --quiet --fixed-strings "The first step that diverged is $1." "${TEST_TMPDIR}/out" ||
    fail "$3: the first step is not $1"
  grep --quiet --fixed-strings -e "$2" "${TEST_TMPDIR}/out" || fail "$3: no \"$2\""
}

# with_spec FROM TO STEP CAUSE: the spec's first FROM replaced.
with_spec() {
  sed "0,/$1/s//$2/" "${TEST_TMPDIR}/little_spec" >"${TEST_TMPDIR}/spec"
  diverges "$3" "$4" "$1 -> $2"
  cp "${TEST_TMPDIR}/little_spec" "${TEST_TMPDIR}/spec"
}

with_spec 'balance_jitter_factor: 0.4' 'balance_jitter_factor: 0.3' router 'router has other arguments'
with_spec 'max_steps: 1' 'max_steps: 3' router '--max_steps=3'
with_spec '{ num_experts: 8 }' '{ num_experts: 8 criterion: MIN }' neurons '--criterion=min'
with_spec 'scale_factor_attn: 3 seed: 1' 'scale_factor_attn: 3 seed: 2' attention '--seed=2'
with_spec 'scale_factor_attn: 3' 'scale_factor_attn: 2' attention '--scale_factor_attn=2'
with_spec 'distribution: "distribution"' 'distribution: "distribution" options { alignment_parts: MAGNITUDE }' \
  aligned '--alignment_parts=magnitude'

# In the system turn, which is left out: other bytes, and the same results.
sed -i '1s/the/teh/' "${TEST_TMPDIR}/data/messages.jsonl"
diverges evaluate_dense 'evaluate_dense: read other bytes' "a byte of the data that says nothing"
sed -i '1s/Lucy/Luca/' "${TEST_TMPDIR}/data/messages.jsonl"
diverges evaluate_dense 'evaluate_dense: losses_digest' "a byte of the data"
cp -L --no-preserve=mode testdata/stories/messages.jsonl "${TEST_TMPDIR}/data/messages.jsonl"

# The last byte of the last tensor: of the norm before the loss, which the routers do not
# come from, and the scores do.
printf '\x00' | dd of="${TEST_TMPDIR}/model/model.safetensors" bs=1 seek=1841447 conv=notrunc status=none
diverges scores 'model file model.safetensors is not what was pinned' "a byte of the model"

((failures == 0)) && echo "PASSED"
