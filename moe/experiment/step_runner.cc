#include "moe/experiment/step_runner.h"

#include <sys/resource.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "google/protobuf/util/message_differencer.h"
#include "moe/base/atomic_write.h"
#include "moe/base/directory_manifest.h"
#include "moe/base/file_system.h"
#include "moe/base/path_overlap.h"
#include "moe/base/progress.h"
#include "moe/base/staging_directory.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/artifact_io.h"
#include "moe/experiment/experiment_inputs.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/metrics.h"
#include "moe/experiment/step_plan.h"
#include "moe/experiment/step_timing.pb.h"
#include "moe/experiment/text_proto.h"
#include "moe/kernels/numerics_contract.h"
#include "moe/kernels/simd/simd_target.h"
#include "moe/steps/step_kind.h"

namespace moe::experiment {
namespace {

double CpuSeconds() {
  rusage usage = {};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return absl::ToDoubleSeconds(absl::DurationFromTimeval(usage.ru_utime) +
                               absl::DurationFromTimeval(usage.ru_stime));
}

// What follows "FIELD" and a colon in a file of lines "FIELD : VALUE"; empty
// without.
std::string FieldOf(const char* path, absl::string_view field) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    absl::string_view rest = line;
    if (!absl::ConsumePrefix(&rest, field)) continue;
    rest = absl::StripLeadingAsciiWhitespace(rest);
    if (!absl::ConsumePrefix(&rest, ":")) continue;
    return std::string(absl::StripAsciiWhitespace(rest));
  }
  return "";
}

// Linux forgets the most that a process had when a 5 is written here. Without
// that, the number is another step's.
bool ForgetPeak() {
  std::ofstream file("/proc/self/clear_refs");
  file << "5" << std::flush;
  return file.good();
}

int64_t PeakResidentBytes() {
  const std::string text = FieldOf("/proc/self/status", "VmHWM");
  int64_t kibibytes = 0;
  if (!absl::SimpleAtoi(absl::StripSuffix(text, " kB"), &kibibytes)) return 0;
  return kibibytes * 1024;
}

std::string CpuName() {
  std::string name = FieldOf("/proc/cpuinfo", "model name");
  if (!name.empty()) return name;
  // ARM kernels give numbers only.
  utsname machine = {};
  return uname(&machine) == 0 ? machine.machine : "";
}

}  // namespace

std::string TimingPath(absl::string_view step_directory) {
  return absl::StrCat(step_directory, ".timing.textproto");
}

StepStopwatch::StepStopwatch()
    : start_(absl::Now()),
      cpu_seconds_(CpuSeconds()),
      has_peak_(ForgetPeak()) {}

StepTiming StepStopwatch::Read() const {
  StepTiming timing;
  timing.set_wall_seconds(absl::ToDoubleSeconds(absl::Now() - start_));
  timing.set_cpu_seconds(CpuSeconds() - cpu_seconds_);
  if (has_peak_) timing.set_peak_resident_bytes(PeakResidentBytes());
  const absl::StatusOr<int> num_threads = base::NumThreadsFromEnvironment();
  if (num_threads.ok()) timing.set_num_threads(*num_threads);
  if (kernels::SimdTargetFromEnvironment().ok()) {
    timing.set_simd_target(
        std::string(kernels::SimdTargetName(kernels::ActiveSimdTarget())));
  }
  timing.set_cpu(CpuName());
  return timing;
}

void AddPart(const StepTiming& part, StepTiming& total) {
  total.set_wall_seconds(total.wall_seconds() + part.wall_seconds());
  total.set_cpu_seconds(total.cpu_seconds() + part.cpu_seconds());
  total.set_peak_resident_bytes(
      std::max(total.peak_resident_bytes(), part.peak_resident_bytes()));
  total.set_num_parts(total.num_parts() + 1);
}

absl::Status WriteTiming(const StepTiming& timing, absl::string_view path) {
  return WriteTextProto(
      timing, "# What a step took, on the machine that ran it.\n", path);
}

std::optional<StepTiming> ReadTiming(absl::string_view path) {
  const absl::StatusOr<StepTiming> timing = ReadTextProto<StepTiming>(path);
  return timing.ok() ? std::optional<StepTiming>(*timing) : std::nullopt;
}

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
                           const std::string& directory,
                           base::Progress& progress, StepRecord& record) {
  StepLock& lock = *record.mutable_step();
  if (steps::IsCheckpoint(step.output())) {
    MOE_ASSIGN_OR_RETURN(const std::vector<FileDigest> files,
                         DigestDirectory(directory, progress));
    lock.mutable_files()->Add(files.begin(), files.end());
    if (step.output() == steps::OutputKind::kAlignedCheckpoint) {
      return CollectArtifact(
          absl::StrCat(steps::kAlignmentDirectory, "/scale_factors"), directory,
          record);
    }
    const std::string report = steps::CheckpointReportFile(step.output());
    if (report.empty()) return absl::OkStatus();
    MOE_ASSIGN_OR_RETURN(*record.add_reports(), DigestFile(directory, report));
    return absl::OkStatus();
  }
  if (step.output() == steps::OutputKind::kEvaluation) {
    const std::string name = steps::OutputFile(step.output());
    MOE_ASSIGN_OR_RETURN(*record.add_reports(), DigestFile(directory, name));
    MOE_ASSIGN_OR_RETURN(
        const std::vector<Metric> metrics,
        ReadEvaluationMetrics(absl::StrCat(directory, "/", name)));
    lock.mutable_metrics()->Add(metrics.begin(), metrics.end());
    return absl::OkStatus();
  }
  for (const absl::string_view artifact : steps::ArtifactsOf(step.output())) {
    MOE_RETURN_IF_ERROR(CollectArtifact(artifact, directory, record));
  }
  return absl::OkStatus();
}

// Makes what a step makes in the directory that it is given, which is new.
using MakeStep = std::function<absl::Status(const std::string& directory)>;

// Has it made beside `directory` and puts it in its place, without a record of
// the step, which is gone before.
absl::Status MakeInPlace(const std::string& directory,
                         const StepContext& context, const MakeStep& make) {
  MOE_RETURN_IF_ERROR(CheckStepTarget(directory, context.inputs.places()));
  MOE_ASSIGN_OR_RETURN(const std::string target,
                       base::FollowTargetLink(directory));
  base::FileSystem& file_system = base::PosixFileSystem();
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<base::StagingDirectory> staging,
                       base::StagingDirectory::Create(target, file_system));
  MOE_RETURN_IF_ERROR(make(staging->content()));
  MOE_RETURN_IF_ERROR(context.inputs.CheckUnchanged());
  MOE_RETURN_IF_ERROR(
      base::WriteManifest(file_system, staging->content(), kStepKind));
  MOE_RETURN_IF_ERROR(file_system.SyncDirectory(staging->content()));
  MOE_RETURN_IF_ERROR(RemoveTextProto<StepRecord>(RecordPath(directory)));
  return base::MoveIntoPlace(*staging, target, kStepKind, file_system);
}

// A request that is to write to a directory.
using RequestFor = std::function<absl::StatusOr<steps::StepRequest>(
    const std::string& directory)>;

absl::StatusOr<StepRecord> RunAndRecord(const PlannedStep& step,
                                        const RequestFor& request_for,
                                        const std::string& directory,
                                        const StepContext& context) {
  StepRecord record;
  record.set_numerics_contract(kernels::kNumericsContractVersion);
  MOE_ASSIGN_OR_RETURN(*record.mutable_step(),
                       DescribeStep(step, context.inputs));
  const MakeStep make = [&](const std::string& staged) -> absl::Status {
    MOE_ASSIGN_OR_RETURN(const steps::StepRequest request, request_for(staged));
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
  if (record.numerics_contract() != kernels::kNumericsContractVersion) {
    return absl::InvalidArgumentError(
        absl::StrCat(from, ": expected numerics contract ",
                     kernels::kNumericsContractVersion,
                     ", this program's, found ", record.numerics_contract()));
  }
  google::protobuf::util::MessageDifferencer differencer;
  std::string differences;
  differencer.ReportDifferencesToString(&differences);
  if (differencer.Compare(DescriptionIn(record), description)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      from, ": expected what step \"", description.name(),
      "\" makes, found another step; from found to expected:\n", differences));
}

absl::Status CopyMade(const FileDigest& file, absl::string_view from,
                      absl::string_view to) {
  const std::string source = absl::StrCat(from, "/", file.name());
  MOE_RETURN_IF_ERROR(
      base::CopyFileAtomically(source, absl::StrCat(to, "/", file.name())));
  MOE_ASSIGN_OR_RETURN(const FileDigest copied, DigestFile(to, file.name()));
  if (SameFile(copied, file)) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(source, ": expected what its step made, found other bytes"));
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
  return absl::InvalidArgumentError(
      absl::StrCat("step \"", step.name,
                   "\": expected a step that can be shared out, found ",
                   step.command(), ", which has no --shards"));
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
  const std::vector<std::string> arguments = steps::ArgumentsOf(step.request);
  lock.mutable_arguments()->Add(arguments.begin(), arguments.end());
  return lock;
}

absl::StatusOr<steps::StepRequest> RequestOf(const PlannedStep& step,
                                             absl::string_view directory,
                                             const StepContext& context) {
  steps::StepRequest request = step.request;
  for (const StepInput& input : step.inputs) {
    MOE_ASSIGN_OR_RETURN(request.paths[input.flag],
                         context.inputs.PathOf(input));
  }
  if (steps::Walks(*request.kind))
    request.memory_budget = context.memory_budget;
  steps::WriteTo(std::string(directory), request);
  return request;
}

std::optional<StepRecord> FindFinishedStep(const StepLock& description,
                                           absl::string_view directory,
                                           base::Progress& progress) {
  const std::string path = RecordPath(directory);
  if (!base::PathExists(path)) return std::nullopt;
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
  MOE_RETURN_IF_ERROR(base::CheckApart(directory, places.model));
  MOE_RETURN_IF_ERROR(base::CheckApart(directory, places.data));
  MOE_RETURN_IF_ERROR(CheckIsTextProto(StepRecord(), RecordPath(directory)));
  MOE_ASSIGN_OR_RETURN(const std::string target,
                       base::FollowTargetLink(directory));
  if (!base::PathExists(target)) return absl::OkStatus();
  return base::CheckReplaceable(target, kStepKind);
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
    MOE_ASSIGN_OR_RETURN(steps::StepRequest request,
                         RequestOf(step, staged, context));
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
      [&](const std::string& staged) -> absl::StatusOr<steps::StepRequest> {
    steps::StepRequest request = step.request;
    const auto num_shards = static_cast<int64_t>(parts.size());
    for (int64_t shard = 0; shard < num_shards; ++shard) {
      request.merge.push_back(checkpoint::PathOfPart(
          parts[shard], steps::OutputName(step.output()), num_shards, shard));
    }
    steps::WriteTo(staged, request);
    return request;
  };
  return RunAndRecord(step, request_for, std::string(directory), context);
}

}  // namespace moe::experiment
