#include "tools/cli/prepare_paths.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/options/option.pb.h"
#include "moe/base/path_overlap.h"
#include "moe/base/status_macros.h"
#include "tools/cli/flag_set.h"
#include "tools/cli/model_path.h"

namespace moe::cli {
namespace {

bool IsOutput(const GivenPath& path) {
  return path.role == Option::OUTPUT_FILE ||
         path.role == Option::OUTPUT_DIRECTORY ||
         path.role == Option::OUTPUT_FOLDER;
}

absl::Status CheckPair(const GivenPath& output, const GivenPath& input) {
  absl::string_view how;
  switch (OverlapOf(output.path, input.path)) {
    case Overlap::kNone:
      return absl::OkStatus();
    case Overlap::kSame:
      how = "is";
      break;
    case Overlap::kInside:
      if (input.role == Option::RESULTS_PATH) return absl::OkStatus();
      how = "lies in";
      break;
    case Overlap::kHolds:
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
          OverlapOf(paths[i].path, paths[j].path) != Overlap::kSame) {
        continue;
      }
      return absl::InvalidArgumentError(
          absl::StrCat(paths[j].flag, " and ", paths[i].flag, " are both ",
                       paths[i].path, "; expected a path of its own for each"));
    }
  }
  return absl::OkStatus();
}

// Gives a flag that names a model the directory of its checkpoint. The model's
// whole folder in a cache is an input.
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
                         FollowTargetLink(output.path));
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
