# shellcheck shell=bash
# For tests that compare with the Python world, to be sourced. Sets PYTHON to $MOE_PYTHON,
# or else python3, where it can import the packages that the caller names; elsewhere it
# says that the test was skipped, and ends it as passed.
#
#   source tools/interop_python.sh torch transformers safetensors
PYTHON="${MOE_PYTHON:-python3}"
_wanted_packages="$*"
if ! "${PYTHON}" -c "import ${_wanted_packages// /, }" 2>/dev/null; then
  if [[ -n "${MOE_PYTHON:-}" ]]; then
    echo "MOE_PYTHON=${MOE_PYTHON} cannot import ${_wanted_packages// /, }" >&2
    exit 1
  fi
  echo "SKIPPED: no Python with ${_wanted_packages// /, }; set MOE_PYTHON to one"
  exit 0
fi
export PYTHONDONTWRITEBYTECODE=1
