#!/usr/bin/env bash
# Runs the tests of the kernels and of the walk over a model, goldens included, built and
# run in other ways: the bits must be the same in all of them.
#
#   tools/kernels/portability.sh [--short] [MODE ...]
#
# Modes; without names, all of them:
#   gcc_O0 gcc_O2 clang_O0 clang_O2   another compiler or no optimisation
#   haswell    the usual build on an emulated processor without AVX-512
#   aarch64    cross-built for ARM, with NEON, and emulated: the kernels alone
#
#   --short    only the kernels' goldens, on haswell
#
# The emulator (qemu-user), Clang and the cross-compiler are installed where they are
# missing. ARM's libraries are unpacked into the cache; the system stays as it is.
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
readonly ROOT
cd "${ROOT}"

die() {
  printf 'portability: %s\n' "$@" >&2
  exit 1
}
# shellcheck source=tools/apt.sh
source tools/apt.sh

readonly KERNELS=//moe/kernels/...
readonly WALK=(//moe/model/layer/... //moe/model/walk/... //moe/gates/...)
readonly HASWELL=(qemu-x86_64 -cpu Haswell)
readonly CACHE="${MOE_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/llama_moe}"

want_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]} == 0)) || { prepare_install "${missing[@]}" && install_packages "${missing[@]}"; }
}

# bazel_test FLAG_OR_TARGET... : the tests of all kernels and of the targets, quietly
# unless one fails. Slow builds on slow machines get their time.
bazel_test() {
  local log status=0
  log="$(mktemp)"
  ./bazelw test --noshow_progress --test_timeout=1800 "$@" "${KERNELS}" >"${log}" 2>&1 || status=$?
  ((status == 0)) || cat "${log}" >&2
  rm -f "${log}"
  return "${status}"
}

run_gcc_O0() { bazel_test --copt=-O0 "${WALK[@]}"; }
run_gcc_O2() { bazel_test --copt=-O2 "${WALK[@]}"; }

# An output base of its own: another compiler is another set of repositories.
with_clang() {
  local clang base
  clang="$(tools/clang_tool.sh clang)" || return 1
  base="$(./bazelw info output_base 2>/dev/null)-clang"
  MOE_OUTPUT_BASE="${base}" bazel_test "--repo_env=CC=${clang}" "$@"
}
run_clang_O0() { with_clang --copt=-O0 "${WALK[@]}"; }
run_clang_O2() { with_clang --copt=-O2 "${WALK[@]}"; }

# run_haswell [FLAG_OR_TARGET...]
run_haswell() {
  want_packages qemu-user
  (($# > 0)) || set -- "${WALK[@]}"
  bazel_test --run_under="${HASWELL[*]}" "$@"
}

# Unpacks ARM's builds of the libraries that the kernels use. The C and C++ libraries
# come with the cross-compiler.
make_sysroot() {
  local sysroot="$1" apt="$1/apt" deb
  local options=(-q -o APT::Architecture=arm64 -o APT::Architectures=arm64
    -o "Dir::State=${apt}/state" -o "Dir::State::status=${apt}/status"
    -o "Dir::Cache=${apt}/cache" -o Debug::NoLocking=1)
  rm -rf "${sysroot}"
  mkdir -p "${apt}/state/lists/partial" "${apt}/cache/archives/partial"
  touch "${apt}/status"
  {
    apt-get "${options[@]}" update
    apt-get "${options[@]}" --yes --no-install-recommends --download-only install \
      libabsl-dev libgmock-dev libgtest-dev libhwy-dev libssl-dev
  } >"${apt}/log" 2>&1 || die "could not fetch ARM's libraries; see ${apt}/log"
  for deb in "${apt}"/cache/archives/*.deb; do
    case "$(basename "${deb}")" in
      libc6* | libgcc* | gcc-* | libstdc++* | linux-libc-dev* | libc-*) ;;
      *) dpkg-deb --extract "${deb}" "${sysroot}" ;;
    esac
  done
  touch "${sysroot}/complete"
}

# The source files of our own that a target is built from.
sources_of() {
  ./bazelw query --noshow_progress \
    "filter('^//.*\\.cc\$', kind('source file', deps($1)))" 2>/dev/null |
    sed 's|^//||; s|:|/|'
}

# Compiles the files that it is told on standard input, each once, on all processors.
# shellcheck disable=SC2016  # The inner shell expands them; the flags are several words.
compile_all() {
  local objects="$1" sysroot="$2"
  export AARCH64_FLAGS="-std=c++20 -O2 -ffp-contract=off -I. -isystem ${sysroot}/usr/include
    -isystem ${sysroot}/usr/include/aarch64-linux-gnu"
  export AARCH64_OBJECTS="${objects}"
  xargs -r -P "$(nproc)" -I{} bash -c '
    mkdir -p "$(dirname "${AARCH64_OBJECTS}/{}")"
    exec aarch64-linux-gnu-g++ ${AARCH64_FLAGS} -c "{}" -o "${AARCH64_OBJECTS}/{}.o"'
}

# Links one test from its objects and runs it where no processor like it is.
run_on_aarch64() {
  local target="$1" objects="$2" sysroot="$3" libraries program inputs
  libraries="${sysroot}/usr/lib/aarch64-linux-gnu"
  program="${objects}/${target##*:}"
  mapfile -t inputs < <(sources_of "${target}" | sed "s|^|${objects}/|; s|\$|.o|")
  aarch64-linux-gnu-g++ "${inputs[@]}" -o "${program}" "-L${libraries}" \
    "-Wl,-rpath-link,${libraries}" -lgmock_main -lgmock -lgtest -lhwy -lcrypto \
    -Wl,--start-group "${libraries}"/libabsl_*.a -Wl,--end-group -lpthread || return 1
  TEST_TMPDIR="${objects}" TEST_SRCDIR="$(dirname "${ROOT}")" \
    TEST_WORKSPACE="$(basename "${ROOT}")" qemu-aarch64 -L /usr/aarch64-linux-gnu \
    -E "LD_LIBRARY_PATH=${libraries}:/usr/aarch64-linux-gnu/lib" "${program}" \
    --gtest_brief=1 >"${program}.log" 2>&1 || { cat "${program}.log" >&2 && return 1; }
}

run_aarch64() {
  local release sysroot objects target failed=0
  want_packages qemu-user g++-aarch64-linux-gnu
  # shellcheck source=/dev/null
  release="$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-${VERSION_ID:-unknown}}")"
  sysroot="${CACHE}/aarch64-${release}"
  [[ -e "${sysroot}/complete" ]] || make_sysroot "${sysroot}"
  objects="$(mktemp -d)"
  # The test that preloads a library starts other programs, which are not of ARM.
  mapfile -t targets < <(./bazelw query --noshow_progress \
    "kind(cc_test, ${KERNELS}) except attr(tags, manual, ${KERNELS}) except
     //moe/kernels:flush_to_zero_test" 2>/dev/null)
  ((${#targets[@]} > 0)) || die "cannot list the kernels' tests"
  sources_of "set(${targets[*]})" | compile_all "${objects}" "${sysroot}" || return 1
  for target in "${targets[@]}"; do
    run_on_aarch64 "${target}" "${objects}" "${sysroot}" || {
      printf 'portability: aarch64: %s failed\n' "${target}" >&2
      failed=1
    }
  done
  rm -rf "${objects}"
  return "${failed}"
}

main() {
  local modes=() mode started status=0
  while (($# > 0)); do
    case "$1" in
      --short)
        run_haswell '--test_filter=*Golden*' || die "haswell, goldens: FAILED"
        echo "portability: haswell, goldens: passed"
        return
        ;;
      --help) sed -n 's/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | sed 1d && return ;;
      gcc_O0 | gcc_O2 | clang_O0 | clang_O2 | haswell | aarch64) modes+=("$1") ;;
      *) die "unknown argument \"$1\"; see --help" ;;
    esac
    shift
  done
  ((${#modes[@]} > 0)) || modes=(gcc_O0 gcc_O2 clang_O0 clang_O2 haswell aarch64)
  for mode in "${modes[@]}"; do
    started="${SECONDS}"
    if "run_${mode}"; then
      printf 'portability: %s: passed in %d s\n' "${mode}" "$((SECONDS - started))"
    else
      printf 'portability: %s: FAILED after %d s\n' "${mode}" "$((SECONDS - started))"
      status=1
    fi
  done
  return "${status}"
}

main "$@"
