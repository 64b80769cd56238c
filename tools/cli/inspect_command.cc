#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "moe/base/json.h"
#include "moe/base/status_macros.h"
#include "moe/evaluate/inspect.h"
#include "moe/evaluate/inspect_report.h"
#include "tools/cli/command.h"
#include "tools/cli/commands.h"
#include "tools/cli/common_flags.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {
namespace {

struct InspectFlags {
  std::string path;
  bool tensors = false;
  bool check_values = false;
  bool digests = false;
  bool json = false;
};

absl::StatusOr<int> Run(const InspectFlags& flags, CommandContext& context) {
  const InspectOptions options{flags.check_values, flags.digests};
  MOE_ASSIGN_OR_RETURN(const Inspection inspection,
                       Inspect(flags.path, options, context.progress));
  context.out << (flags.json
                      ? FormatJson(InspectionToJson(inspection, flags.tensors))
                      : FormatInspection(inspection, flags.tensors));
  return kSuccess;
}

CommandAction Declare(FlagSet& set) {
  const auto flags = std::make_shared<InspectFlags>();
  AddModelPath(set,
               "checkpoint directory, .safetensors file or .pt file to look at",
               "PATH", &flags->path);
  set.AddBool({.names = {"tensors"},
               .what = "list every tensor: dtype, shape, bytes, offset, file"},
              &flags->tensors);
  set.AddBool({.names = {"check_values"},
               .what = "read every weight; a NaN or infinity is an error"},
              &flags->check_values);
  set.AddBool({.names = {"digests"}, .what = "print the SHA-256 of every file"},
              &flags->digests);
  AddJson(set, &flags->json);
  return [flags](CommandContext& context) { return Run(*flags, context); };
}

}  // namespace

Command InspectCommand() {
  return {.name = "inspect",
          .aliases = {},
          .summary = "shows what a checkpoint or an artifact holds",
          .section = CommandSection::kHelper,
          .notes =
              "A directory with a config.json is checked whole: every tensor "
              "that the configuration\ncalls for must be there with its shape, "
              "and no other. Exit status: 0, or 2 on an error.\n",
          .declare = Declare};
}

}  // namespace moe::cli
