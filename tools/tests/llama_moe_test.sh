#!/usr/bin/env bash
# Runs the real program: exit statuses, and which stream gets what.
set -uo pipefail

readonly LLAMA_MOE="$1"
readonly DENSE=testdata/llama_gqa_bf16
readonly OTHER=testdata/llama_headdim_f16
failures=0

# expect STATUS STREAM TEXT ARGUMENT...: runs llama_moe with the arguments.
expect() {
  local want_status="$1" stream="$2" want_text="$3"
  shift 3
  local status=0
  "${LLAMA_MOE}" "$@" >"${TEST_TMPDIR}/out" 2>"${TEST_TMPDIR}/err" || status=$?
  if ((status != want_status)); then
    printf 'llama_moe %s: exit status %d, wanted %d\n' "$*" "${status}" "${want_status}"
    failures=$((failures + 1))
  fi
  if ! grep --quiet --fixed-strings -e "${want_text}" "${TEST_TMPDIR}/${stream}"; then
    printf 'llama_moe %s: no "%s" in %s:\n' "$*" "${want_text}" "${stream}"
    cat "${TEST_TMPDIR}/${stream}"
    failures=$((failures + 1))
  fi
}

expect 0 out "Helpers:" --help
expect 0 out "llama_moe " --version
expect 2 err "usage: llama_moe COMMAND"
expect 0 out "parameters          918,656" inspect "${DENSE}"
expect 0 err "checking values: " inspect "${DENSE}" --check_values
expect 2 err "found a NaN or infinity" inspect testdata/malformed/value_nan --check_values
expect 2 err "truncated" inspect testdata/malformed/data_truncated
expect 0 out "A and B are the same" diff "${DENSE}" "${DENSE}/model.safetensors"
expect 1 out "A and B differ" diff "${DENSE}" "${OTHER}"
expect 2 err "llama_moe diff: no/such does not exist" diff "${DENSE}" no/such
expect 2 err "did you mean --ignore_config?" diff "${DENSE}" "${OTHER}" --ignore-config
expect 0 out "sequences                          320" tokenize --model_path="${DENSE}" \
  --dataset_dir_or_path=testdata/stories --save_path="${TEST_TMPDIR}/tokens.safetensors"
mkdir "${TEST_TMPDIR}/chats"
cp testdata/stories/conversations.jsonl "${TEST_TMPDIR}/chats/calibration.jsonl"
cp testdata/stories/messages.jsonl "${TEST_TMPDIR}/chats/held_out.jsonl"
for kind in energy residual vanilla; do
  expect 0 out "evaluate_mlp" run --dry_run --model_path="${DENSE}" \
    --experiment="experiments/own_llama_${kind}.textproto" \
    --dataset_dir_or_path="${TEST_TMPDIR}/chats"
done
expect 0 out "artifact tokens" inspect "${TEST_TMPDIR}/tokens.safetensors"
expect 2 err "already exists" tokenize --model_path="${DENSE}" \
  --dataset_dir_or_path=testdata/stories --save_path="${TEST_TMPDIR}/tokens.safetensors"
expect 2 err "llama_moe_test.sh:1: malformed JSON" tokenize --model_path="${DENSE}" \
  --dataset_dir_or_path=tools/tests/llama_moe_test.sh --save_path="${TEST_TMPDIR}/none"
# SentencePiece, in a program that has Protocol Buffers of its own.
expect 0 out "chat template                      none" tokenize \
  --tokenizer_path=testdata/tokenizers/sentencepiece \
  --dataset_dir_or_path=testdata/stories/text.jsonl --save_path="${TEST_TMPDIR}/sentencepiece"

((failures == 0))
