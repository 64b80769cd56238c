# shellcheck shell=bash
# For tests of bits, to be sourced: every way to tell the program what machine it is on,
# and the variables and libraries by which other programs' results move.

# with_variable NAME=VALUE COMMAND [ARGUMENT...]: a function or program, with the variable.
with_variable() {
  local -x "$1"
  "${@:2}"
}

# every_machine LIBRARY CHECK [ARGUMENT...]: runs "CHECK ARGUMENT... WHAT" with 1, 2, 3 and
# 7 threads, each SIMD target as the widest, each variable, and with LIBRARY, which sets
# flush-to-zero, preloaded. CHECK is a function that runs the program; WHAT says how.
every_machine() {
  local library="$1" threads setting
  shift
  for threads in 1 2 3 7; do
    with_variable "MOE_NUM_THREADS=${threads}" "$@" "${threads} threads"
  done
  local -x MOE_NUM_THREADS=2
  for setting in MOE_SIMD_TARGET=avx2 MOE_SIMD_TARGET=sse4 MOE_SIMD_TARGET=scalar \
    ATEN_CPU_CAPABILITY=default OPENBLAS_CORETYPE=Prescott OPENBLAS_NUM_THREADS=1 \
    ONEDNN_MAX_CPU_ISA=SSE41 MKL_CBWR=COMPATIBLE OMP_NUM_THREADS=3; do
    with_variable "${setting}" "$@" "${setting}"
  done
  # As libraries linked with -Ofast do.
  with_variable "LD_PRELOAD=${library}" "$@" "flush-to-zero"
}
