#include "moe/evaluate/checkpoint_diff.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/escape_control.h"
#include "moe/base/file_system.h"
#include "moe/base/json.h"
#include "moe/base/options/options.h"
#include "moe/base/progress.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/tensor.h"
#include "moe/evaluate/diff_options.pb.h"
#include "moe/evaluate/element_diff.h"
#include "moe/evaluate/tensor_source.h"

namespace moe::evaluate {
namespace {

struct StatusNames {
  TensorStatus status;
  absl::string_view name;
  absl::string_view description;
};

constexpr StatusNames kStatuses[] = {
    {TensorStatus::kSame, "same", "same"},
    {TensorStatus::kClose, "close", "close (within the tolerance)"},
    {TensorStatus::kDiffers, "differs", "different"},
    {TensorStatus::kShapeDiffers, "shape", "of another shape"},
    {TensorStatus::kDtypeDiffers, "dtype", "of another dtype"},
    {TensorStatus::kOnlyInA, "only_in_a", "only in A"},
    {TensorStatus::kOnlyInB, "only_in_b", "only in B"},
};

const StatusNames& NamesOf(TensorStatus status) {
  return *std::find_if(
      std::begin(kStatuses), std::end(kStatuses),
      [&](const StatusNames& names) { return names.status == status; });
}

// A multiple of every element's size.
constexpr uint64_t kComparedBytes = uint64_t{1} << 20;
constexpr uint64_t kMaxConfigBytes = uint64_t{16} << 20;

// Positions of a tensor in A and B; nothing where it is missing.
struct Pair {
  std::optional<size_t> a;
  std::optional<size_t> b;
};

std::map<std::string, Pair, NaturalOrder> PairByName(const TensorSource& a,
                                                     const TensorSource& b) {
  std::map<std::string, Pair, NaturalOrder> pairs;
  for (size_t i = 0; i < a.tensors().size(); ++i) {
    pairs[a.tensors()[i].spec.name].a = i;
  }
  for (size_t i = 0; i < b.tensors().size(); ++i) {
    pairs[b.tensors()[i].spec.name].b = i;
  }
  return pairs;
}

// One of the pairs, as the comparison goes on.
struct Job {
  Pair positions;
  TensorDiff diff;
  absl::Status status;
};

TensorStatus CompareSpecs(const std::optional<checkpoint::TensorSpec>& a,
                          const std::optional<checkpoint::TensorSpec>& b) {
  if (!a.has_value()) return TensorStatus::kOnlyInB;
  if (!b.has_value()) return TensorStatus::kOnlyInA;
  if (a->shape != b->shape) return TensorStatus::kShapeDiffers;
  if (a->dtype != b->dtype) return TensorStatus::kDtypeDiffers;
  return TensorStatus::kSame;
}

std::vector<Job> MakeJobs(const TensorSource& a, const TensorSource& b) {
  std::vector<Job> jobs;
  for (const auto& [name, positions] : PairByName(a, b)) {
    Job job;
    job.positions = positions;
    job.diff.name = name;
    if (positions.a.has_value()) job.diff.a = a.tensors()[*positions.a].spec;
    if (positions.b.has_value()) job.diff.b = b.tensors()[*positions.b].spec;
    job.diff.status = CompareSpecs(job.diff.a, job.diff.b);
    jobs.push_back(std::move(job));
  }
  return jobs;
}

// Calls visit(piece of a, piece of b) front to back until it gives false.
template <typename Visit>
absl::Status VisitPieces(const TensorSource& a, const TensorSource& b,
                         const Job& job, Visit visit) {
  const uint64_t size_bytes =
      static_cast<uint64_t>(checkpoint::NumBytes(*job.diff.a));
  std::array<std::string, 2> pieces;
  for (uint64_t begin = 0; begin < size_bytes; begin += kComparedBytes) {
    const uint64_t piece_bytes = std::min(kComparedBytes, size_bytes - begin);
    for (std::string& piece : pieces) piece.resize(piece_bytes);
    MOE_RETURN_IF_ERROR(
        a.Read(*job.positions.a, begin, absl::MakeSpan(pieces[0])));
    MOE_RETURN_IF_ERROR(
        b.Read(*job.positions.b, begin, absl::MakeSpan(pieces[1])));
    if (!visit(pieces[0], pieces[1])) break;
  }
  return absl::OkStatus();
}

// Most tensors are the same, and seeing that costs only the reading.
absl::Status Compare(const TensorSource& a, const TensorSource& b,
                     const DiffOptions& options, Job& job) {
  bool same = true;
  MOE_RETURN_IF_ERROR(VisitPieces(
      a, b, job, [&](const std::string& a_piece, const std::string& b_piece) {
        same = a_piece == b_piece;
        return same;
      }));
  if (same) return absl::OkStatus();
  ElementDiff elements;
  MOE_RETURN_IF_ERROR(VisitPieces(
      a, b, job, [&](const std::string& a_piece, const std::string& b_piece) {
        AccumulateDiff(job.diff.a->dtype, a_piece, b_piece, options, elements);
        return true;
      }));
  job.diff.status =
      elements.num_failed == 0 ? TensorStatus::kClose : TensorStatus::kDiffers;
  job.diff.elements = elements;
  return absl::OkStatus();
}

// Adds the leaves of `value`: what is no object, and objects without fields.
void AddLeaves(const std::string& name, const base::Json& value,
               std::vector<std::pair<std::string, const base::Json*>>& leaves) {
  if (!value.is_object() || value.empty()) {
    leaves.emplace_back(name, &value);
    return;
  }
  for (auto field = value.begin(); field != value.end(); ++field) {
    AddLeaves(name.empty() ? field.key() : absl::StrCat(name, ".", field.key()),
              field.value(), leaves);
  }
}

struct OptionalConfig {
  std::string path;
  std::optional<base::Json> document;  // Nothing where there is no such file.
};

absl::StatusOr<OptionalConfig> ReadConfig(absl::string_view directory) {
  OptionalConfig config;
  config.path = absl::StrCat(directory, "/", checkpoint::kConfigFile);
  if (!base::PathExists(config.path)) return config;
  MOE_ASSIGN_OR_RETURN(const std::string text,
                       base::ReadFile(config.path, kMaxConfigBytes));
  absl::StatusOr<base::Json> document = base::ParseJsonObject(text);
  if (!document.ok()) return base::Annotate(document.status(), config.path);
  config.document = *std::move(document);
  return config;
}

absl::Status DiffConfigs(CheckpointDiff& diff) {
  MOE_ASSIGN_OR_RETURN(const OptionalConfig a, ReadConfig(diff.a_path));
  MOE_ASSIGN_OR_RETURN(const OptionalConfig b, ReadConfig(diff.b_path));
  if (!a.document.has_value() && !b.document.has_value()) {
    return absl::OkStatus();
  }
  diff.config_compared = true;
  const base::Json nothing = base::Json::object();
  diff.config =
      DiffJson(a.document.value_or(nothing), b.document.value_or(nothing));
  return absl::OkStatus();
}

}  // namespace

absl::string_view TensorStatusName(TensorStatus status) {
  return NamesOf(status).name;
}

int64_t CheckpointDiff::Count(TensorStatus status) const {
  return std::count_if(
      tensors.begin(), tensors.end(),
      [&](const TensorDiff& tensor) { return tensor.status == status; });
}

bool CheckpointDiff::Same() const {
  return config.empty() &&
         Count(TensorStatus::kSame) + Count(TensorStatus::kClose) ==
             static_cast<int64_t>(tensors.size());
}

absl::StatusOr<std::vector<TensorDiff>> DiffTensors(const TensorSource& a,
                                                    const TensorSource& b,
                                                    const DiffOptions& options,
                                                    base::ThreadPool& pool,
                                                    base::Progress& progress) {
  MOE_RETURN_IF_ERROR(base::CheckOptions(options));
  std::vector<Job> jobs = MakeJobs(a, b);
  int64_t total_bytes = 0;
  for (const Job& job : jobs) {
    if (job.diff.status == TensorStatus::kSame) {
      total_bytes += checkpoint::NumBytes(*job.diff.a);
    }
  }
  progress.Start("comparing", total_bytes, "bytes");
  pool.ParallelFor(0, static_cast<int64_t>(jobs.size()), 1,
                   [&](int64_t begin, int64_t end) {
                     for (int64_t i = begin; i < end; ++i) {
                       Job& job = jobs[static_cast<size_t>(i)];
                       if (job.diff.status != TensorStatus::kSame) continue;
                       job.status = Compare(a, b, options, job);
                       progress.Advance(checkpoint::NumBytes(*job.diff.a));
                     }
                   });
  std::vector<TensorDiff> diffs;
  for (Job& job : jobs) {
    MOE_RETURN_IF_ERROR(job.status);
    diffs.push_back(std::move(job.diff));
  }
  progress.Finish();
  return diffs;
}

std::vector<ConfigFieldDiff> DiffJson(const base::Json& a,
                                      const base::Json& b) {
  std::vector<std::pair<std::string, const base::Json*>> a_leaves;
  std::vector<std::pair<std::string, const base::Json*>> b_leaves;
  if (!a.empty()) AddLeaves("", a, a_leaves);
  if (!b.empty()) AddLeaves("", b, b_leaves);
  std::map<std::string, const base::Json*> in_a(a_leaves.begin(),
                                                a_leaves.end());
  std::map<std::string, const base::Json*> in_b(b_leaves.begin(),
                                                b_leaves.end());
  std::vector<ConfigFieldDiff> diffs;
  for (const auto& [field, value] : a_leaves) {
    const auto other = in_b.find(field);
    if (other == in_b.end()) {
      diffs.push_back({field, value->dump(), std::nullopt});
    } else if (*value != *other->second) {
      diffs.push_back({field, value->dump(), other->second->dump()});
    }
  }
  for (const auto& [field, value] : b_leaves) {
    if (in_a.count(field) == 0) {
      diffs.push_back({field, std::nullopt, value->dump()});
    }
  }
  return diffs;
}

absl::StatusOr<CheckpointDiff> DiffCheckpoints(absl::string_view a_path,
                                               absl::string_view b_path,
                                               const DiffOptions& options,
                                               base::ThreadPool& pool,
                                               base::Progress& progress) {
  MOE_RETURN_IF_ERROR(base::CheckOptions(options));
  CheckpointDiff diff;
  diff.a_path = std::string(a_path);
  diff.b_path = std::string(b_path);
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<TensorSource> a,
                       OpenTensorSource(a_path));
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<TensorSource> b,
                       OpenTensorSource(b_path));
  if (!options.ignore_config() && a->kind() == SourceKind::kDirectory &&
      b->kind() == SourceKind::kDirectory) {
    MOE_RETURN_IF_ERROR(DiffConfigs(diff));
  }
  MOE_ASSIGN_OR_RETURN(diff.tensors,
                       DiffTensors(*a, *b, options, pool, progress));
  return diff;
}

namespace {

// The index of the element at a position that counts row by row.
checkpoint::Shape IndexOf(int64_t position, absl::Span<const int64_t> shape) {
  checkpoint::Shape index(shape.size());
  for (size_t d = shape.size(); d-- > 0;) {
    index[d] = position % shape[d];
    position /= shape[d];
  }
  return index;
}

// The distances that bucket `i` counts.
std::pair<uint64_t, uint64_t> BucketRange(size_t i) {
  if (i == 0) return {0, 0};
  const uint64_t first = uint64_t{1} << (i - 1);
  return {first, first + (first - 1)};
}

std::string FormatHistogram(const UlpHistogram& histogram) {
  std::string text;
  for (size_t i = 0; i < histogram.size(); ++i) {
    if (histogram[i] == 0) continue;
    const auto [first, last] = BucketRange(i);
    absl::StrAppend(&text, text.empty() ? "" : ",  ", first);
    if (last != first) absl::StrAppend(&text, "-", last);
    absl::StrAppend(&text, ": ", histogram[i]);
  }
  return text;
}

std::string FormatElements(const ElementDiff& elements,
                           const checkpoint::TensorSpec& spec) {
  std::string text = absl::StrCat("      ", elements.num_different, " of ",
                                  elements.num_elements, " elements");
  if (elements.num_failed != elements.num_different) {
    absl::StrAppend(&text, ", ", elements.num_failed,
                    " of them outside the tolerance");
  }
  absl::StrAppend(
      &text, "; first at ",
      checkpoint::FormatShape(IndexOf(elements.first_different, spec.shape)),
      "\n");
  if (elements.num_not_finite > 0) {
    absl::StrAppend(&text, "      ", elements.num_not_finite,
                    " of them NaN or infinite in A or B\n");
  }
  if (elements.max_abs_diff_at < 0) return text;
  absl::StrAppendFormat(
      &text,
      "      largest |a-b| %.6g at %s (a %.9g, b %.9g); |A-B|/|A| %.6g\n",
      elements.max_abs_diff,
      checkpoint::FormatShape(IndexOf(elements.max_abs_diff_at, spec.shape)),
      elements.a_at_max, elements.b_at_max, elements.RelativeNorm());
  absl::StrAppend(&text, "      ULP distance: count  ",
                  FormatHistogram(elements.ulp_histogram), "\n");
  return text;
}

std::string FormatTensor(const TensorDiff& tensor) {
  std::string text =
      absl::StrFormat("  %-9s  %s  ", TensorStatusName(tensor.status),
                      base::EscapeControl(tensor.name));
  if (tensor.elements.has_value()) {
    return absl::StrCat(text, checkpoint::FormatSpec(*tensor.a), "\n",
                        FormatElements(*tensor.elements, *tensor.a));
  }
  if (tensor.a.has_value() && tensor.b.has_value()) {
    return absl::StrCat(text, "A ", checkpoint::FormatSpec(*tensor.a), ", B ",
                        checkpoint::FormatSpec(*tensor.b), "\n");
  }
  return absl::StrCat(
      text,
      checkpoint::FormatSpec(tensor.a.has_value() ? *tensor.a : *tensor.b),
      "\n");
}

std::string FormatConfig(const CheckpointDiff& diff) {
  if (!diff.config_compared) return "";
  if (diff.config.empty()) return "config.json: same\n";
  std::string text = absl::StrCat(
      "config.json: ", diff.config.size(),
      diff.config.size() == 1 ? " field differs\n" : " fields differ\n");
  for (const ConfigFieldDiff& field : diff.config) {
    absl::StrAppend(
        &text, "  ", base::EscapeControl(field.field), ": A ",
        base::EscapeControl(field.a.value_or("has no such field")), ", B ",
        base::EscapeControl(field.b.value_or("has no such field")), "\n");
  }
  return text;
}

std::string FormatCounts(const CheckpointDiff& diff) {
  std::string text = absl::StrCat("tensors: ", diff.tensors.size());
  absl::string_view separator = "; ";
  for (const StatusNames& names : kStatuses) {
    const int64_t count = diff.Count(names.status);
    if (count == 0) continue;
    absl::StrAppend(&text, separator, count, " ", names.description);
    separator = ", ";
  }
  const bool nothing_shared =
      diff.Count(TensorStatus::kOnlyInB) > 0 &&
      diff.Count(TensorStatus::kOnlyInB) + diff.Count(TensorStatus::kOnlyInA) ==
          static_cast<int64_t>(diff.tensors.size());
  return absl::StrCat(
      text, "\n", nothing_shared ? "  A and B have no name in common\n" : "");
}

std::string FormatTensors(const CheckpointDiff& diff, int64_t max_listed) {
  std::string text;
  int64_t num_found = 0;
  for (const TensorDiff& tensor : diff.tensors) {
    if (tensor.status == TensorStatus::kSame) continue;
    ++num_found;
    if (max_listed == 0 || num_found <= max_listed) {
      text += FormatTensor(tensor);
    }
  }
  if (max_listed > 0 && num_found > max_listed) {
    absl::StrAppend(&text, "  and ", num_found - max_listed,
                    " more; --max_listed=0 lists them all\n");
  }
  return text;
}

absl::string_view Verdict(const CheckpointDiff& diff) {
  if (!diff.Same()) return "A and B differ\n";
  return diff.Count(TensorStatus::kClose) == 0
             ? "A and B are the same\n"
             : "A and B are the same within the tolerance\n";
}

base::Json SpecToJson(const std::optional<checkpoint::TensorSpec>& spec) {
  if (!spec.has_value()) return nullptr;
  return {{"dtype", checkpoint::DtypeName(spec->dtype)},
          {"shape", spec->shape}};
}

base::Json HistogramToJson(const UlpHistogram& histogram) {
  base::Json buckets = base::Json::array();
  for (size_t i = 0; i < histogram.size(); ++i) {
    if (histogram[i] == 0) continue;
    const auto [first, last] = BucketRange(i);
    buckets.push_back(
        {{"first", first}, {"last", last}, {"count", histogram[i]}});
  }
  return buckets;
}

void AddElements(const ElementDiff& elements,
                 const checkpoint::TensorSpec& spec, base::Json& json) {
  json["num_elements"] = elements.num_elements;
  json["num_different"] = elements.num_different;
  json["num_failed"] = elements.num_failed;
  json["first_different"] = IndexOf(elements.first_different, spec.shape);
  if (!IsComparedAsNumber(spec.dtype)) return;
  json["num_not_finite"] = elements.num_not_finite;
  if (elements.max_abs_diff_at < 0) return;
  json["max_abs_diff"] = elements.max_abs_diff;
  json["max_abs_diff_at"] = IndexOf(elements.max_abs_diff_at, spec.shape);
  json["a_at_max"] = elements.a_at_max;
  json["b_at_max"] = elements.b_at_max;
  json["relative_norm"] = elements.RelativeNorm();
  json["max_ulp"] = elements.max_ulp;
  json["ulp_histogram"] = HistogramToJson(elements.ulp_histogram);
}

base::Json TensorToJson(const TensorDiff& tensor) {
  base::Json json = {{"name", tensor.name},
                     {"status", TensorStatusName(tensor.status)},
                     {"a", SpecToJson(tensor.a)},
                     {"b", SpecToJson(tensor.b)}};
  if (tensor.elements.has_value()) {
    AddElements(*tensor.elements, *tensor.a, json);
  }
  return json;
}

}  // namespace

std::string FormatDiff(const CheckpointDiff& diff, int64_t max_listed) {
  return absl::StrCat("A: ", base::EscapeControl(diff.a_path),
                      "\nB: ", base::EscapeControl(diff.b_path), "\n",
                      FormatConfig(diff), FormatCounts(diff),
                      FormatTensors(diff, max_listed), Verdict(diff));
}

base::Json DiffToJson(const CheckpointDiff& diff) {
  base::Json json = {
      {"a", diff.a_path}, {"b", diff.b_path}, {"same", diff.Same()}};
  base::Json& counts = json["counts"] = base::Json::object();
  for (const StatusNames& names : kStatuses) {
    counts[std::string(names.name)] = diff.Count(names.status);
  }
  json["config_compared"] = diff.config_compared;
  base::Json& config = json["config"] = base::Json::array();
  for (const ConfigFieldDiff& field : diff.config) {
    base::Json entry = base::Json::object();
    entry["field"] = field.field;
    if (field.a.has_value()) entry["a"] = base::Json::parse(*field.a);
    if (field.b.has_value()) entry["b"] = base::Json::parse(*field.b);
    config.push_back(std::move(entry));
  }
  base::Json& tensors = json["tensors"] = base::Json::array();
  for (const TensorDiff& tensor : diff.tensors) {
    tensors.push_back(TensorToJson(tensor));
  }
  return json;
}

}  // namespace moe::evaluate
