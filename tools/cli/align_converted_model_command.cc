#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/align/align_model.h"
#include "moe/align/align_options.pb.h"
#include "moe/align/aligned_checkpoint.h"
#include "moe/align/alignment_inputs.h"
#include "moe/align/alignment_report.h"
#include "moe/base/escape_control.h"
#include "moe/base/file_system.h"
#include "moe/base/json.h"
#include "moe/base/mutation_gate.h"
#include "moe/base/sha256.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/artifact_io.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/checkpoint/artifact/scale_factors.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/companion_files.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/piece_stream.h"
#include "moe/model/walk/walk_options.h"
#include "tools/cli/artifact_output.h"
#include "tools/cli/command.h"
#include "tools/cli/commands.h"
#include "tools/cli/common_flags.h"
#include "tools/cli/flag_set.h"
#include "tools/cli/version.h"
#include "tools/cli/walk_session.h"

namespace moe::cli {
namespace {

constexpr char kStep[] = "align_converted_model";

struct AlignFlags {
  WalkFlags walk;
  std::string reference_distribution_file;
  std::string save_path;
  std::string alignment_mode = "exact";
  std::string alignment_parts = "full";
  bool realign = false;
  std::string scale_factors_path;
  std::string format = "safetensors";
  bool overwrite = false;
  bool json = false;

  ConversionOutput Output() const { return {save_path, overwrite}; }

  // Beside the checkpoint, in which every file is the model's.
  ArtifactFlags Factors() const {
    if (!scale_factors_path.empty()) {
      return {scale_factors_path, format, overwrite};
    }
    absl::string_view path = save_path;
    while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
    return {absl::StrCat(path, ".alignment"), format, overwrite};
  }
};

AlignOptions OptionsOf(const AlignFlags& flags) {
  AlignOptions options;
  if (flags.alignment_mode == "published") {
    options.set_alignment_mode(AlignOptions::PUBLISHED);
  }
  if (flags.alignment_parts == "magnitude") {
    options.set_alignment_parts(AlignOptions::MAGNITUDE);
  }
  options.set_realign(flags.realign);
  return options;
}

// All that can be wrong before the dataset is read and the model walked.
absl::StatusOr<Distribution> CheckAndReadReference(const AlignFlags& flags) {
  MOE_RETURN_IF_ERROR(CheckArtifactOutput<ScaleFactors>(flags.Factors()));
  MOE_ASSIGN_OR_RETURN(const Checkpoint from,
                       Checkpoint::Open(flags.walk.model_path));
  MOE_RETURN_IF_ERROR(
      CheckAlignedOutput(from, OptionsOf(flags), flags.Output()));
  MOE_ASSIGN_OR_RETURN(
      Distribution reference,
      ReadArtifact<Distribution>(flags.reference_distribution_file));
  MOE_RETURN_IF_ERROR(CheckReference(*from.moe_config(), reference,
                                     flags.reference_distribution_file));
  return reference;
}

// What is written: names without folders, as it lies beside what is published.
absl::StatusOr<Json> ReportOf(const AlignFlags& flags,
                              const Alignment& alignment,
                              const WrittenCheckpoint& written) {
  Json report = Json::object();
  report["checkpoint"] = SplitPath(flags.save_path).name;
  report["num_shards"] = written.num_shards;
  report["num_tensors"] = written.num_tensors;
  report["total_size"] = written.total_bytes;
  report["left_behind"] = LeftBehindToJson(written.left_behind);
  report["reference_distribution"] =
      SplitPath(flags.reference_distribution_file).name;
  MOE_ASSIGN_OR_RETURN(report["reference_sha256"],
                       HexSha256OfFile(flags.reference_distribution_file));
  report.update(AlignmentReportToJson(alignment, OptionsOf(flags)));
  return report;
}

// What --json prints: the report, with paths as they were given.
Json WithPaths(Json report, const AlignFlags& flags) {
  report["checkpoint"] = flags.save_path;
  report["reference_distribution"] = flags.reference_distribution_file;
  return report;
}

std::string FormatLeftBehind(const WrittenCheckpoint& written) {
  std::string text;
  for (const LeftBehind& left : written.left_behind) {
    text += FormatLine("left behind",
                       absl::StrCat(EscapeControl(left.name), ": ", left.why));
  }
  return text;
}

absl::StatusOr<int> Run(const AlignFlags& flags, CommandContext& context) {
  MOE_ASSIGN_OR_RETURN(const Distribution reference,
                       CheckAndReadReference(flags));
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<AnyWalkSession> session,
                       AnyWalkSession::Open(flags.walk, context.progress));
  const AlignOptions options = OptionsOf(flags);
  const WalkResources resources = session->resources();
  MOE_ASSIGN_OR_RETURN(const Alignment alignment,
                       AlignModel(session->model(),
                                  {session->sequences(), reference,
                                   flags.reference_distribution_file, options},
                                  SingleWalk(), resources));
  // A signal ends the command before all its files are there or after.
  std::optional<MutationSection> section;
  ConversionOutput output = flags.Output();
  output.before_commit = [&] { section.emplace(); };
  MOE_ASSIGN_OR_RETURN(
      const WrittenCheckpoint written,
      WriteAlignedCheckpoint(session->model().checkpoint(), alignment.factors,
                             options, output,
                             {resources.pool, resources.progress}));
  MOE_ASSIGN_OR_RETURN(Json report, ReportOf(flags, alignment, written));
  const ArtifactMetadata metadata = {
      kToolVersion, kStep, /*spec_digest=*/"",
      static_cast<uint64_t>(flags.walk.dataset.seed)};
  const ArtifactFlags factors = flags.Factors();
  MOE_ASSIGN_OR_RETURN(
      const Json whole,
      WriteArtifactAndReport(alignment.factors, metadata,
                             WithDataset(report, session->dataset()), factors));
  section.reset();
  PrintReport(
      {factors, ScaleFactors::kName, flags.json}, WithPaths(whole, flags),
      absl::StrCat(FormatLine("aligned checkpoint", flags.save_path),
                   FormatLeftBehind(written), FormatDataset(session->dataset()),
                   FormatAlignmentReport(alignment, options)),
      context);
  return kSuccess;
}

void AddOutputFlags(FlagSet& set, AlignFlags* flags) {
  set.AddString({.names = {"save_path"},
                 .what = "directory of the aligned checkpoint",
                 .required = true,
                 .path = PathRole::kOutputDirectory},
                &flags->save_path);
  set.AddString({.names = {"scale_factors_path"},
                 .what = "directory for scale_factors.safetensors and "
                         "scale_factors.report.json, made where missing; "
                         "SAVE_PATH.alignment where it is not given",
                 .path = PathRole::kOutputFolder},
                &flags->scale_factors_path);
  set.AddChoice({.names = {"format"},
                 .what = "pt writes scale_factors.pt too, for torch.load in "
                         "Python"},
                {"safetensors", "pt"}, &flags->format);
  set.AddBool({.names = {"overwrite"},
               .what = "replace a checkpoint and scale factors that are there"},
              &flags->overwrite);
  AddJson(set, &flags->json);
}

CommandAction Declare(FlagSet& set) {
  const auto flags = std::make_shared<AlignFlags>();
  AddWalkFlags(set, &flags->walk, "directory of a checkpoint with experts");
  set.AddString({.names = {"reference_distribution_file"},
                 .what = "what get_hidden_distribution recorded of the dense "
                         "model, .safetensors or .pt",
                 .required = true,
                 .path = PathRole::kInput},
                &flags->reference_distribution_file);
  set.AddChoice({.names = {"alignment_mode"},
                 .what = "exact gives each block, its residual expert "
                         "included, the reference's mean and variance; "
                         "published does what the published scripts do"},
                {"exact", "published"}, &flags->alignment_mode);
  set.AddChoice({.names = {"alignment_parts"},
                 .what = "magnitude scales and adds no bias, so that export "
                         "takes the result"},
                {"full", "magnitude"}, &flags->alignment_parts);
  set.AddBool({.names = {"realign"},
               .what = "align a checkpoint that has been aligned already"},
              &flags->realign);
  AddOutputFlags(set, flags.get());
  return [flags](CommandContext& context) { return Run(*flags, context); };
}

}  // namespace

Command AlignConvertedModelCommand() {
  return {
      .name = kStep,
      .aliases = {},
      .summary =
          "gives blocks with experts the dense model's mean and "
          "variance",
      .section = CommandSection::kPipeline,
      .notes =
          "Walks the model once. In each block with experts the output y of "
          "all tokens is measured after\neverything before has been aligned, "
          "and becomes s y + b, by feature: s scales the rows of every\n"
          "expert's last matrix, b is a bias of each expert. The report says "
          "for every block how far mean\nand variance were from the reference, "
          "before and after, as the mean symmetric KL divergence of\nthe "
          "features' Gaussians. The checkpoint appears at --save_path whole or "
          "not at all. The bytes\ndepend on the model, the dataset, the "
          "reference and the flags alone: not on MOE_NUM_THREADS, the\n"
          "processor or --memory_budget. Exit status: 0, or 2 on an error.\n",
      .declare = Declare};
}

}  // namespace moe::cli
