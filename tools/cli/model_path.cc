#include "tools/cli/model_path.h"

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "moe/base/file_system.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"

namespace moe::cli {
namespace {

constexpr char kFolderPrefix[] = "models--";
// A commit's hash, or what somebody named a snapshot.
constexpr uint64_t kMaxRefBytes = 4096;

// Empty where the variable is not set.
std::string Variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string WithHome(absl::string_view path) {
  if (!absl::ConsumePrefix(&path, "~/")) return std::string(path);
  return absl::StrCat(Variable("HOME"), "/", path);
}

bool IsDirectory(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error);
}

// Whether the directory is a model's in the cache, and no checkpoint itself.
bool IsHubFolder(const std::string& path) {
  return IsDirectory(absl::StrCat(path, "/snapshots")) &&
         !PathExists(absl::StrCat(path, "/config.json"));
}

// "NAME" or "ORG/NAME", by the hub's rules.
bool IsModelId(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '/');
  if (parts.size() > 2 || absl::StrContains(text, "--") ||
      absl::StrContains(text, "..")) {
    return false;
  }
  for (const absl::string_view part : parts) {
    if (part.empty() || part[0] == '.' || part[0] == '-') return false;
    for (const char c : part) {
      if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '-' &&
          c != '_' && c != '.') {
        return false;
      }
    }
  }
  return true;
}

absl::Status WhichSnapshot(absl::string_view folder, absl::string_view why,
                           const std::vector<std::string>& snapshots) {
  if (snapshots.empty()) {
    return absl::NotFoundError(
        absl::StrCat(folder, ": ", why,
                     ", and there are no snapshots; download the model again"));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(folder, ": ", why, "; name one of its snapshots: snapshots/",
                   absl::StrJoin(snapshots, ", snapshots/")));
}

absl::StatusOr<ModelPath> SnapshotOf(const std::string& folder) {
  const std::string all = absl::StrCat(folder, "/snapshots");
  std::vector<std::string> snapshots;
  if (IsDirectory(all)) {
    MOE_ASSIGN_OR_RETURN(snapshots, ListDirectory(all));
  }
  const std::string ref_path = absl::StrCat(folder, "/refs/main");
  if (!PathExists(ref_path)) {
    if (snapshots.size() == 1) {
      return ModelPath{absl::StrCat(all, "/", snapshots[0]), folder};
    }
    return WhichSnapshot(folder, "there is no refs/main", snapshots);
  }
  MOE_ASSIGN_OR_RETURN(const std::string ref, ReadFile(ref_path, kMaxRefBytes));
  const absl::string_view name = absl::StripAsciiWhitespace(ref);
  for (const std::string& snapshot : snapshots) {
    if (snapshot == name) {
      return ModelPath{absl::StrCat(all, "/", snapshot), folder};
    }
  }
  return WhichSnapshot(folder,
                       absl::StrCat("refs/main names the snapshot ", name,
                                    ", which is not there"),
                       snapshots);
}

}  // namespace

std::string HubCacheFromEnvironment() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    std::string cache = WithHome(Variable(name));
    if (!cache.empty()) return cache;
  }
  std::string home = Variable("HF_HOME");
  if (home.empty()) {
    const std::string cache = Variable("XDG_CACHE_HOME");
    home = absl::StrCat(cache.empty() ? "~/.cache" : cache, "/huggingface");
  }
  return absl::StrCat(WithHome(home), "/hub");
}

absl::StatusOr<ModelPath> ResolveModelPath(absl::string_view given,
                                           absl::string_view hub_cache) {
  std::string path(given);
  if (PathExists(path)) {
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    if (IsHubFolder(path)) return SnapshotOf(path);
    return ModelPath{std::string(given), ""};
  }
  if (!IsModelId(given)) return ModelPath{std::move(path), ""};
  const std::string folder =
      absl::StrCat(hub_cache, "/", kFolderPrefix,
                   absl::StrJoin(absl::StrSplit(given, '/'), "--"));
  if (IsDirectory(folder)) return SnapshotOf(folder);
  return absl::NotFoundError(absl::StrCat(
      given,
      " does not exist, and no model of that name is in the local cache "
      "of the Hugging Face hub, ",
      hub_cache,
      "; name the directory of a checkpoint, with its config.json, or download "
      "the model first: hf download ",
      given));
}

}  // namespace moe::cli
