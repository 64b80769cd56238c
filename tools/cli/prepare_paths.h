// Resolves and checks the paths of a command line before the command starts.

#ifndef TOOLS_CLI_PREPARE_PATHS_H_
#define TOOLS_CLI_PREPARE_PATHS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {

// The cache of the hub, as huggingface_hub finds it: the first of these that is
// set:
//   $HF_HUB_CACHE, $HUGGINGFACE_HUB_CACHE, $HF_HOME/hub,
//   $XDG_CACHE_HOME/huggingface/hub, ~/.cache/huggingface/hub.
// "~/" at the start of a path is HOME.
std::string HubCacheFromEnvironment();

struct ModelPath {
  std::string path;
  // The model's folder in the cache, which holds `path` and the blobs that the
  // files in `path` link to. Empty if `path` is what was given.
  std::string hub_folder;
};

// Finds the checkpoint that `given` names:
//   - a "models--ORG--NAME" folder of a cache stands for the snapshot that its
//     refs/main names, or without that file for its only snapshot;
//   - any other file or directory that exists stands for itself;
//   - ORG/NAME, if no such path exists, stands for that model's folder in
//     `hub_cache`.
// NotFound, with what to do, if the cache has no such model. InvalidArgument,
// with the snapshots in the folder, if it is not clear which is meant.
absl::StatusOr<ModelPath> ResolveModelPath(absl::string_view given,
                                           absl::string_view hub_cache);

// Sets each flag of a model to the directory that ResolveModelPath finds. If an
// output is a symbolic link, follows it once and sets the flag to the path that
// it leads to. Returns a sentence for each link that was followed.
//
// Checks that outputs are apart from inputs:
//   - an output is no input;
//   - an output lies in no input, except in one with the role RESULTS_PATH;
//   - a directory that is replaced as a whole holds no input;
//   - no two outputs are the same.
// The checks compare device and inode of all directories above the paths.
// InvalidArgument names both flags.
//
// Call it after FlagSet::Store.
absl::StatusOr<std::vector<std::string>> PreparePaths(FlagSet& flags);

}  // namespace moe::cli

#endif  // TOOLS_CLI_PREPARE_PATHS_H_
