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

// Runs `args` (without the program's name). Results and help go to `out`;
// progress and errors, as "llama_moe COMMAND: message", to `err`; control
// characters that a file or an argument put there are escaped, as
// EscapeControlInText does. Returns the exit status. Each command has --help
// and
// --progress besides its own flags.
int RunCommandLine(absl::Span<const Command> commands,
                   const std::vector<std::string>& args, std::ostream& out,
                   std::ostream& err);

}  // namespace moe::cli

#endif  // TOOLS_CLI_FRAME_H_
