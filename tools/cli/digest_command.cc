#include <algorithm>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "moe/base/file_system.h"
#include "moe/base/options/option.pb.h"
#include "moe/base/sha256.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint.h"
#include "tools/cli/command.h"
#include "tools/cli/commands.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {
namespace {

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
      "--expected is ", expected, "; wanted are 64 hexadecimal digits"));
}

absl::StatusOr<std::string> DigestOf(const std::string& path,
                                     CommandContext& context) {
  if (!ListDirectory(path).ok()) return HexSha256OfFile(path);
  MOE_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Open(path));
  return CheckpointDigest(checkpoint, context.progress);
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

CommandAction Declare(FlagSet& set) {
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

Command DigestCommand() {
  return {.name = "digest",
          .aliases = {},
          .summary = "prints the SHA-256 of a checkpoint or a file",
          .section = CommandSection::kHelper,
          .notes =
              "That of a checkpoint is over a line \"SHA256  NAME\" for "
              "config.json, then for every weight file in\nthe order of their "
              "names: tokenizer and model code are no part of it. Exit status: "
              "0; 1 if it is\nnot --expected; 2 on an error.\n",
          .declare = Declare};
}

}  // namespace moe::cli
