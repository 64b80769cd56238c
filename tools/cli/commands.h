// Every command of llama_moe, in the order in which --help lists them: first
// the commands of the steps (moe/steps/all_steps.h), then the others. Each of
// the others is a function here and an entry in commands.cc.

#ifndef TOOLS_CLI_COMMANDS_H_
#define TOOLS_CLI_COMMANDS_H_

#include <ostream>
#include <string>
#include <vector>

#include "moe/steps/step_kind.h"
#include "tools/cli/command.h"

namespace moe::cli {

// The kind must outlive the command.
Command StepCommand(const steps::StepKind& kind);

Command InspectCommand();
Command DiffCommand();
Command DigestCommand();
Command TokenizeCommand();
Command RunCommand();
Command RunStepCommand();
Command VerifyCommand();
Command ReportCommand();

std::vector<Command> AllCommands();

// Calls RunCommandLine with every command.
int RunLlamaMoe(const std::vector<std::string>& args, std::ostream& out,
                std::ostream& err);

}  // namespace moe::cli

#endif  // TOOLS_CLI_COMMANDS_H_
