#!/usr/bin/env bash
# Runs the tests on bare installations of every supported Debian release: makes a
# root with debootstrap, clones this repository's HEAD into it, and types
# `./bazelw test //...` there, nothing else. Needs root, and network for packages.
#
#   tools/distro_matrix.sh [--keep] [--dir DIR] [--test TARGET] [bookworm|trixie|forky ...]
#
#   --test TARGET
#               what to test in place of //...; //experiments/... holds every tiny
#               experiment to its lock
#   --keep      leave the roots, and start from those that are there
#   --dir DIR   where the roots are made (default: a folder in /var/tmp)
#
# MOE_MIRROR is the mirror to take packages from (default: this machine's own).
# Prints a table at the end; exits with 1 if a release failed.
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
readonly ROOT

die() {
  printf 'distro_matrix: %s\n' "$@" >&2
  exit 1
}

keep=
targets='//...'
dir=/var/tmp/llama_moe_matrix
releases=()
while (($# > 0)); do
  case "$1" in
    --keep) keep=1 ;;
    --dir) dir="${2:?--dir wants a folder}" && shift ;;
    --test) targets="${2:?--test wants a target}" && shift ;;
    --help) sed -n 's/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | sed 1d && exit 0 ;;
    bookworm | trixie | forky) releases+=("$1") ;;
    *) die "unknown argument \"$1\"; see --help" ;;
  esac
  shift
done
((${#releases[@]} > 0)) || releases=(bookworm trixie forky)
((EUID == 0)) || die "wants root, for chroot"
command -v debootstrap >/dev/null || die "wants debootstrap: apt-get install debootstrap"

# The first mirror in this machine's own sources.
host_mirror() {
  cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    sed -nE 's/^URIs: *([^ ]*).*/\1/p; s/^deb +(\[[^]]*\] +)?([^ ]+) .*/\2/p' | head -n 1
}

make_root() {
  local release="$1" root="$2" script=() mirror
  mirror="${MOE_MIRROR:-$(host_mirror)}"
  # A debootstrap that is older than the release goes by the script of sid.
  [[ -e "/usr/share/debootstrap/scripts/${release}" ]] ||
    script=(/usr/share/debootstrap/scripts/sid)
  debootstrap --variant=minbase "${release}" "${root}" ${mirror:+"${mirror}"} "${script[@]}" \
    >"${root}.log" 2>&1 || die "debootstrap ${release} failed; see ${root}.log"
  # How this machine reaches the mirror, the root has to know too.
  apt-config dump | grep -E '^Acquire::(http|https|Check-)' >"${root}/etc/apt/apt.conf.d/99host" || true
}

# run_in ROOT COMMAND: with /proc and /dev of its own, which go when it ends.
run_in() {
  local root="$1" command="$2"
  cp -L /etc/resolv.conf "${root}/etc/resolv.conf"
  # shellcheck disable=SC2016  # The inner shell expands it.
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
    unshare --mount --propagation private --pid --fork bash -c '
      mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" &&
        exec chroot "$1" bash -c "$2"' _ "${root}" "${command}"
}

test_release() {
  local release="$1" root="${dir}/$1"
  mkdir -p "${dir}"
  [[ -n "${keep}" && -e "${root}/etc/debian_version" ]] || {
    rm -rf --one-file-system "${root}"
    make_root "${release}" "${root}"
  }
  rm -rf "${root}/root/llama_moe"
  git clone --quiet --no-hardlinks "${ROOT}" "${root}/root/llama_moe"
  run_in "${root}" 'cd /root/llama_moe && ./bazelw test '"${targets@Q}"' --noshow_progress' 2>&1 |
    tee "${root}.log" | grep -E '^(ERROR|FAIL|//.*(FAILED|TIMEOUT)|Executed)' || true
  grep -qE '^Executed [0-9]+ out of [0-9]+ tests?: ([0-9]+) tests? pass(es)?\.' "${root}.log"
}

versions() {
  run_in "${dir}/$1" "dpkg-query --show --showformat='\${Package} \${Version}, ' \
    bazel-bootstrap libtorch-dev g++ libabsl-dev | sed 's/, \$//'"
}

failed=0
table=()
for release in "${releases[@]}"; do
  echo "distro_matrix: ${release}"
  started="${SECONDS}"
  if test_release "${release}"; then
    result=passed
  else
    result="FAILED (${dir}/${release}.log)"
    failed=1
  fi
  table+=("${release}: ${result} in $((SECONDS - started)) s: $(versions "${release}")")
  if [[ -z "${keep}" && "${result}" == passed ]]; then
    rm -rf --one-file-system "${dir:?}/${release}"
  fi
done
printf '%s\n' "${table[@]}"
exit "${failed}"
