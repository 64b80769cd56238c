#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "moe/base/json.h"
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
  std::optional<double> rtol;
  std::optional<double> atol;
  std::optional<int64_t> max_ulp;
  bool ignore_config = false;
  int64_t max_listed = 50;
  bool json = false;
};

DiffOptions OptionsOf(const DiffFlags& flags) {
  DiffOptions options;
  if (flags.rtol.has_value()) options.set_rtol(*flags.rtol);
  if (flags.atol.has_value()) options.set_atol(*flags.atol);
  if (flags.max_ulp.has_value()) options.set_max_ulp(*flags.max_ulp);
  options.set_ignore_config(flags.ignore_config);
  return options;
}

absl::StatusOr<int> Run(const DiffFlags& flags, CommandContext& context) {
  MOE_ASSIGN_OR_RETURN(const int num_threads, NumThreadsFromEnvironment());
  ThreadPool pool(num_threads);
  MOE_ASSIGN_OR_RETURN(const CheckpointDiff diff,
                       DiffCheckpoints(flags.a, flags.b, OptionsOf(flags), pool,
                                       context.progress));
  context.out << (flags.json ? FormatJson(DiffToJson(diff))
                             : FormatDiff(diff, flags.max_listed));
  return diff.Same() ? kSuccess : kDiffers;
}

void DeclareTolerances(FlagSet& set, DiffFlags& flags) {
  set.AddDouble({.names = {"rtol"},
                 .what = "elements pass where |a-b| <= atol + rtol * |b|"},
                {.min = 0.0}, &flags.rtol);
  set.AddDouble({.names = {"atol"}, .what = "see --rtol"}, {.min = 0.0},
                &flags.atol);
  set.AddInt({.names = {"max_ulp"},
              .what = "elements pass where b is at most so many representable "
                      "numbers from a",
              .unit = "ULP"},
             {.min = 0}, &flags.max_ulp);
}

CommandAction Declare(FlagSet& set) {
  const auto flags = std::make_shared<DiffFlags>();
  const std::string what =
      "checkpoint directory, .safetensors file or .pt file";
  set.AddString({.names = {},
                 .positional = "A",
                 .what = what,
                 .required = true,
                 .path = PathRole::kModel},
                &flags->a);
  set.AddString({.names = {},
                 .positional = "B",
                 .what = what + " to compare it with",
                 .required = true,
                 .path = PathRole::kModel},
                &flags->b);
  DeclareTolerances(set, *flags);
  set.AddBool({.names = {"ignore_config"},
               .what = "leave config.json out of the comparison"},
              &flags->ignore_config);
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
