// The contents of `.pt` files of artifacts, without LibTorch: a tree of
// numbers, tensors, lists and dicts. An object that the file refers to in many
// places is in memory once.
//
// The reader of the files (pt_pickle.h, pt_bridge.h) makes such a tree. Each
// artifact reads its own structure from it with a PtCursor, whose errors name
// the place as Python would write it: [3]["attn"]["mean"].

#ifndef MOE_CHECKPOINT_ARTIFACT_PT_VALUE_H_
#define MOE_CHECKPOINT_ARTIFACT_PT_VALUE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint {

struct PtValue;
struct PtEntry;

using PtKey = std::variant<int64_t, std::string>;
// A list, or tuple, of integers only; the empty list too.
using PtInts = std::vector<int64_t>;
// Any other list or tuple.
using PtList = std::vector<PtValue>;

// A constant value that many places may hold: a copy costs a pointer. Two are
// equal if their values are equal.
template <typename T>
class Shared {
 public:
  // Implicit, so that PtValue{PtInts{1, 2}} works.
  // NOLINTNEXTLINE(google-explicit-constructor)
  Shared(T value) : value_(std::make_shared<const T>(std::move(value))) {}

  const T& operator*() const { return *value_; }
  const T* operator->() const { return value_.get(); }

  friend bool operator==(const Shared& a, const Shared& b) {
    return a.value_ == b.value_ || *a == *b;
  }

 private:
  std::shared_ptr<const T> value_;
};

// In the order of insertion, each key once.
struct PtDict {
  std::vector<PtEntry> entries;

  // Appends. The key must be new.
  void Add(PtKey key, PtValue value);

  friend bool operator==(const PtDict& a, const PtDict& b);
};

struct PtValue {
  std::variant<int64_t, double, Shared<HostTensor>, Shared<PtInts>,
               Shared<PtList>, Shared<PtDict>>
      value;

  // What is held if it is a T (an int64_t, double, HostTensor, PtInts, PtList
  // or PtDict), nullptr otherwise. Valid as long as a copy of this value is.
  template <typename T>
  const T* As() const {
    if constexpr (std::is_arithmetic_v<T>) {
      return std::get_if<T>(&value);
    } else {
      const Shared<T>* shared = std::get_if<Shared<T>>(&value);
      return shared == nullptr ? nullptr : &**shared;
    }
  }

  friend bool operator==(const PtValue& a, const PtValue& b);
};

struct PtEntry {
  PtKey key;
  PtValue value;

  friend bool operator==(const PtEntry& a, const PtEntry& b);
};

// `[3]` or `["attn"]`.
std::string FormatPtKey(const PtKey& key);

// "an int", "a float", "a tensor", "a list of ints", "a list", "a dict".
absl::string_view PtTypeName(const PtValue& value);

// A value and its place in the tree. Refers to the tree and is valid as long as
// the tree.
// Every error is InvalidArgument and names the place, what was expected and
// what was found.
class PtCursor {
 public:
  explicit PtCursor(const PtValue& root) : value_(&root) {}

  const PtValue& value() const { return *value_; }
  // Empty for the root.
  const std::string& path() const { return path_; }

  absl::StatusOr<const HostTensor*> Tensor() const;
  // A list of ints, or a one-dimensional tensor of I64.
  absl::StatusOr<PtInts> Ints() const;
  absl::StatusOr<const PtDict*> Dict() const;
  // The items of a list that is not one of ints; nothing for the empty list.
  absl::StatusOr<std::vector<PtCursor>> Items() const;

  // Whether this is a dict with that key.
  bool Has(const PtKey& key) const;
  absl::StatusOr<PtCursor> At(const PtKey& key) const;
  // The values of a dict whose keys are exactly 0 .. n-1 in any order, in the
  // order of the keys; `what` says what they count ("layers"). At least one.
  absl::StatusOr<std::vector<PtCursor>> Numbered(absl::string_view what) const;
  // OK if this is a dict with no other keys than these.
  absl::Status OnlyKeys(const std::vector<PtKey>& known) const;

  // InvalidArgument at this place: "[3]: expected a tensor, found a list".
  absl::Status Error(absl::string_view message) const;

 private:
  PtCursor(const PtValue& value, std::string path)
      : value_(&value), path_(std::move(path)) {}

  absl::Status WrongType(absl::string_view want) const;

  const PtValue* value_;
  std::string path_;
};

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_ARTIFACT_PT_VALUE_H_
