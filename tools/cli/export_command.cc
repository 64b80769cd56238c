#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/convert/conversion_report.h"
#include "moe/convert/export_checkpoint.h"
#include "moe/convert/export_options.pb.h"
#include "moe/convert/piece_stream.h"
#include "tools/cli/command.h"
#include "tools/cli/commands.h"
#include "tools/cli/conversion_flags.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {
namespace {

struct ExportFlags {
  ConversionFlags conversion;
  std::string target;
};

absl::StatusOr<int> Run(const ExportFlags& flags, CommandContext& context) {
  ExportOptions options;
  options.set_target(flags.target == "mixtral"
                         ? ExportOptions::MIXTRAL
                         : ExportOptions::GRANITEMOESHARED);
  return RunConversion(
      flags.conversion,
      [&](const Checkpoint& from, const ConversionResources& resources)
          -> absl::StatusOr<ConversionSummary> {
        MOE_ASSIGN_OR_RETURN(
            const ExportedCheckpoint exported,
            ExportCheckpoint(from, options, flags.conversion.Output(),
                             resources));
        const std::string& path = flags.conversion.save_path;
        return ConversionSummary{ExportToJson(path, flags.target, exported),
                                 FormatExport(path, flags.target, exported)};
      },
      context);
}

CommandAction Declare(FlagSet& set) {
  const auto flags = std::make_shared<ExportFlags>();
  AddConversionFlags(set, "MoE checkpoint directory", &flags->conversion);
  set.AddChoice({.names = {"target"},
                 .what = "mixtral for a vanilla checkpoint, granitemoeshared "
                         "for a residual one",
                 .required = true},
                {"mixtral", "granitemoeshared"}, &flags->target);
  return [flags](CommandContext& context) { return Run(*flags, context); };
}

}  // namespace

Command ExportCommand() {
  return {
      .name = "export",
      .aliases = {},
      .summary =
          "writes an MoE checkpoint that transformers loads without our code",
      .section = CommandSection::kHelper,
      .notes =
          "The scale factor goes into the experts' last matrix: exactly where "
          "it is a power of two, else\nrounded to the checkpoint's type, and "
          "it says how often. Contract layers, attention experts and\nbiases "
          "of experts have no place in either target and are refused. Exit "
          "status: 0, or 2 on an\nerror.\n",
      .declare = Declare};
}

}  // namespace moe::cli
