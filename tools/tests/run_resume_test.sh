#!/usr/bin/env bash
# An experiment that is killed at twenty moments and started again ends with its lock.
set -euo pipefail

readonly LLAMA_MOE="$1"
readonly EXPERIMENT=experiments/gsp_vanilla.textproto
readonly RESULTS="${TEST_TMPDIR}/results"
kills=0
finished=0
RANDOM=20240601

# run [PREFIX...]: the experiment, by the prefix.
run() {
  "$@" "${LLAMA_MOE}" run --experiment="${EXPERIMENT}" --model_path=testdata/llama_gqa_bf16 \
    --dataset_dir_or_path=testdata/stories --save_path="${RESULTS}" \
    --lock="${EXPERIMENT%.textproto}.lock.textproto" --progress=none
}

# Whenever it comes to its end, it starts from nothing: early steps are killed, too.
while ((kills < 20)); do
  status=0
  # In the foreground, timeout waits for the end of what it kills.
  run timeout --foreground --signal=KILL "$((RANDOM % 2)).$((100 + RANDOM % 900))" >"${TEST_TMPDIR}/out" || status=$?
  case "${status}" in
    0)
      finished=$((finished + 1))
      rm -rf "${RESULTS}"
      ;;
    137) kills=$((kills + 1)) ;;
    *)
      cat "${TEST_TMPDIR}/out"
      echo "exit status ${status} after ${kills} kills"
      exit 1
      ;;
  esac
done
run env
echo "killed ${kills} times, came to its end ${finished} times before"

# What a killed writer leaves behind is gone once the same is written again.
left="$(find "${RESULTS}" -name '.*partial*')"
[[ -z "${left}" ]] || { echo "left behind: ${left}"; exit 1; }
