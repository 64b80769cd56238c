#!/usr/bin/env bash
# What `bazel run` and `bazel test` of an experiment do. Bazel has run the steps when this
# starts: here their results are held to the lock. defs.bzl writes the call, from the
# directory of the runfiles:
#
#   run_experiment.sh TARGET TOOL SPEC LOCK MODEL DATA RESULTS [FLAG...]
#
# STARTED_IN is where the user was.
set -euo pipefail

readonly TARGET="$1" TOOL="$2" SPEC="$3" LOCK="$4" MODEL="$5" DATA="$6"
RESULTS="$7"
shift 7

usage() {
  cat <<END
bazel run ${TARGET} [-- FLAGS]
  verifies every step against ${LOCK}

  --save_path=DIR  copies the results out first, with their report, to a new
                   directory that \`llama_moe run\` can go on with
  --update_lock    pins the results instead; refused where the working tree has
                   changes besides locks, as nobody could make them again
  --force          with --update_lock: pins them all the same

Exit status: 0; 1 if the results are not as pinned, or do not meet the spec's
criteria; 2 on an error.
END
}

die() {
  printf '%s: %s\n' "${TARGET}" "$@" >&2
  exit 2
}

parse_arguments() {
  SAVE_PATH="" UPDATE_LOCK="" FORCE=""
  local argument
  for argument in "$@"; do
    case "${argument}" in
      --save_path=?*) SAVE_PATH="${argument#*=}" ;;
      --update_lock) UPDATE_LOCK=1 ;;
      --force) FORCE=1 ;;
      --help | -h)
        usage
        exit 0
        ;;
      *) die "there is no flag ${argument}; --help lists them" ;;
    esac
  done
}

# Paths on the command line are relative to where the user is.
from_user() {
  if [[ "$1" == /* ]]; then
    printf '%s\n' "$1"
  else
    printf '%s\n' "${BUILD_WORKING_DIRECTORY:-${STARTED_IN}}/$1"
  fi
}

# Where the results are, by a name that stays when this program ends: the short one, where
# it leads there.
find_results() {
  local records=("${RESULTS}"/*.record.textproto) short
  [[ -e "${records[0]}" ]] || die "${RESULTS} has no results"
  short="${BUILD_WORKSPACE_DIRECTORY:-}/bazel-bin/${RESULTS}"
  RESULTS="$(dirname "$(readlink -f "${records[0]}")")"
  [[ "$(readlink -f "${short}")" != "${RESULTS}" ]] || RESULTS="${short}"
}

copy_results() {
  local target partial
  target="$(from_user "${SAVE_PATH}")"
  [[ ! -e "${target}" ]] || die "${target} is there already; --save_path is a new directory"
  mkdir -p "$(dirname "${target}")"
  partial="$(mktemp -d "${target}.partial-XXXXXX")"
  # shellcheck disable=SC2064
  trap "rm -rf '${partial}'" EXIT
  # With their times: what is newer than its directory's record counts as changed.
  cp -rL --no-preserve=mode --preserve=timestamps "${RESULTS}/." "${partial}"
  rm -rf "${partial}"/*.parts
  cp --no-preserve=mode "${SPEC}" "${partial}/experiment.textproto"
  chmod 755 "${partial}"
  mv -T "${partial}" "${target}"
  RESULTS="${target}"
}

check_tree() {
  [[ -z "${FORCE}" ]] || return 0
  local changes
  changes="$(git -C "${BUILD_WORKSPACE_DIRECTORY}" status --porcelain -- . \
    ':(exclude,glob)**/*.lock.textproto' 2>&1)" ||
    die "git does not say what has changed, so nothing is pinned (--force does it all the same): ${changes}"
  [[ -z "${changes}" ]] ||
    die "the working tree has changes, so nobody could make these results again; commit them, or pass --force:
${changes}"
}

verify() {
  # The program would enter the user's directory, and its paths are of this one.
  env -u BUILD_WORKING_DIRECTORY "${TOOL}" verify --experiment="${SPEC}" --model_path="${MODEL}" \
    --dataset_dir_or_path="${DATA}" --results="${RESULTS}" --progress=none "$@"
}

main() {
  parse_arguments "$@"
  [[ -n "${TEST_SRCDIR:-}" ]] || find_results
  [[ -z "${SAVE_PATH}" ]] || copy_results
  if [[ -z "${UPDATE_LOCK}" ]]; then
    local status=0
    verify --lock="${LOCK}" || status=$?
    [[ ! -e "${RESULTS}/report/report.html" ]] || printf 'report: %s\n' "${RESULTS}/report/report.html"
    return "${status}"
  fi
  [[ -n "${BUILD_WORKSPACE_DIRECTORY:-}" ]] || die "--update_lock works under bazel run only"
  check_tree
  verify --update_lock="${BUILD_WORKSPACE_DIRECTORY}/${LOCK}"
}

main "$@"
