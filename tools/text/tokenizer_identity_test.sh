#!/usr/bin/env bash
# Our tokenizers against the tokenizers and sentencepiece packages, on texts, on drawn
# tokenizer.json files and on damaged ones. Runs where $MOE_PYTHON, or else python3, can import both;
# elsewhere it says that it was skipped and passes.
#
#   bazel test --test_env=MOE_PYTHON=/path/to/python [--test_env=MOE_SMOLLM2=DIR] \
#       //tools/text:tokenizer_identity_test
#
# MOE_SMOLLM2 names the directory of a real model (tools/real_model), as an absolute
# path, to compare its tokenizer, too. --test_arg=--short compares a twentieth.
set -euo pipefail

readonly TOKENIZE="$1"
shift
readonly PYTHON="${MOE_PYTHON:-python3}"

if ! "${PYTHON}" -c 'import sentencepiece, tokenizers' 2>/dev/null; then
  if [[ -n "${MOE_PYTHON:-}" ]]; then
    echo "MOE_PYTHON=${MOE_PYTHON} cannot import sentencepiece and tokenizers" >&2
    exit 1
  fi
  echo "SKIPPED: no Python with sentencepiece and tokenizers; set MOE_PYTHON to one"
  exit 0
fi

export PYTHONDONTWRITEBYTECODE=1 TOKENIZERS_PARALLELISM=false
model=()
if [[ -n "${MOE_SMOLLM2:-}" ]]; then
  model=(--model_dir "${MOE_SMOLLM2}")
fi
"${PYTHON}" tools/text/tokenizer_identity.py "${TOKENIZE}" testdata/tokenizers \
  ${model[@]+"${model[@]}"} "$@"
"${PYTHON}" tools/text/tokenizer_fuzz.py "${TOKENIZE}" --files 500 2>/dev/null
"${PYTHON}" tools/text/tokenizer_refusals.py "${TOKENIZE}" 2>/dev/null
echo "PASSED"
