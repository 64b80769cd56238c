#include "tools/cli/commands.h"

#include <ostream>
#include <string>
#include <vector>

#include "tools/cli/command.h"
#include "tools/cli/frame.h"

namespace moe::cli {

std::vector<Command> AllCommands() {
  return {HiddenClusteringCommand(),
          RandomSelectionCommand(),
          SplitGradientGetGradsCommand(),
          SplitGradientCommand(),
          SplitGradientResidualCommand(),
          SplitSequentialCommand(),
          SplitRandomCommand(),
          ConvertMixtralCommand(),
          ConvertMixtralResidualCommand(),
          ConvertMixtralAttnMoeCommand(),
          GetHiddenDistributionCommand(),
          AlignConvertedModelCommand(),
          RunCommand(),
          TokenizeCommand(),
          EvaluateCommand(),
          InspectCommand(),
          DiffCommand(),
          DigestCommand(),
          ExportCommand(),
          VerifyCommand(),
          ReportCommand(),
          RunStepCommand()};
}

int RunLlamaMoe(const std::vector<std::string>& args, std::ostream& out,
                std::ostream& err) {
  const std::vector<Command> commands = AllCommands();
  return RunCommandLine(commands, args, out, err);
}

}  // namespace moe::cli
