#!/usr/bin/env bash
# Tokenizers whose files disagree against AutoTokenizer of transformers 4.57. Runs where
# $MOE_PYTHON, or else python3, can import it; elsewhere it says that it was skipped and
# passes.
#
#   bazel test --test_env=MOE_PYTHON=/path/to/python \
#       //tools/text:config_tokens_identity_test
set -euo pipefail

readonly TOKENIZE="$1"
# shellcheck source=tools/tests/interop_python.sh
source tools/tests/interop_python.sh transformers

"${PYTHON}" tools/text/config_tokens_identity.py "${TOKENIZE}" testdata/tokenizers
echo "PASSED"
