#include "moe/experiment/report/lock_section.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/experiment/experiment_inputs.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_result.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/file_digest.h"
#include "moe/experiment/lock_report.h"
#include "moe/experiment/step_timing.h"
#include "moe/experiment/step_timing.pb.h"
#include "moe/experiment/text_proto.h"

namespace moe {
namespace {

const char* StatusOf(const LockVerdict& verdict) {
  if (verdict.lock_is_empty) return "empty";
  if (!verdict.check.has_value()) return "none";
  return verdict.check->Same() ? "verified" : "differs";
}

void AddDifferences(const std::vector<LockDifference>& differences,
                    absl::string_view where, Json& list) {
  for (const LockDifference& difference : differences) {
    Json entry = Json::object();
    entry["what"] = absl::StrCat(where, difference.what);
    entry["pinned"] = difference.pinned;
    entry["found"] = difference.found;
    list.push_back(entry);
  }
}

Json DifferencesToJson(const LockCheck& check) {
  Json list = Json::array();
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
Json FilesToJson(const Files& files) {
  Json list = Json::array();
  for (const FileDigest& file : files) {
    Json entry = Json::object();
    entry["name"] = file.name();
    entry["bytes"] = file.bytes();
    entry["sha256"] = file.sha256();
    list.push_back(entry);
  }
  return list;
}

// What steps read from `name` as a whole, or null.
Json DigestRead(const ExperimentLock& found, const std::string& name) {
  for (const StepLock& step : found.steps()) {
    for (const StepInputDigest& input : step.inputs()) {
      if (input.from() == name) return input.sha256();
    }
  }
  return nullptr;
}

template <typename Files>
Json InputToJson(const std::string& name, const Files& files, Json digest) {
  Json input = Json::object();
  input["name"] = name;
  input["sha256"] = files.empty() ? std::move(digest)
                                  : Json(DigestOfFiles(std::vector<FileDigest>(
                                        files.begin(), files.end())));
  input["files"] = FilesToJson(files);
  return input;
}

Json TimingToJson(const std::optional<StepTiming>& timing) {
  if (!timing.has_value()) return nullptr;
  Json json = Json::object();
  json["wall_seconds"] = timing->wall_seconds();
  json["cpu_seconds"] = timing->cpu_seconds();
  json["peak_resident_bytes"] = timing->peak_resident_bytes();
  json["num_threads"] = timing->num_threads();
  json["simd_target"] = timing->simd_target();
  json["cpu"] = timing->cpu();
  json["num_parts"] = timing->num_parts();
  json["taken"] = timing->taken();
  return json;
}

Json StepToJson(const StepLock& step, absl::string_view results) {
  Json json = Json::object();
  json["arguments"] = Json::array();
  for (const std::string& argument : step.arguments()) {
    json["arguments"].push_back(argument);
  }
  json["inputs"] = Json::array();
  for (const StepInputDigest& input : step.inputs()) {
    Json entry = Json::object();
    entry["flag"] = input.flag();
    entry["from"] = input.from();
    entry["sha256"] = input.sha256();
    json["inputs"].push_back(entry);
  }
  json["files"] = FilesToJson(step.files());
  const std::string directory = absl::StrCat(results, "/", step.name());
  const absl::StatusOr<StepRecord> record =
      ReadTextProto<StepRecord>(RecordPath(directory));
  json["reports"] =
      record.ok() ? FilesToJson(record->reports()) : Json(Json::array());
  json["timing"] = TimingToJson(ReadTiming(TimingPath(directory)));
  return json;
}

}  // namespace

Json LockToJson(const LockVerdict& verdict) {
  Json json = Json::object();
  json["status"] = StatusOf(verdict);
  json["first_diverged"] = nullptr;
  json["likely_causes"] = Json::array();
  json["differences"] = Json::array();
  if (!verdict.check.has_value()) return json;
  const std::string first = verdict.check->FirstDiverged();
  if (!first.empty()) json["first_diverged"] = first;
  for (const std::string& cause : verdict.check->LikelyCauses()) {
    json["likely_causes"].push_back(cause);
  }
  json["differences"] = DifferencesToJson(*verdict.check);
  return json;
}

Json InputsToJson(const ExperimentSpec& spec, const ExperimentLock& found) {
  Json inputs = Json::object();
  inputs["spec"] = {{"name", spec.name()}, {"sha256", found.spec_sha256()}};
  inputs["model"] =
      InputToJson(spec.model(), found.model(), DigestRead(found, spec.model()));
  inputs["data"] = InputToJson(spec.data(), found.data(), nullptr);
  return inputs;
}

Json StepsToJson(const LockVerdict& verdict, const ExperimentLock& found,
                 absl::string_view results) {
  Json steps = Json::array();
  for (const StepLock& step : found.steps()) {
    Json json = Json::object();
    json["name"] = step.name();
    json["command"] = step.command();
    json["status"] = std::string(StepStatus(verdict, step.name()));
    json.update(StepToJson(step, results));
    steps.push_back(json);
  }
  return steps;
}

}  // namespace moe
