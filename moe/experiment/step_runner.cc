#include "moe/experiment/step_runner.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/util/message_differencer.h"
#include "moe/base/atomic_write.h"
#include "moe/base/directory_manifest.h"
#include "moe/base/file_system.h"
#include "moe/base/path_overlap.h"
#include "moe/base/progress.h"
#include "moe/base/staging_directory.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/artifact_io.h"
#include "moe/experiment/evaluation_metrics.h"
#include "moe/experiment/experiment_inputs.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/file_digest.h"
#include "moe/experiment/step_plan.h"
#include "moe/experiment/text_proto.h"
#include "moe/kernels/numerics_contract.h"
#include "moe/steps/step_kind.h"

namespace moe {
namespace {

// What the record in a step's directory calls it (see WriteManifest).
constexpr char kStepKind[] = "step";

absl::Status WriteRecord(const StepRecord& record, absl::string_view directory,
                         const StepContext& context) {
  if (context.before_record != nullptr) {
    MOE_RETURN_IF_ERROR(context.before_record());
  }
  return WriteTextProto(
      record, "# What a step of an experiment has made, and from what.\n",
      RecordPath(directory));
}

// The artifact, which is pinned, and its report, which is not.
absl::Status CollectArtifact(absl::string_view stem,
                             const std::string& directory, StepRecord& record) {
  MOE_ASSIGN_OR_RETURN(
      *record.mutable_step()->add_files(),
      DigestFile(directory, absl::StrCat(stem, ".safetensors")));
  MOE_ASSIGN_OR_RETURN(
      *record.add_reports(),
      DigestFile(directory, absl::StrCat(stem, ".report.json")));
  return absl::OkStatus();
}

// What is pinned, what is not, and the numbers.
absl::Status CollectOutput(const PlannedStep& step,
                           const std::string& directory, Progress& progress,
                           StepRecord& record) {
  StepLock& lock = *record.mutable_step();
  if (IsCheckpoint(step.output())) {
    MOE_ASSIGN_OR_RETURN(const std::vector<FileDigest> files,
                         DigestDirectory(directory, progress));
    lock.mutable_files()->Add(files.begin(), files.end());
    if (step.output() == OutputKind::kCheckpoint) return absl::OkStatus();
    return CollectArtifact(absl::StrCat(kAlignmentDirectory, "/scale_factors"),
                           directory, record);
  }
  if (step.output() == OutputKind::kEvaluation) {
    const std::string name = OutputFile(step.output());
    MOE_ASSIGN_OR_RETURN(*record.add_reports(), DigestFile(directory, name));
    MOE_ASSIGN_OR_RETURN(
        const std::vector<Metric> metrics,
        ReadEvaluationMetrics(absl::StrCat(directory, "/", name)));
    lock.mutable_metrics()->Add(metrics.begin(), metrics.end());
    return absl::OkStatus();
  }
  return CollectArtifact(OutputName(step.output()), directory, record);
}

// Makes what a step makes in the directory that it is given, which is new.
using MakeStep = std::function<absl::Status(const std::string& directory)>;

// Has it made beside `directory` and puts it in its place, without a record of
// the step, which is gone before.
absl::Status MakeInPlace(const std::string& directory,
                         const StepContext& context, const MakeStep& make) {
  MOE_RETURN_IF_ERROR(CheckStepTarget(directory, context.inputs.places()));
  MOE_ASSIGN_OR_RETURN(const std::string target, FollowTargetLink(directory));
  FileSystem& file_system = PosixFileSystem();
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<StagingDirectory> staging,
                       StagingDirectory::Create(target, file_system));
  MOE_RETURN_IF_ERROR(make(staging->content()));
  MOE_RETURN_IF_ERROR(context.inputs.CheckUnchanged());
  MOE_RETURN_IF_ERROR(
      WriteManifest(file_system, staging->content(), kStepKind));
  MOE_RETURN_IF_ERROR(file_system.SyncDirectory(staging->content()));
  MOE_RETURN_IF_ERROR(RemoveTextProto<StepRecord>(RecordPath(directory)));
  return MoveIntoPlace(*staging, target, kStepKind, file_system);
}

// A request that is to write to a directory.
using RequestFor =
    std::function<absl::StatusOr<StepRequest>(const std::string& directory)>;

absl::StatusOr<StepRecord> RunAndRecord(const PlannedStep& step,
                                        const RequestFor& request_for,
                                        const std::string& directory,
                                        const StepContext& context) {
  StepRecord record;
  record.set_numerics_contract(kNumericsContractVersion);
  MOE_ASSIGN_OR_RETURN(*record.mutable_step(),
                       DescribeStep(step, context.inputs));
  const MakeStep make = [&](const std::string& staged) -> absl::Status {
    MOE_ASSIGN_OR_RETURN(const StepRequest request, request_for(staged));
    MOE_RETURN_IF_ERROR(context.execute(request));
    const absl::Status status =
        CollectOutput(step, staged, context.progress, record);
    if (status.ok()) return status;
    return absl::DataLossError(absl::StrCat(
        step.command(), " has not made what it should: ", status.message()));
  };
  MOE_RETURN_IF_ERROR(MakeInPlace(directory, context, make));
  MOE_RETURN_IF_ERROR(WriteRecord(record, directory, context));
  return record;
}

// The record of what a step did, without what came out.
StepLock DescriptionIn(const StepRecord& record) {
  StepLock description = record.step();
  description.clear_files();
  description.clear_metrics();
  return description;
}

// OK if `record` is of what `description` says, under this contract.
absl::Status CheckSameStep(const StepRecord& record,
                           const StepLock& description,
                           absl::string_view from) {
  if (record.numerics_contract() != kNumericsContractVersion) {
    return absl::InvalidArgumentError(absl::StrCat(
        from, " is of numerics contract ", record.numerics_contract(),
        "; this program's is ", kNumericsContractVersion));
  }
  google::protobuf::util::MessageDifferencer differencer;
  std::string differences;
  differencer.ReportDifferencesToString(&differences);
  if (differencer.Compare(DescriptionIn(record), description)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      from, " is not what step \"", description.name(),
      "\" makes; from what it was made to what is wanted:\n", differences));
}

absl::Status CopyMade(const FileDigest& file, absl::string_view from,
                      absl::string_view to) {
  const std::string source = absl::StrCat(from, "/", file.name());
  MOE_RETURN_IF_ERROR(
      CopyFileAtomically(source, absl::StrCat(to, "/", file.name())));
  MOE_ASSIGN_OR_RETURN(const FileDigest copied, DigestFile(to, file.name()));
  if (SameFile(copied, file)) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(source, " is not what its step made"));
}

template <typename List>
bool FilesAreThere(const List& files, absl::string_view directory) {
  return std::all_of(files.begin(), files.end(), [&](const FileDigest& file) {
    const absl::StatusOr<FileDigest> found = DigestFile(directory, file.name());
    return found.ok() && SameFile(*found, file);
  });
}

absl::Status CheckCanShard(const PlannedStep& step) {
  if (step.request.kind->can_shard) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "step \"", step.name, "\" cannot be shared out: ", step.command(),
      " has no --shards"));
}

}  // namespace

absl::StatusOr<StepLock> DescribeStep(const PlannedStep& step,
                                      ExperimentInputs& inputs) {
  StepLock lock;
  lock.set_name(step.name);
  lock.set_command(step.command());
  for (const StepInput& input : step.inputs) {
    StepInputDigest& digest = *lock.add_inputs();
    digest.set_flag(input.flag);
    digest.set_from(input.name);
    MOE_ASSIGN_OR_RETURN(*digest.mutable_sha256(), inputs.DigestOf(input));
  }
  const std::vector<std::string> arguments = ArgumentsOf(step.request);
  lock.mutable_arguments()->Add(arguments.begin(), arguments.end());
  return lock;
}

absl::StatusOr<StepRequest> RequestOf(const PlannedStep& step,
                                      absl::string_view directory,
                                      const StepContext& context) {
  StepRequest request = step.request;
  for (const StepInput& input : step.inputs) {
    MOE_ASSIGN_OR_RETURN(request.paths[input.flag],
                         context.inputs.PathOf(input));
  }
  if (Walks(*request.kind)) request.memory_budget = context.memory_budget;
  WriteTo(std::string(directory), request);
  return request;
}

std::optional<StepRecord> FindFinishedStep(const StepLock& description,
                                           absl::string_view directory,
                                           Progress& progress) {
  const std::string path = RecordPath(directory);
  if (!PathExists(path)) return std::nullopt;
  // A record that cannot be read is of no use, whatever is wrong with it.
  absl::StatusOr<StepRecord> record = ReadTextProto<StepRecord>(path);
  if (!record.ok()) return std::nullopt;
  if (!CheckSameStep(*record, description, path).ok()) return std::nullopt;
  progress.Start("looking at what is there", 0, "files");
  const bool there = FilesAreThere(record->step().files(), directory) &&
                     FilesAreThere(record->reports(), directory);
  progress.Finish();
  return there ? std::optional<StepRecord>(*std::move(record)) : std::nullopt;
}

absl::Status CheckStepTarget(absl::string_view directory,
                             const ExperimentInputs::Places& places) {
  MOE_RETURN_IF_ERROR(CheckApart(directory, places.model));
  MOE_RETURN_IF_ERROR(CheckApart(directory, places.data));
  MOE_RETURN_IF_ERROR(CheckIsTextProto(StepRecord(), RecordPath(directory)));
  MOE_ASSIGN_OR_RETURN(const std::string target, FollowTargetLink(directory));
  if (!PathExists(target)) return absl::OkStatus();
  return CheckReplaceable(target, kStepKind);
}

absl::StatusOr<StepRecord> RunStep(const PlannedStep& step,
                                   absl::string_view directory,
                                   const StepContext& context) {
  const RequestFor request_for = [&](const std::string& staged) {
    return RequestOf(step, staged, context);
  };
  return RunAndRecord(step, request_for, std::string(directory), context);
}

absl::StatusOr<StepRecord> TakeStep(const PlannedStep& step,
                                    absl::string_view from,
                                    absl::string_view directory,
                                    const StepContext& context) {
  const std::string path = RecordPath(from);
  MOE_ASSIGN_OR_RETURN(StepRecord record, ReadTextProto<StepRecord>(path));
  record.mutable_step()->set_name(step.name);
  MOE_ASSIGN_OR_RETURN(const StepLock description,
                       DescribeStep(step, context.inputs));
  MOE_RETURN_IF_ERROR(CheckSameStep(record, description, path));
  const MakeStep copy = [&](const std::string& staged) -> absl::Status {
    for (const FileDigest& file : record.step().files()) {
      MOE_RETURN_IF_ERROR(CopyMade(file, from, staged));
    }
    for (const FileDigest& file : record.reports()) {
      MOE_RETURN_IF_ERROR(CopyMade(file, from, staged));
    }
    return absl::OkStatus();
  };
  MOE_RETURN_IF_ERROR(MakeInPlace(std::string(directory), context, copy));
  MOE_RETURN_IF_ERROR(WriteRecord(record, directory, context));
  return record;
}

absl::Status RunStepShard(const PlannedStep& step, const StepShard& shard,
                          absl::string_view directory,
                          const StepContext& context) {
  MOE_RETURN_IF_ERROR(CheckCanShard(step));
  const MakeStep make = [&](const std::string& staged) -> absl::Status {
    MOE_ASSIGN_OR_RETURN(StepRequest request, RequestOf(step, staged, context));
    request.shard.set_num_shards(shard.num_shards);
    request.shard.set_shard(shard.shard);
    return context.execute(request);
  };
  return MakeInPlace(std::string(directory), context, make);
}

absl::StatusOr<StepRecord> MergeStepShards(
    const PlannedStep& step, const std::vector<std::string>& parts,
    absl::string_view directory, const StepContext& context) {
  MOE_RETURN_IF_ERROR(CheckCanShard(step));
  const auto request_for =
      [&](const std::string& staged) -> absl::StatusOr<StepRequest> {
    StepRequest request = step.request;
    const auto num_shards = static_cast<int64_t>(parts.size());
    for (int64_t shard = 0; shard < num_shards; ++shard) {
      request.merge.push_back(PathOfPart(
          parts[shard], OutputName(step.output()), num_shards, shard));
    }
    WriteTo(staged, request);
    return request;
  };
  return RunAndRecord(step, request_for, std::string(directory), context);
}

}  // namespace moe
