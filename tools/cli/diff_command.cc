#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "moe/base/options/option.pb.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/evaluate/checkpoint_diff.h"
#include "moe/evaluate/diff_options.pb.h"
#include "moe/evaluate/diff_report.h"
#include "tools/cli/command.h"
#include "tools/cli/commands.h"
#include "tools/cli/common_flags.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {
namespace {

struct DiffFlags {
  std::string a;
  std::string b;
  DiffOptions options;
  int64_t max_listed = 50;
  bool json = false;
};

absl::StatusOr<int> Run(const DiffFlags& flags, CommandContext& context) {
  MOE_ASSIGN_OR_RETURN(const int num_threads, NumThreadsFromEnvironment());
  ThreadPool pool(num_threads);
  MOE_ASSIGN_OR_RETURN(
      const CheckpointDiff diff,
      DiffCheckpoints(flags.a, flags.b, flags.options, pool, context.progress));
  context.out << (flags.json ? FormatJson(DiffToJson(diff))
                             : FormatDiff(diff, flags.max_listed));
  return diff.Same() ? kSuccess : kDiffers;
}

CommandAction Declare(FlagSet& set) {
  const auto flags = std::make_shared<DiffFlags>();
  const std::string what =
      "checkpoint directory, .safetensors file or .pt file";
  set.AddString({.names = {},
                 .positional = "A",
                 .what = what,
                 .required = true,
                 .path = Option::MODEL_PATH},
                &flags->a);
  set.AddString({.names = {},
                 .positional = "B",
                 .what = what + " to compare it with",
                 .required = true,
                 .path = Option::MODEL_PATH},
                &flags->b);
  set.AddOptions(&flags->options);
  set.AddInt({.names = {"max_listed"},
              .what = "list at most so many of the tensors that are not the "
                      "same; 0 lists all",
              .unit = "tensors"},
             {.min = 0}, &flags->max_listed);
  AddJson(set, &flags->json);
  return [flags](CommandContext& context) { return Run(*flags, context); };
}

}  // namespace

Command DiffCommand() {
  return {.name = "diff",
          .aliases = {},
          .summary = "compares two checkpoints or artifacts, tensor by tensor",
          .section = CommandSection::kHelper,
          .notes =
              "Without a tolerance, every bit counts. With one, elements pass "
              "by rtol and atol or by\nmax_ulp; NaN and infinity pass only "
              "where the bits are the same. Between directories,\nthe fields "
              "of config.json count too.\nExit status: 0 if A and B are the "
              "same, 1 if they differ, 2 on an error.\n",
          .declare = Declare};
}

}  // namespace moe::cli
