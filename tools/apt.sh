# shellcheck shell=bash
# Sourced by scripts that need packages of the distribution: what is missing, and
# installing it. The caller defines `die`, which prints its arguments and exits.
#
#   MOE_NO_INSTALL=1   only name what is missing, install nothing

# Prints those of the named packages that dpkg does not report as installed.
missing_packages() {
  local installed package
  installed=" $(dpkg-query --show --showformat='${Package}:${db:Status-Status} ' "$@" 2>/dev/null || true)"
  for package in "$@"; do
    [[ "${installed}" == *" ${package}:installed "* ]] || printf '%s\n' "${package}"
  done
}

# prepare_install NAME... : makes sure that the packages can be installed, and brings
# the lists of packages up to date. Dies with what to do where they cannot.
prepare_install() {
  [[ -z "${MOE_NO_INSTALL:-}" ]] ||
    die "these packages are missing, and MOE_NO_INSTALL is set:" "  $*"
  if ((EUID != 0)) && ! command -v sudo >/dev/null; then
    die "packages are missing, and there is no sudo here; as root, run" \
      "  apt-get install --no-install-recommends $*"
  fi
  # One source that does not answer need not matter; installing will tell.
  apt_get update || printf 'warning: apt-get update failed; going on\n' >&2
}

# Runs apt-get as root, without questions, its output on standard error.
apt_get() {
  local as_root=()
  ((EUID == 0)) || as_root=(sudo)
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 "$@" </dev/null >&2
}

# Prints those of the named packages that this release has.
available_packages() {
  local package
  for package in "$@"; do
    if [[ -n "$(apt-cache --names-only search "^${package}\$" 2>/dev/null)" ]]; then
      printf '%s\n' "${package}"
    fi
  done
}

# install_packages NAME... : installs the packages; prepare_install comes first.
install_packages() {
  printf 'installing %s\n' "$*" >&2
  apt_get install --yes --no-install-recommends "$@" ||
    die "apt-get could not install what is needed:" "  $*" \
      "Supported are Debian 12, 13 and testing, and what derives from them."
}
