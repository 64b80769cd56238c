#include "moe/checkpoint/artifact/pt_pickle.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/pickle_machine.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/tensor.h"

namespace moe {
namespace {

using internal::NodeKind;
using internal::PickleArena;
using internal::PickleNode;
using internal::PickleStorage;
using internal::PickleTensor;

// The view's elements in row-major order. It must lie within `bytes`.
std::string Gather(const PickleTensor& view, int64_t num_elements,
                   size_t element_size, absl::string_view bytes) {
  std::string out;
  out.reserve(static_cast<size_t>(num_elements) * element_size);
  const size_t rank = view.sizes.size();
  Shape index(rank, 0);
  int64_t position = view.offset;
  for (int64_t i = 0; i < num_elements; ++i) {
    out.append(
        bytes.substr(static_cast<size_t>(position) * element_size, element_size)
            .data(),
        element_size);
    // The next index: the last dimension runs fastest. A stride is added only
    // where it leads to an element: that of a dimension of 1 may be anything.
    for (size_t d = rank; d-- > 0;) {
      if (index[d] + 1 < view.sizes[d]) {
        ++index[d];
        position += view.strides[d];
        break;
      }
      position -= index[d] * view.strides[d];
      index[d] = 0;
    }
  }
  return out;
}

// The error with `place` before it: "[3]", then "[3]["attn"]", and so on
// outwards.
absl::Status AtPlace(const absl::Status& status, absl::string_view place) {
  const absl::string_view message = status.message();
  const bool has_place = !message.empty() && message.front() == '[';
  return absl::Status(status.code(),
                      absl::StrCat(place, has_place ? "" : ": ", message));
}

// Turns the machine's nodes into values.
class TreeBuilder {
 public:
  TreeBuilder(const PickleArena& arena, const PtStorageReader& read_storage,
              const PtLimits& limits)
      : arena_(arena),
        read_storage_(read_storage),
        limits_(limits),
        labels_(limits.label_bytes) {}

  absl::StatusOr<PtValue> Build(PickleNode node) { return BuildAt(node, 0); }

 private:
  // The place is put together on the way out of an error only.
  absl::StatusOr<PtValue> BuildAt(PickleNode node, int depth);
  absl::StatusOr<PtValue> BuildSequence(PickleNode node, int depth);
  absl::StatusOr<PtValue> BuildDict(PickleNode node, int depth);
  absl::StatusOr<PtValue> BuildTensor(PickleNode node);
  absl::StatusOr<PtKey> BuildKey(PickleNode node);
  absl::StatusOr<const std::string*> Storage(const PickleStorage& storage);
  absl::Status CountValues(int64_t num_values);

  const PickleArena& arena_;
  const PtStorageReader& read_storage_;
  const PtLimits& limits_;
  int64_t num_values_ = 0;
  int64_t tensor_bytes_ = 0;
  internal::ByteBudget labels_;
  absl::flat_hash_map<std::string, std::string> storages_;  // By key.
};

absl::Status TreeBuilder::CountValues(int64_t num_values) {
  num_values_ += num_values;
  if (num_values_ <= limits_.num_values) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "the file holds more than the limit of ", limits_.num_values, " values"));
}

absl::StatusOr<PtValue> TreeBuilder::BuildAt(PickleNode node, int depth) {
  if (depth > limits_.depth) {
    return absl::InvalidArgumentError(
        absl::StrCat("lists and dicts are nested deeper than ", limits_.depth));
  }
  MOE_RETURN_IF_ERROR(CountValues(1));
  switch (node.kind) {
    case NodeKind::kInt:
      return PtValue{node.integer};
    case NodeKind::kDouble:
      return PtValue{node.real};
    case NodeKind::kTuple:
    case NodeKind::kList:
      return BuildSequence(node, depth);
    case NodeKind::kDict:
      return BuildDict(node, depth);
    case NodeKind::kTensor:
      return BuildTensor(node);
    default:
      return absl::UnimplementedError(absl::StrCat(
          "there is ", internal::NodeKindName(node.kind),
          ", and only ints, floats, lists, dicts and tensors can be read"));
  }
}

absl::StatusOr<PtValue> TreeBuilder::BuildSequence(PickleNode node, int depth) {
  const std::vector<PickleNode>& items = arena_.sequences[node.index];
  const bool all_ints = std::all_of(
      items.begin(), items.end(),
      [](const PickleNode& item) { return item.kind == NodeKind::kInt; });
  if (all_ints) {
    MOE_RETURN_IF_ERROR(CountValues(static_cast<int64_t>(items.size())));
    PtInts ints;
    ints.reserve(items.size());
    for (const PickleNode& item : items) ints.push_back(item.integer);
    return PtValue{std::move(ints)};
  }
  PtList list;
  for (size_t i = 0; i < items.size(); ++i) {
    absl::StatusOr<PtValue> value = BuildAt(items[i], depth + 1);
    if (!value.ok()) {
      return AtPlace(value.status(), absl::StrCat("[", i, "]"));
    }
    list.push_back(*std::move(value));
  }
  return PtValue{std::move(list)};
}

absl::StatusOr<PtKey> TreeBuilder::BuildKey(PickleNode node) {
  if (node.kind == NodeKind::kInt) return PtKey(node.integer);
  if (node.kind == NodeKind::kString) {
    const std::string& text = arena_.strings[node.index];
    MOE_RETURN_IF_ERROR(labels_.Spend(text.size()));
    return PtKey(text);
  }
  return absl::UnimplementedError(
      absl::StrCat("a key is ", internal::NodeKindName(node.kind),
                   ", and keys can be ints and strings"));
}

absl::StatusOr<PtValue> TreeBuilder::BuildDict(PickleNode node, int depth) {
  PtDict dict;
  absl::flat_hash_set<PtKey> keys;
  for (const auto& [key_node, value_node] : arena_.dicts[node.index]) {
    MOE_ASSIGN_OR_RETURN(PtKey key, BuildKey(key_node));
    const std::string place = FormatPtKey(key);
    if (!keys.insert(key).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("the key ", place, " occurs twice"));
    }
    absl::StatusOr<PtValue> value = BuildAt(value_node, depth + 1);
    if (!value.ok()) return AtPlace(value.status(), place);
    dict.Add(std::move(key), *std::move(value));
  }
  return PtValue{std::move(dict)};
}

absl::StatusOr<const std::string*> TreeBuilder::Storage(
    const PickleStorage& storage) {
  auto found = storages_.find(storage.key);
  if (found == storages_.end()) {
    MOE_ASSIGN_OR_RETURN(std::string bytes, read_storage_(storage.key));
    found = storages_.emplace(storage.key, std::move(bytes)).first;
  }
  const uint64_t got = found->second.size();
  const uint64_t size = static_cast<uint64_t>(DtypeSize(storage.dtype));
  if (got / size != static_cast<uint64_t>(storage.num_elements) ||
      got % size != 0) {
    return absl::DataLossError(
        absl::StrCat("the storage data/", storage.key, " has ", got,
                     " bytes, and ", storage.num_elements, " elements of ",
                     DtypeName(storage.dtype), " were wanted"));
  }
  return &found->second;
}

absl::StatusOr<PtValue> TreeBuilder::BuildTensor(PickleNode node) {
  const PickleTensor& view = arena_.tensors[node.index];
  const PickleStorage& storage = arena_.storages[view.storage];
  MOE_ASSIGN_OR_RETURN(const int64_t num_elements, NumElements(view.sizes));
  const int64_t element_size = DtypeSize(storage.dtype);
  if (num_elements > (limits_.tensor_bytes - tensor_bytes_) / element_size) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the tensors take more than the limit of ",
                     limits_.tensor_bytes, " bytes"));
  }
  tensor_bytes_ += num_elements * element_size;
  MOE_RETURN_IF_ERROR(labels_.Spend(view.sizes.size() * sizeof(int64_t)));
  MOE_ASSIGN_OR_RETURN(const std::string* bytes, Storage(storage));
  HostTensor tensor;
  tensor.dtype = storage.dtype;
  tensor.shape = view.sizes;
  tensor.bytes =
      Gather(view, num_elements, static_cast<size_t>(element_size), *bytes);
  return PtValue{std::move(tensor)};
}

}  // namespace

absl::StatusOr<PtValue> ParsePtPickle(absl::string_view pickle,
                                      const PtStorageReader& read_storage,
                                      const PtLimits& limits) {
  internal::PickleMachine machine(pickle, limits.label_bytes);
  MOE_ASSIGN_OR_RETURN(const PickleNode root, machine.Run());
  return TreeBuilder(machine.arena(), read_storage, limits).Build(root);
}

}  // namespace moe
