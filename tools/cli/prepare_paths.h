// The paths of a command line, before the command starts.

#ifndef TOOLS_CLI_PREPARE_PATHS_H_
#define TOOLS_CLI_PREPARE_PATHS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {

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
