// Every command of llama_moe, in the order in which --help lists them. A new
// command is a function here and an entry in commands.cc.

#ifndef TOOLS_CLI_COMMANDS_H_
#define TOOLS_CLI_COMMANDS_H_

#include <ostream>
#include <string>
#include <vector>

#include "tools/cli/command.h"

namespace moe::cli {

Command InspectCommand();
Command DiffCommand();
Command DigestCommand();
Command EvaluateCommand();
Command GetHiddenDistributionCommand();
Command HiddenClusteringCommand();
Command RandomSelectionCommand();
Command SplitGradientCommand();
Command SplitGradientGetGradsCommand();
Command SplitGradientResidualCommand();
Command SplitRandomCommand();
Command SplitSequentialCommand();
Command ConvertMixtralCommand();
Command ConvertMixtralResidualCommand();
Command AlignConvertedModelCommand();
Command ConvertMixtralAttnMoeCommand();
Command ExportCommand();
Command TokenizeCommand();
Command RunCommand();
Command RunStepCommand();
Command VerifyCommand();
Command ReportCommand();

std::vector<Command> AllCommands();

// RunCommandLine with every command.
int RunLlamaMoe(const std::vector<std::string>& args, std::ostream& out,
                std::ostream& err);

}  // namespace moe::cli

#endif  // TOOLS_CLI_COMMANDS_H_
