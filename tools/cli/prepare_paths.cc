#include "tools/cli/prepare_paths.h"

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
#include "moe/base/options/option.pb.h"
#include "moe/base/path_overlap.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {

namespace {

constexpr char kFolderPrefix[] = "models--";
// refs/main holds a commit's hash, or the name of a snapshot.
constexpr uint64_t kMaxRefBytes = 4096;

// The variable's value; empty if it is not set.
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

// Whether the directory is a model's folder in a cache and not a checkpoint.
bool IsHubFolder(const std::string& path) {
  return IsDirectory(absl::StrCat(path, "/snapshots")) &&
         !base::PathExists(absl::StrCat(path, "/config.json"));
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
    MOE_ASSIGN_OR_RETURN(snapshots, base::ListDirectory(all));
  }
  const std::string ref_path = absl::StrCat(folder, "/refs/main");
  if (!base::PathExists(ref_path)) {
    if (snapshots.size() == 1) {
      return ModelPath{absl::StrCat(all, "/", snapshots[0]), folder};
    }
    return WhichSnapshot(folder, "there is no refs/main", snapshots);
  }
  MOE_ASSIGN_OR_RETURN(const std::string ref,
                       base::ReadFile(ref_path, kMaxRefBytes));
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
  if (base::PathExists(path)) {
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

namespace {

bool IsOutput(const GivenPath& path) {
  return path.role == Option::OUTPUT_FILE ||
         path.role == Option::OUTPUT_DIRECTORY ||
         path.role == Option::OUTPUT_FOLDER;
}

absl::Status CheckPair(const GivenPath& output, const GivenPath& input) {
  absl::string_view how;
  switch (base::OverlapOf(output.path, input.path)) {
    case base::Overlap::kNone:
      return absl::OkStatus();
    case base::Overlap::kSame:
      how = "is";
      break;
    case base::Overlap::kInside:
      if (input.role == Option::RESULTS_PATH) return absl::OkStatus();
      how = "lies in";
      break;
    case base::Overlap::kHolds:
      if (output.role != Option::OUTPUT_DIRECTORY) return absl::OkStatus();
      how = "holds";
      break;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      output.flag, " (", output.path, ") ", how, " the input ", input.flag,
      " (", input.path, "), which is never written to; choose another path"));
}

absl::Status CheckOutputs(const std::vector<GivenPath>& paths) {
  for (size_t i = 0; i < paths.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (!IsOutput(paths[i]) || !IsOutput(paths[j])) continue;
      if (paths[i].path != paths[j].path &&
          base::OverlapOf(paths[i].path, paths[j].path) !=
              base::Overlap::kSame) {
        continue;
      }
      return absl::InvalidArgumentError(
          absl::StrCat(paths[j].flag, " and ", paths[i].flag, " are both ",
                       paths[i].path, "; expected a path of its own for each"));
    }
  }
  return absl::OkStatus();
}

// Sets each flag of a model to the directory of its checkpoint. If that is in a
// cache, the model's whole folder there is an input.
absl::Status ResolveModels(FlagSet& flags, std::vector<GivenPath>& paths) {
  for (GivenPath& model : paths) {
    if (model.role != Option::MODEL_PATH) continue;
    MOE_ASSIGN_OR_RETURN(
        const ModelPath found,
        ResolveModelPath(model.path, HubCacheFromEnvironment()));
    if (found.hub_folder.empty()) continue;
    MOE_RETURN_IF_ERROR(flags.ReplacePath(model.flag, found.path));
    model.path = found.hub_folder;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> PreparePaths(FlagSet& flags) {
  std::vector<std::string> notes;
  std::vector<GivenPath> paths = flags.GivenPaths();
  MOE_RETURN_IF_ERROR(ResolveModels(flags, paths));
  for (GivenPath& output : paths) {
    if (!IsOutput(output)) continue;
    MOE_ASSIGN_OR_RETURN(const std::string followed,
                         base::FollowTargetLink(output.path));
    absl::string_view given = output.path;
    while (given.size() > 1 && given.back() == '/') given.remove_suffix(1);
    if (followed == given) continue;
    notes.push_back(absl::StrCat(output.flag, ": ", given,
                                 " is a symbolic link; writing to ", followed,
                                 ", where it leads"));
    MOE_RETURN_IF_ERROR(flags.ReplacePath(output.flag, followed));
    output.path = followed;
  }
  for (const GivenPath& output : paths) {
    if (!IsOutput(output)) continue;
    for (const GivenPath& input : paths) {
      if (IsOutput(input)) continue;
      MOE_RETURN_IF_ERROR(CheckPair(output, input));
    }
  }
  MOE_RETURN_IF_ERROR(CheckOutputs(paths));
  return notes;
}

}  // namespace moe::cli
