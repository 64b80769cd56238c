#include "moe/checkpoint/artifact/pt_value.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint {
namespace {

const PtValue* Find(const PtValue& value, const PtKey& key) {
  const PtDict* dict = value.As<PtDict>();
  if (dict == nullptr) return nullptr;
  for (const PtEntry& entry : dict->entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

}  // namespace

bool operator==(const PtValue& a, const PtValue& b) {
  return a.value == b.value;
}

bool operator==(const PtDict& a, const PtDict& b) {
  return a.entries == b.entries;
}

bool operator==(const PtEntry& a, const PtEntry& b) {
  return a.key == b.key && a.value == b.value;
}

void PtDict::Add(PtKey key, PtValue value) {
  entries.push_back({std::move(key), std::move(value)});
}

std::string FormatPtKey(const PtKey& key) {
  if (const int64_t* number = std::get_if<int64_t>(&key)) {
    return absl::StrCat("[", *number, "]");
  }
  return absl::StrCat("[\"", std::get<std::string>(key), "\"]");
}

absl::string_view PtTypeName(const PtValue& value) {
  constexpr std::array<absl::string_view, 6> kNames = {
      "an int", "a float", "a tensor", "a list of ints", "a list", "a dict"};
  return kNames[value.value.index()];
}

absl::Status PtCursor::Error(absl::string_view message) const {
  return absl::InvalidArgumentError(
      absl::StrCat(path_.empty() ? "the top level" : path_, ": ", message));
}

absl::Status PtCursor::WrongType(absl::string_view want) const {
  return Error(
      absl::StrCat("expected ", want, ", found ", PtTypeName(*value_)));
}

absl::StatusOr<const HostTensor*> PtCursor::Tensor() const {
  const HostTensor* tensor = value_->As<HostTensor>();
  if (tensor == nullptr) return WrongType("a tensor");
  return tensor;
}

absl::StatusOr<PtInts> PtCursor::Ints() const {
  if (const PtInts* ints = value_->As<PtInts>()) return *ints;
  const HostTensor* tensor = value_->As<HostTensor>();
  if (tensor == nullptr) return WrongType("a list of ints");
  if (tensor->dtype != Dtype::kI64 || tensor->shape.size() != 1) {
    return Error(absl::StrCat(
        "expected a list of ints or a one-dimensional tensor of I64, found a "
        "tensor ",
        DtypeName(tensor->dtype), " ", FormatShape(tensor->shape)));
  }
  PtInts ints(static_cast<size_t>(tensor->shape[0]));
  if (!ints.empty()) {
    std::memcpy(ints.data(), tensor->bytes.data(), tensor->bytes.size());
  }
  return ints;
}

absl::StatusOr<const PtDict*> PtCursor::Dict() const {
  const PtDict* dict = value_->As<PtDict>();
  if (dict == nullptr) return WrongType("a dict");
  return dict;
}

absl::StatusOr<std::vector<PtCursor>> PtCursor::Items() const {
  std::vector<PtCursor> items;
  if (const PtInts* ints = value_->As<PtInts>()) {
    if (!ints->empty()) return WrongType("a list of lists or tensors");
    return items;
  }
  const PtList* list = value_->As<PtList>();
  if (list == nullptr) return WrongType("a list");
  for (size_t i = 0; i < list->size(); ++i) {
    items.push_back(PtCursor((*list)[i], absl::StrCat(path_, "[", i, "]")));
  }
  return items;
}

bool PtCursor::Has(const PtKey& key) const {
  return Find(*value_, key) != nullptr;
}

absl::StatusOr<PtCursor> PtCursor::At(const PtKey& key) const {
  MOE_RETURN_IF_ERROR(Dict().status());
  const PtValue* found = Find(*value_, key);
  if (found == nullptr) {
    return Error(
        absl::StrCat("expected the key ", FormatPtKey(key), ", found none"));
  }
  return PtCursor(*found, path_ + FormatPtKey(key));
}

absl::StatusOr<std::vector<PtCursor>> PtCursor::Numbered(
    absl::string_view what) const {
  MOE_ASSIGN_OR_RETURN(const PtDict* dict, Dict());
  const size_t size = dict->entries.size();
  if (size == 0)
    return Error(absl::StrCat("expected ", what, ", found an empty dict"));
  std::vector<const PtValue*> values(size);
  for (const PtEntry& entry : dict->entries) {
    const int64_t* number = std::get_if<int64_t>(&entry.key);
    if (number == nullptr || *number < 0 ||
        *number >= static_cast<int64_t>(size)) {
      return Error(absl::StrCat("expected the keys 0 to ", size - 1, " for ",
                                size, " ", what, ", found ",
                                FormatPtKey(entry.key)));
    }
    values[static_cast<size_t>(*number)] = &entry.value;
  }
  std::vector<PtCursor> cursors;
  for (size_t i = 0; i < size; ++i) {
    cursors.push_back(PtCursor(*values[i], absl::StrCat(path_, "[", i, "]")));
  }
  return cursors;
}

absl::Status PtCursor::OnlyKeys(const std::vector<PtKey>& known) const {
  MOE_ASSIGN_OR_RETURN(const PtDict* dict, Dict());
  for (const PtEntry& entry : dict->entries) {
    if (std::find(known.begin(), known.end(), entry.key) != known.end()) {
      continue;
    }
    std::string names;
    for (const PtKey& key : known) absl::StrAppend(&names, FormatPtKey(key));
    return Error(absl::StrCat("expected only the keys ", names, ", found ",
                              FormatPtKey(entry.key)));
  }
  return absl::OkStatus();
}

}  // namespace moe::checkpoint
