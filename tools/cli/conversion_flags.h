// What every command has that writes a checkpoint made from another.

#ifndef TOOLS_CLI_CONVERSION_FLAGS_H_
#define TOOLS_CLI_CONVERSION_FLAGS_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/json.h"
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

  ConversionOutput Output() const { return {save_path, overwrite}; }
};

// --model_path, --save_path, --overwrite, --json. `input` is what is converted:
// "dense checkpoint directory".
void AddConversionFlags(FlagSet& flags, const std::string& input,
                        ConversionFlags* values);

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
