#!/usr/bin/env bash
# Writes what the registry of steps and the specs say: step_graphs.bzl, and the table of
# steps in README.md. As a test, it holds the files to that.
#
#   ./bazelw run //experiments:update_described
set -euo pipefail
shopt -s extglob
export LC_ALL=C

readonly DESCRIBE="$1"
readonly BEGIN='<!-- steps: written by ./bazelw run //experiments:update_described -->'
readonly END='<!-- end of steps -->'
scratch="$(mktemp -d)"
trap 'rm -r "${scratch}"' EXIT

{
  printf '"""The steps of each experiment, and the steps that each of them reads.\n\n'
  printf 'Written from the specs by ./bazelw run //experiments:update_described.\n"""\n\n'
  "${DESCRIBE}" graphs experiments/!(*.lock).textproto
} >"${scratch}/step_graphs.bzl"

source="${BUILD_WORKSPACE_DIRECTORY:-.}"
"${DESCRIBE}" steps >"${scratch}/table"
awk -v begin="${BEGIN}" -v end="${END}" -v table="${scratch}/table" '
  $0 == end { while ((getline line < table) > 0) print line; inside = 0; ends++ }
  !inside { print }
  $0 == begin { inside = 1; begins++ }
  END { exit !(begins == 1 && ends == 1) }
' "${source}/README.md" >"${scratch}/README.md" || {
  printf 'described: README.md: expected one "%s" and one "%s"\n' "${BEGIN}" "${END}" >&2
  exit 1
}

status=0
for file in experiments/step_graphs.bzl README.md; do
  if cmp --silent "${scratch}/${file##*/}" "${source}/${file}"; then continue; fi
  if [[ -n "${BUILD_WORKSPACE_DIRECTORY:-}" ]]; then
    cat "${scratch}/${file##*/}" >"${source}/${file}"
    printf 'described: wrote %s\n' "${file}"
  else
    printf 'described: %s: is not what specs and steps say; ' "${file}" >&2
    printf 'run ./bazelw run //experiments:update_described\n' >&2
    diff "${source}/${file}" "${scratch}/${file##*/}" >&2 || true
    status=1
  fi
done
exit "${status}"
