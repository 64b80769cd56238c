#include "tools/cli/commands.h"

#include <ostream>
#include <string>
#include <vector>

#include "moe/steps/all_steps.h"
#include "moe/steps/step_kind.h"
#include "tools/cli/command.h"
#include "tools/cli/frame.h"
#include "tools/cli/step_command.h"

namespace moe::cli {

std::vector<Command> AllCommands() {
  std::vector<Command> commands;
  for (const StepKind& kind : AllSteps()) commands.push_back(StepCommand(kind));
  for (const Command& command :
       {RunCommand(), TokenizeCommand(), InspectCommand(), DiffCommand(),
        DigestCommand(), VerifyCommand(), ReportCommand(), RunStepCommand()}) {
    commands.push_back(command);
  }
  return commands;
}

int RunLlamaMoe(const std::vector<std::string>& args, std::ostream& out,
                std::ostream& err) {
  const std::vector<Command> commands = AllCommands();
  return RunCommandLine(commands, args, out, err);
}

}  // namespace moe::cli
