#include "moe/base/path_overlap.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/file_system.h"

namespace moe::base {
namespace {

// The identities of `path`, or of the nearest directory above it that exists,
// and of all directories above that, up to the root.
std::vector<FileIdentity> WayUp(absl::string_view path) {
  std::error_code error;
  std::filesystem::path at =
      std::filesystem::weakly_canonical(std::string(path), error);
  if (error || !at.is_absolute()) {
    at = std::filesystem::absolute(std::string(path), error);
  }
  std::vector<FileIdentity> identities;
  for (;;) {
    const std::optional<FileIdentity> identity = IdentityOf(at.string());
    if (identity.has_value()) identities.push_back(*identity);
    if (!at.has_relative_path()) return identities;
    at = at.parent_path();
  }
}

bool Contains(const std::vector<FileIdentity>& identities,
              const std::optional<FileIdentity>& identity) {
  return identity.has_value() && std::find(identities.begin(), identities.end(),
                                           *identity) != identities.end();
}

}  // namespace

std::optional<FileIdentity> IdentityOf(absl::string_view path) {
  struct stat info;
  if (::stat(std::string(path).c_str(), &info) != 0) return std::nullopt;
  return FileIdentity{info.st_dev, info.st_ino};
}

Overlap OverlapOf(absl::string_view path, absl::string_view other) {
  if (path.empty() || other.empty()) return Overlap::kNone;
  const std::optional<FileIdentity> path_identity = IdentityOf(path);
  const std::optional<FileIdentity> other_identity = IdentityOf(other);
  if (path_identity.has_value() && path_identity == other_identity) {
    return Overlap::kSame;
  }
  if (Contains(WayUp(path), other_identity)) return Overlap::kInside;
  if (Contains(WayUp(other), path_identity)) return Overlap::kHolds;
  return Overlap::kNone;
}

absl::Status CheckApart(absl::string_view target, absl::string_view input) {
  absl::string_view how;
  switch (OverlapOf(target, input)) {
    case Overlap::kNone:
      return absl::OkStatus();
    case Overlap::kSame:
      how = "is";
      break;
    case Overlap::kInside:
      how = "lies in";
      break;
    case Overlap::kHolds:
      how = "holds";
      break;
  }
  return absl::InvalidArgumentError(
      absl::StrCat(target, ": expected a path apart from the input ", input,
                   ", which is never written to, found one that ", how,
                   " the input; choose another path"));
}

absl::StatusOr<std::string> FollowTargetLink(absl::string_view target) {
  while (target.size() > 1 && target.back() == '/') target.remove_suffix(1);
  const std::filesystem::path link = std::string(target);
  std::error_code error;
  if (!std::filesystem::is_symlink(link, error)) return std::string(target);
  const std::filesystem::path leads_to =
      std::filesystem::read_symlink(link, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("reading the link ", target, ": ", error.message()));
  }
  // Relative to where the link really lies.
  const std::filesystem::path from = std::filesystem::weakly_canonical(
      std::filesystem::absolute(link).parent_path(), error);
  const PathParts parts = SplitPath((from / leads_to).string());
  const std::filesystem::path found =
      std::filesystem::weakly_canonical(parts.parent, error) / parts.name;
  if (std::filesystem::is_symlink(found, error)) {
    return absl::InvalidArgumentError(absl::StrCat(
        target, ": expected at most one symbolic link, found a link to ",
        found.string(),
        ", which is a symbolic link too; give the path of the place itself"));
  }
  return found.string();
}

}  // namespace moe::base
