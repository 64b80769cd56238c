// The commands that look at checkpoints: inspect, diff, digest.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "moe/base/file_system.h"
#include "moe/base/json.h"
#include "moe/base/options/option.pb.h"
#include "moe/base/sha256.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/evaluate/checkpoint_diff.h"
#include "moe/evaluate/diff_options.pb.h"
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
  const evaluate::InspectOptions options{flags.check_values, flags.digests};
  MOE_ASSIGN_OR_RETURN(
      const evaluate::Inspection inspection,
      evaluate::Inspect(flags.path, options, context.progress));
  context.out << (flags.json
                      ? base::FormatJson(evaluate::InspectionToJson(
                            inspection, flags.tensors))
                      : evaluate::FormatInspection(inspection, flags.tensors));
  return kSuccess;
}

CommandAction DeclareInspect(FlagSet& set) {
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

struct DiffFlags {
  std::string a;
  std::string b;
  DiffOptions options;
  int64_t max_listed = 50;
  bool json = false;
};

absl::StatusOr<int> Run(const DiffFlags& flags, CommandContext& context) {
  MOE_ASSIGN_OR_RETURN(const int num_threads,
                       base::NumThreadsFromEnvironment());
  base::ThreadPool pool(num_threads);
  MOE_ASSIGN_OR_RETURN(
      const evaluate::CheckpointDiff diff,
      evaluate::DiffCheckpoints(flags.a, flags.b, flags.options, pool,
                                context.progress));
  context.out << (flags.json ? base::FormatJson(evaluate::DiffToJson(diff))
                             : evaluate::FormatDiff(diff, flags.max_listed));
  return diff.Same() ? kSuccess : kDiffers;
}

CommandAction DeclareDiff(FlagSet& set) {
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

struct DigestFlags {
  std::string path;
  std::string expected;
};

absl::Status CheckExpected(const std::string& expected) {
  const bool is_digest =
      expected.size() == 64 &&
      std::all_of(expected.begin(), expected.end(),
                  [](char c) { return absl::ascii_isxdigit(c); });
  if (expected.empty() || is_digest) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "--expected: expected 64 hexadecimal digits, found \"", expected, "\""));
}

absl::StatusOr<std::string> DigestOf(const std::string& path,
                                     CommandContext& context) {
  if (!base::ListDirectory(path).ok()) return base::HexSha256OfFile(path);
  MOE_ASSIGN_OR_RETURN(const checkpoint::Checkpoint checkpoint,
                       checkpoint::Checkpoint::Open(path));
  return checkpoint::CheckpointDigest(checkpoint, context.progress);
}

absl::StatusOr<int> Run(const DigestFlags& flags, CommandContext& context) {
  MOE_RETURN_IF_ERROR(CheckExpected(flags.expected));
  MOE_ASSIGN_OR_RETURN(const std::string digest, DigestOf(flags.path, context));
  context.out << digest << "  " << flags.path << "\n";
  if (flags.expected.empty() ||
      digest == absl::AsciiStrToLower(flags.expected)) {
    return kSuccess;
  }
  context.out << absl::AsciiStrToLower(flags.expected) << "  was expected\n";
  return kDiffers;
}

CommandAction DeclareDigest(FlagSet& set) {
  const auto flags = std::make_shared<DigestFlags>();
  set.AddString({.names = {},
                 .positional = "PATH",
                 .what = "checkpoint directory, or a file",
                 .required = true,
                 .path = Option::MODEL_PATH},
                &flags->path);
  set.AddString({.names = {"expected"}, .what = "the digest that it should be"},
                &flags->expected);
  return [flags](CommandContext& context) { return Run(*flags, context); };
}

}  // namespace

Command InspectCommand() {
  return {.name = "inspect",
          .summary = "shows what a checkpoint or an artifact holds",
          .notes =
              "A directory with a config.json is checked whole: every tensor "
              "that the configuration\ncalls for must be there with its shape, "
              "and no other. Exit status: 0, or 2 on an error.\n",
          .declare = DeclareInspect};
}

Command DiffCommand() {
  return {.name = "diff",
          .summary = "compares two checkpoints or artifacts, tensor by tensor",
          .notes =
              "Without a tolerance, every bit counts. With one, elements pass "
              "by rtol and atol or by\nmax_ulp; NaN and infinity pass only "
              "where the bits are the same. Between directories,\nthe fields "
              "of config.json count too.\nExit status: 0 if A and B are the "
              "same, 1 if they differ, 2 on an error.\n",
          .declare = DeclareDiff};
}

Command DigestCommand() {
  return {.name = "digest",
          .summary = "prints the SHA-256 of a checkpoint or a file",
          .notes =
              "That of a checkpoint is over a line \"SHA256  NAME\" for "
              "config.json, then for every weight file in\nthe order of their "
              "names: tokenizer and model code are no part of it. Exit status: "
              "0; 1 if it is\nnot --expected; 2 on an error.\n",
          .declare = DeclareDigest};
}

}  // namespace moe::cli
