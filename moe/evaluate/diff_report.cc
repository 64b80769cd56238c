#include "moe/evaluate/diff_report.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/escape_control.h"
#include "moe/base/json.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/tensor.h"
#include "moe/evaluate/checkpoint_diff.h"
#include "moe/evaluate/element_diff.h"

namespace moe {
namespace {

constexpr std::array<TensorStatus, 7> kStatuses = {
    TensorStatus::kSame,         TensorStatus::kClose,
    TensorStatus::kDiffers,      TensorStatus::kShapeDiffers,
    TensorStatus::kDtypeDiffers, TensorStatus::kOnlyInA,
    TensorStatus::kOnlyInB,
};

absl::string_view Describe(TensorStatus status) {
  switch (status) {
    case TensorStatus::kSame:
      return "same";
    case TensorStatus::kClose:
      return "close (within the tolerance)";
    case TensorStatus::kDiffers:
      return "different";
    case TensorStatus::kShapeDiffers:
      return "of another shape";
    case TensorStatus::kDtypeDiffers:
      return "of another dtype";
    case TensorStatus::kOnlyInA:
      return "only in A";
    case TensorStatus::kOnlyInB:
      return "only in B";
  }
  return "";
}

// The index of the element at a position that counts row by row.
Shape IndexOf(int64_t position, absl::Span<const int64_t> shape) {
  Shape index(shape.size());
  for (size_t d = shape.size(); d-- > 0;) {
    index[d] = position % shape[d];
    position /= shape[d];
  }
  return index;
}

std::string FormatSpec(const TensorSpec& spec) {
  return absl::StrCat(DtypeName(spec.dtype), " ", FormatShape(spec.shape));
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
                           const TensorSpec& spec) {
  std::string text = absl::StrCat("      ", elements.num_different, " of ",
                                  elements.num_elements, " elements");
  if (elements.num_failed != elements.num_different) {
    absl::StrAppend(&text, ", ", elements.num_failed,
                    " of them outside the tolerance");
  }
  absl::StrAppend(&text, "; first at ",
                  FormatShape(IndexOf(elements.first_different, spec.shape)),
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
      FormatShape(IndexOf(elements.max_abs_diff_at, spec.shape)),
      elements.a_at_max, elements.b_at_max, elements.RelativeNorm());
  absl::StrAppend(&text, "      ULP distance: count  ",
                  FormatHistogram(elements.ulp_histogram), "\n");
  return text;
}

std::string FormatTensor(const TensorDiff& tensor) {
  std::string text =
      absl::StrFormat("  %-9s  %s  ", TensorStatusName(tensor.status),
                      EscapeControl(tensor.name));
  if (tensor.elements.has_value()) {
    return absl::StrCat(text, FormatSpec(*tensor.a), "\n",
                        FormatElements(*tensor.elements, *tensor.a));
  }
  if (tensor.a.has_value() && tensor.b.has_value()) {
    return absl::StrCat(text, "A ", FormatSpec(*tensor.a), ", B ",
                        FormatSpec(*tensor.b), "\n");
  }
  return absl::StrCat(
      text, FormatSpec(tensor.a.has_value() ? *tensor.a : *tensor.b), "\n");
}

std::string FormatConfig(const CheckpointDiff& diff) {
  if (!diff.config_compared) return "";
  if (diff.config.empty()) return "config.json: same\n";
  std::string text = absl::StrCat(
      "config.json: ", diff.config.size(),
      diff.config.size() == 1 ? " field differs\n" : " fields differ\n");
  for (const ConfigFieldDiff& field : diff.config) {
    absl::StrAppend(&text, "  ", EscapeControl(field.field), ": A ",
                    EscapeControl(field.a.value_or("has no such field")),
                    ", B ",
                    EscapeControl(field.b.value_or("has no such field")), "\n");
  }
  return text;
}

std::string FormatCounts(const CheckpointDiff& diff) {
  std::string text = absl::StrCat("tensors: ", diff.tensors.size());
  absl::string_view separator = "; ";
  for (const TensorStatus status : kStatuses) {
    const int64_t count = diff.Count(status);
    if (count == 0) continue;
    absl::StrAppend(&text, separator, count, " ", Describe(status));
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

Json SpecToJson(const std::optional<TensorSpec>& spec) {
  if (!spec.has_value()) return nullptr;
  Json json = Json::object();
  json["dtype"] = std::string(DtypeName(spec->dtype));
  json["shape"] = spec->shape;
  return json;
}

Json HistogramToJson(const UlpHistogram& histogram) {
  Json buckets = Json::array();
  for (size_t i = 0; i < histogram.size(); ++i) {
    if (histogram[i] == 0) continue;
    const auto [first, last] = BucketRange(i);
    Json bucket = Json::object();
    bucket["first"] = first;
    bucket["last"] = last;
    bucket["count"] = histogram[i];
    buckets.push_back(std::move(bucket));
  }
  return buckets;
}

void AddElements(const ElementDiff& elements, const TensorSpec& spec,
                 Json& json) {
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

Json TensorToJson(const TensorDiff& tensor) {
  Json json = Json::object();
  json["name"] = tensor.name;
  json["status"] = std::string(TensorStatusName(tensor.status));
  json["a"] = SpecToJson(tensor.a);
  json["b"] = SpecToJson(tensor.b);
  if (tensor.elements.has_value()) {
    AddElements(*tensor.elements, *tensor.a, json);
  }
  return json;
}

}  // namespace

std::string FormatDiff(const CheckpointDiff& diff, int64_t max_listed) {
  return absl::StrCat("A: ", EscapeControl(diff.a_path),
                      "\nB: ", EscapeControl(diff.b_path), "\n",
                      FormatConfig(diff), FormatCounts(diff),
                      FormatTensors(diff, max_listed), Verdict(diff));
}

Json DiffToJson(const CheckpointDiff& diff) {
  Json json = Json::object();
  json["a"] = diff.a_path;
  json["b"] = diff.b_path;
  json["same"] = diff.Same();
  Json& counts = json["counts"] = Json::object();
  for (const TensorStatus status : kStatuses) {
    counts[std::string(TensorStatusName(status))] = diff.Count(status);
  }
  json["config_compared"] = diff.config_compared;
  Json& config = json["config"] = Json::array();
  for (const ConfigFieldDiff& field : diff.config) {
    Json entry = Json::object();
    entry["field"] = field.field;
    if (field.a.has_value()) entry["a"] = Json::parse(*field.a);
    if (field.b.has_value()) entry["b"] = Json::parse(*field.b);
    config.push_back(std::move(entry));
  }
  Json& tensors = json["tensors"] = Json::array();
  for (const TensorDiff& tensor : diff.tensors) {
    tensors.push_back(TensorToJson(tensor));
  }
  return json;
}

}  // namespace moe
