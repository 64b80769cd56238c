// The paths of a command line, before the command starts.

#ifndef TOOLS_CLI_PREPARE_PATHS_H_
#define TOOLS_CLI_PREPARE_PATHS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {

// The cache of the hub, as huggingface_hub finds it: HF_HUB_CACHE, else
// HUGGINGFACE_HUB_CACHE, else "hub" in HF_HOME, else in "huggingface" of
// XDG_CACHE_HOME, else of ~/.cache. "~/" at the start is HOME.
std::string HubCacheFromEnvironment();

struct ModelPath {
  std::string path;
  // The model's folder in the cache, which holds `path` and the blobs that its
  // files are links to; empty where `path` is what was given.
  std::string hub_folder;
};

// Where the checkpoint is that `given` names:
//   - a file or directory that exists: itself, but
//   - a "models--ORG--NAME" folder of the cache: the snapshot that its
//     refs/main names; without that file, its only snapshot;
//   - ORG/NAME, where nothing of that name exists: that model's folder in
//     `hub_cache`.
// NotFound, with what to do, if there is none of these; InvalidArgument, with
// the snapshots that there are, where it is not clear which is meant.
absl::StatusOr<ModelPath> ResolveModelPath(absl::string_view given,
                                           absl::string_view hub_cache);

// Gives the flags of models the directories of their checkpoints, as
// ResolveModelPath finds them, and holds every output to be apart from every
// input, by device and inode along all the directories above them: an output
// never is an input, nor lies in one (but in kResults), and what is replaced as
// a whole holds none. An output that is a symbolic link is followed, once: the
// flag gets the path that it leads to. Returns a sentence for each that was.
// InvalidArgument names both flags.
//
// To be called after FlagSet::Store.
absl::StatusOr<std::vector<std::string>> PreparePaths(FlagSet& flags);

}  // namespace moe::cli

#endif  // TOOLS_CLI_PREPARE_PATHS_H_
