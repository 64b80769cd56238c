// The command line of llama_moe: finds the command, sets its flags, runs it,
// and turns an error into a message and an exit status.
//
// Every flag is checked before a command starts, so that a mistake in one never
// leaves a file behind. The exceptions of CLI11 end here.

#ifndef TOOLS_CLI_FRAME_H_
#define TOOLS_CLI_FRAME_H_

#include <ostream>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "tools/cli/command.h"

namespace moe::cli {

// Runs `args` (without the program's name), and returns the exit status.
// Results and help go to `out`. Progress and errors, as "llama_moe COMMAND:
// message", go to `err`. Control characters from a file or an argument are
// escaped, as EscapeControlInText does. Besides its own flags, each command has
// --help and --progress.
int RunCommandLine(absl::Span<const Command> commands,
                   const std::vector<std::string>& args, std::ostream& out,
                   std::ostream& err);

}  // namespace moe::cli

#endif  // TOOLS_CLI_FRAME_H_
