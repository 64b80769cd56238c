#include "moe/experiment/report/lock_section.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/json.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/experiment/experiment_inputs.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_result.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/lock_report.h"
#include "moe/experiment/step_runner.h"
#include "moe/experiment/step_timing.pb.h"
#include "moe/experiment/text_proto.h"

namespace moe::experiment {
namespace {

const char* StatusOf(const LockVerdict& verdict) {
  if (verdict.lock_is_empty) return "empty";
  if (!verdict.check.has_value()) return "none";
  return verdict.check->Same() ? "verified" : "differs";
}

void AddDifferences(const std::vector<LockDifference>& differences,
                    absl::string_view where, base::Json& list) {
  for (const LockDifference& difference : differences) {
    list.push_back({{"what", absl::StrCat(where, difference.what)},
                    {"pinned", difference.pinned},
                    {"found", difference.found}});
  }
}

base::Json DifferencesToJson(const LockCheck& check) {
  base::Json list = base::Json::array();
  AddDifferences(check.inputs, "", list);
  for (const StepCheck& step : check.steps) {
    const std::string where = absl::StrCat(step.name, ": ");
    AddDifferences(step.origins, where, list);
    if (step.read_other_bytes) {
      AddDifferences({{"what it read", "these bytes", "other bytes"}}, where,
                     list);
    }
    AddDifferences(step.differences, where, list);
  }
  for (const std::string& name : check.missing_steps) {
    AddDifferences({{name, "made", "nothing"}}, "", list);
  }
  return list;
}

template <typename Files>
base::Json FilesToJson(const Files& files) {
  base::Json list = base::Json::array();
  for (const FileDigest& file : files) {
    list.push_back({{"name", file.name()},
                    {"bytes", file.bytes()},
                    {"sha256", file.sha256()}});
  }
  return list;
}

// The digest of what steps read from `name` as a whole, or null.
base::Json DigestRead(const ExperimentLock& found, const std::string& name) {
  for (const StepLock& step : found.steps()) {
    for (const StepInputDigest& input : step.inputs()) {
      if (input.from() == name) return input.sha256();
    }
  }
  return nullptr;
}

template <typename Files>
base::Json InputToJson(const std::string& name, const Files& files,
                       base::Json digest) {
  if (!files.empty()) {
    digest = DigestOfFiles(std::vector<FileDigest>(files.begin(), files.end()));
  }
  return {{"name", name}, {"sha256", digest}, {"files", FilesToJson(files)}};
}

base::Json TimingToJson(const std::optional<StepTiming>& timing) {
  if (!timing.has_value()) return nullptr;
  return {{"wall_seconds", timing->wall_seconds()},
          {"cpu_seconds", timing->cpu_seconds()},
          {"peak_resident_bytes", timing->peak_resident_bytes()},
          {"num_threads", timing->num_threads()},
          {"simd_target", timing->simd_target()},
          {"cpu", timing->cpu()},
          {"num_parts", timing->num_parts()},
          {"taken", timing->taken()}};
}

base::Json StepToJson(const StepLock& step, absl::string_view status,
                      absl::string_view results) {
  base::Json json = {{"name", step.name()},
                     {"command", step.command()},
                     {"status", status},
                     {"arguments", base::Json::array()},
                     {"inputs", base::Json::array()}};
  for (const std::string& argument : step.arguments()) {
    json["arguments"].push_back(argument);
  }
  for (const StepInputDigest& input : step.inputs()) {
    json["inputs"].push_back({{"flag", input.flag()},
                              {"from", input.from()},
                              {"sha256", input.sha256()}});
  }
  json["files"] = FilesToJson(step.files());
  const std::string directory = absl::StrCat(results, "/", step.name());
  const absl::StatusOr<StepRecord> record =
      ReadTextProto<StepRecord>(RecordPath(directory));
  json["reports"] = record.ok() ? FilesToJson(record->reports())
                                : base::Json(base::Json::array());
  json["timing"] = TimingToJson(ReadTiming(TimingPath(directory)));
  return json;
}

}  // namespace

base::Json LockToJson(const LockVerdict& verdict) {
  base::Json json = {{"status", StatusOf(verdict)},
                     {"first_diverged", nullptr},
                     {"likely_causes", base::Json::array()},
                     {"differences", base::Json::array()}};
  if (!verdict.check.has_value()) return json;
  const std::string first = verdict.check->FirstDiverged();
  if (!first.empty()) json["first_diverged"] = first;
  for (const std::string& cause : verdict.check->LikelyCauses()) {
    json["likely_causes"].push_back(cause);
  }
  json["differences"] = DifferencesToJson(*verdict.check);
  return json;
}

base::Json InputsToJson(const ExperimentSpec& spec,
                        const ExperimentLock& found) {
  base::Json inputs = base::Json::object();
  inputs["spec"] = {{"name", spec.name()}, {"sha256", found.spec_sha256()}};
  inputs["model"] =
      InputToJson(spec.model(), found.model(), DigestRead(found, spec.model()));
  inputs["data"] = InputToJson(spec.data(), found.data(), nullptr);
  return inputs;
}

base::Json StepsToJson(const LockVerdict& verdict, const ExperimentLock& found,
                       absl::string_view results) {
  base::Json steps = base::Json::array();
  for (const StepLock& step : found.steps()) {
    steps.push_back(
        StepToJson(step, StepStatus(verdict, step.name()), results));
  }
  return steps;
}

namespace {

// Whether every step that read `name`, and one did, read these files.
bool StepsRead(const ExperimentLock& lock, const std::string& name,
               const std::vector<FileDigest>& files) {
  const std::string digest = DigestOfFiles(files);
  bool is_read = false;
  for (const StepLock& step : lock.steps()) {
    for (const StepInputDigest& input : step.inputs()) {
      if (input.from() != name) continue;
      if (input.sha256() != digest) return false;
      is_read = true;
    }
  }
  return is_read;
}

bool HasModel(const ExperimentSpec& spec, const ExperimentLock& lock,
              const ExperimentLock& known) {
  return StepsRead(lock, spec.model(),
                   {known.model().begin(), known.model().end()});
}

// A dataset reads one file, or all of them.
bool HasData(const ExperimentSpec& spec, const ExperimentLock& lock,
             const ExperimentLock& known) {
  return std::all_of(
      spec.datasets().begin(), spec.datasets().end(),
      [&](const ExperimentDataset& dataset) {
        std::vector<FileDigest> files;
        for (const FileDigest& file : known.data()) {
          if (dataset.file().empty() || dataset.file() == file.name()) {
            files.push_back(file);
          }
        }
        return StepsRead(lock, dataset.name(), files);
      });
}

}  // namespace

absl::StatusOr<ExperimentLock> RecordedLock(
    const ExperimentSpec& spec, absl::string_view directory,
    absl::Span<const ExperimentLock> known, base::Progress& progress) {
  MOE_ASSIGN_OR_RETURN(ExperimentLock lock,
                       LockOfSteps(spec, directory, progress));
  for (const ExperimentLock& other : known) {
    if (lock.model().empty() && HasModel(spec, lock, other)) {
      *lock.mutable_model() = other.model();
    }
    if (lock.data().empty() && HasData(spec, lock, other)) {
      *lock.mutable_data() = other.data();
    }
  }
  return lock;
}

}  // namespace moe::experiment
