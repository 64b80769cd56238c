// The command of a step: its flags are what its StepKind declares.

#ifndef TOOLS_CLI_STEP_COMMAND_H_
#define TOOLS_CLI_STEP_COMMAND_H_

#include "moe/steps/step_kind.h"
#include "tools/cli/command.h"

namespace moe::cli {

// The kind must outlive the command.
Command StepCommand(const StepKind& kind);

}  // namespace moe::cli

#endif  // TOOLS_CLI_STEP_COMMAND_H_
