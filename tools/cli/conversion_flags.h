// What every command has that writes a checkpoint made from another.

#ifndef TOOLS_CLI_CONVERSION_FLAGS_H_
#define TOOLS_CLI_CONVERSION_FLAGS_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "moe/base/json.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/checkpoint_form.pb.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/piece_stream.h"
#include "tools/cli/command.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {

struct ConversionFlags {
  std::string model_path;
  std::string save_path;
  bool overwrite = false;
  bool json = false;
  // Empty where they are not given.
  std::string config_style;
  std::string router_dtype;

  ConversionOutput Output() const { return {save_path, overwrite}; }
};

// --model_path, --save_path, --overwrite, --json. `input` is what is converted:
// "dense checkpoint directory".
void AddConversionFlags(FlagSet& flags, const std::string& input,
                        ConversionFlags* values);

// --config_style and --router_dtype, of what makes experts. `otherwise` is the
// style where none is given: "own".
void AddCheckpointFormFlags(FlagSet& flags, const std::string& otherwise,
                            ConversionFlags* values);

// Sets the fields of these flags, where they are given, in MlpConversionOptions
// or AttentionConversionOptions.
template <typename Options>
void SetCheckpointForm(const ConversionFlags& flags, Options& options) {
  CheckpointForm::ConfigStyle style;
  if (CheckpointForm::ConfigStyle_Parse(
          absl::AsciiStrToUpper(flags.config_style), &style)) {
    options.set_config_style(style);
  }
  CheckpointForm::RouterDtype dtype;
  if (CheckpointForm::RouterDtype_Parse(
          absl::AsciiStrToUpper(flags.router_dtype), &dtype)) {
    options.set_router_dtype(dtype);
  }
}

// What a conversion says at its end: as JSON, or as a table.
struct ConversionSummary {
  Json json;
  std::string table;
};

// Opens the checkpoint, converts it with the threads of MOE_NUM_THREADS, and
// prints the summary.
absl::StatusOr<int> RunConversion(
    const ConversionFlags& flags,
    const std::function<absl::StatusOr<ConversionSummary>(
        const Checkpoint&, const ConversionResources&)>& convert,
    CommandContext& context);

}  // namespace moe::cli

#endif  // TOOLS_CLI_CONVERSION_FLAGS_H_
