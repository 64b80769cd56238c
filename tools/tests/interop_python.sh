# shellcheck shell=bash
# For tests that compare with the Python world, to be sourced. Sets PYTHON to the Python
# that a variable names, MOE_PYTHON unless PYTHON_VARIABLE says another, or for MOE_PYTHON
# else to python3, where it can import the packages that the caller asks for; elsewhere it
# says that the test was skipped, and ends it as passed.
#
#   source tools/tests/interop_python.sh torch transformers safetensors
_variable="${PYTHON_VARIABLE:-MOE_PYTHON}"
_packages="$*"
_packages="${_packages// /, }"
PYTHON="${!_variable:-}"
if [[ -z "${PYTHON}" && "${_variable}" == MOE_PYTHON ]]; then
  PYTHON=python3
fi
if [[ -z "${PYTHON}" ]] || ! "${PYTHON}" -c "import ${_packages}" 2>/dev/null; then
  if [[ -n "${!_variable:-}" ]]; then
    echo "${_variable}=${PYTHON} cannot import ${_packages}" >&2
    exit 1
  fi
  echo "SKIPPED: no Python with ${_packages}; set ${_variable} to one"
  exit 0
fi
export PYTHONDONTWRITEBYTECODE=1
