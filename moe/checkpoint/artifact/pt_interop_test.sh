#!/usr/bin/env bash
# Artifacts between this code and Python, in both directions and both formats.
# Runs where $MOE_PYTHON, or else python3, can import torch; elsewhere it says that
# it was skipped and passes.
#
#   bazel test --test_env=MOE_PYTHON=/path/to/python \
#       //moe/checkpoint/artifact:pt_interop_test
set -euo pipefail

readonly BINARY="$1"
readonly SCRIPT="$2"
readonly PYTHON="${MOE_PYTHON:-python3}"

if ! "${PYTHON}" -c 'import torch' 2>/dev/null; then
  if [[ -n "${MOE_PYTHON:-}" ]]; then
    echo "MOE_PYTHON=${MOE_PYTHON} cannot import torch" >&2
    exit 1
  fi
  echo "SKIPPED: no Python with torch; set MOE_PYTHON to one"
  exit 0
fi

work="$(mktemp -d "${TEST_TMPDIR:-/tmp}/interop.XXXXXX")"
trap 'rm -rf "${work}"' EXIT

"${BINARY}" write "${work}/ours"
"${PYTHON}" "${SCRIPT}" check "${work}/ours"

mkdir "${work}/theirs"
"${PYTHON}" "${SCRIPT}" write "${work}/theirs"
"${BINARY}" check "${work}/theirs"/*

# What Python says is refused has to be, by an error and not by a crash.
mkdir "${work}/refused"
"${PYTHON}" "${SCRIPT}" write_refused "${work}/refused"
for file in "${work}/refused"/*; do
  status=0
  message="$("${BINARY}" check "${file}" 2>&1)" || status=$?
  if ((status != 1)) || [[ "${message}" != *"${file}"* ]]; then
    echo "${file}: exit status ${status}, ${message}" >&2
    exit 1
  fi
done
echo "PASSED"
