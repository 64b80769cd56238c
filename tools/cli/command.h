// A command of llama_moe, as the frame sees it.

#ifndef TOOLS_CLI_COMMAND_H_
#define TOOLS_CLI_COMMAND_H_

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "moe/base/progress.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {

// Exit statuses. A command that reports an error ends with kError.
inline constexpr int kSuccess = 0;
inline constexpr int kDiffers = 1;
inline constexpr int kError = 2;

struct CommandContext {
  std::ostream& out;
  base::Progress& progress;
};

// Does the work with the flags' values, and returns the exit status.
using CommandAction = std::function<absl::StatusOr<int>(CommandContext&)>;

enum class CommandSection {
  kPipeline,  // Listed in the order in which the pipeline runs them.
  kHelper,
};

struct Command {
  std::string name;
  std::vector<std::string> aliases = {};
  // One line, in the third person: "shows what a checkpoint holds".
  std::string summary;
  CommandSection section = CommandSection::kHelper;
  // What --help says below the flags: exit statuses, examples. May be empty.
  std::string notes = {};
  // Declares the flags, and returns the action to run once they are set. The
  // action owns the variables that the flags set.
  std::function<CommandAction(FlagSet&)> declare;
};

}  // namespace moe::cli

#endif  // TOOLS_CLI_COMMAND_H_
