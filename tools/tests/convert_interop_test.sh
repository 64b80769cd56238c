#!/usr/bin/env bash
# `llama_moe convert_mixtral`, `convert_mixtral_residual`, `convert_mixtral_attn_moe`,
# `export`, and `evaluate` of what they make, against torch and transformers, on the
# fixtures.
#
# PYTHON_VARIABLE names the variable that names the Python, so that it runs with two lines
# of transformers: MOE_PYTHON (or else python3) and MOE_PYTHON_NEXT. Without one that can
# import torch and transformers it says that it was skipped and passes.
#
#   bazel test --test_env=MOE_PYTHON=… --test_env=MOE_PYTHON_NEXT=… \
#     //tools/tests:convert_interop_test //tools/tests:convert_interop_next_test
set -euo pipefail

# convert_interop_test.sh PYTHON_VARIABLE LLAMA_MOE SCRIPT
# shellcheck disable=SC2034 # interop_python.sh reads it.
readonly PYTHON_VARIABLE="$1"
# shellcheck source=tools/tests/interop_python.sh
source tools/tests/interop_python.sh torch transformers safetensors
export PYTHON

for name in llama_gqa_bf16 llama_mha_f32_sharded llama_headdim_f16; do
  tools/convert_interop.sh "$2" "$3" "testdata/${name}"
done
echo "PASSED"
