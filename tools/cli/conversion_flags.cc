#include "tools/cli/conversion_flags.h"

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "moe/base/json.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/convert/piece_stream.h"
#include "tools/cli/command.h"
#include "tools/cli/common_flags.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {

void AddConversionFlags(FlagSet& flags, const std::string& input,
                        ConversionFlags* values) {
  AddModelPath(flags, input, "", &values->model_path);
  flags.AddString({.names = {"save_path"},
                   .what = "directory of the new checkpoint",
                   .required = true,
                   .path = PathRole::kOutputDirectory},
                  &values->save_path);
  flags.AddBool(
      {.names = {"overwrite"}, .what = "replace a checkpoint that is there"},
      &values->overwrite);
  AddJson(flags, &values->json);
}

void AddCheckpointFormFlags(FlagSet& flags, const std::string& otherwise,
                            ConversionFlags* values) {
  flags.AddChoice(
      {.names = {"config_style"},
       .what = absl::StrCat(
           "how config.json names the model: own, \"mixtral\" for what is one "
           "to the letter and else \"llama_moe\"; or published, \"mixtral\" "
           "always, for the published training code; ",
           otherwise, " where it is not given")},
      {"own", "published"}, &values->config_style);
  flags.AddChoice({.names = {"router_dtype"},
                   .what = "type of the routers' weights; checkpoint, that of "
                           "the other weights, where it is not given"},
                  {"checkpoint", "float32"}, &values->router_dtype);
}

absl::StatusOr<int> RunConversion(
    const ConversionFlags& flags,
    const std::function<absl::StatusOr<ConversionSummary>(
        const Checkpoint&, const ConversionResources&)>& convert,
    CommandContext& context) {
  MOE_ASSIGN_OR_RETURN(const int num_threads, NumThreadsFromEnvironment());
  MOE_ASSIGN_OR_RETURN(const Checkpoint checkpoint,
                       Checkpoint::Open(flags.model_path));
  ThreadPool pool(num_threads);
  MOE_ASSIGN_OR_RETURN(const ConversionSummary summary,
                       convert(checkpoint, {pool, context.progress}));
  context.out << (flags.json ? FormatJson(summary.json) : summary.table);
  return kSuccess;
}

}  // namespace moe::cli
