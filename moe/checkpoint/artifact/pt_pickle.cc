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

namespace moe::checkpoint {
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

// A value, and what a walk through all of it meets.
struct Built {
  PtValue value;
  int64_t num_values = 1;
  int64_t data_bytes = 0;
  int height = 0;  // How deep lists and dicts are nested below it.
};

// Turns the machine's nodes into values, each node once.
class TreeBuilder {
 public:
  TreeBuilder(const PickleArena& arena, const PtStorageReader& read_storage,
              const PtLimits& limits)
      : arena_(arena),
        read_storage_(read_storage),
        limits_(limits),
        labels_(limits.label_bytes) {}

  absl::StatusOr<PtValue> Build(PickleNode node) {
    MOE_ASSIGN_OR_RETURN(Built root, BuildAt(node, 0));
    return std::move(root.value);
  }

 private:
  // The place is put together on the way out of an error only.
  absl::StatusOr<Built> BuildAt(PickleNode node, int depth);
  absl::StatusOr<Built> BuildNew(PickleNode node, int depth);
  absl::StatusOr<Built> BuildSequence(PickleNode node, int depth);
  absl::StatusOr<Built> BuildDict(PickleNode node, int depth);
  absl::StatusOr<Built> BuildTensor(PickleNode node);
  absl::StatusOr<PtKey> BuildKey(PickleNode node);
  absl::StatusOr<const std::string*> Storage(const PickleStorage& storage);
  // Counts `part` into `whole`.
  absl::Status AddPart(const Built& part, Built& whole);
  absl::Status CheckDepth(int depth) const;
  absl::Status CheckDataBytes(int64_t data_bytes) const;

  const PickleArena& arena_;
  const PtStorageReader& read_storage_;
  const PtLimits& limits_;
  internal::ByteBudget labels_;
  int64_t gathered_bytes_ = 0;
  absl::flat_hash_map<std::string, std::string> storages_;  // By key.
  // By the arena's vector and the index in it.
  absl::flat_hash_map<std::pair<NodeKind, uint64_t>, Built> built_;
};

absl::Status TreeBuilder::CheckDepth(int depth) const {
  if (depth <= limits_.depth) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "lists and dicts are nested deeper than ", limits_.depth,
      "; save a value that holds itself nowhere, and with fewer levels"));
}

absl::Status TreeBuilder::CheckDataBytes(int64_t data_bytes) const {
  if (data_bytes <= limits_.data_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "expected tensors and lists of ints of at most ", limits_.data_bytes,
      " bytes, which is what a file of this size can hold, found more, as the "
      "same storage or list stands in very many places; save each once"));
}

// Both are within the limits, and so no sum of two overflows.
absl::Status TreeBuilder::AddPart(const Built& part, Built& whole) {
  whole.num_values += part.num_values;
  whole.data_bytes += part.data_bytes;
  whole.height = std::max(whole.height, part.height + 1);
  MOE_RETURN_IF_ERROR(CheckDataBytes(whole.data_bytes));
  if (whole.num_values <= limits_.num_values) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "expected at most ", limits_.num_values,
      " values, which is what a file of this size can hold, found more, as the "
      "same list or dict stands in very many places; save each once"));
}

absl::StatusOr<Built> TreeBuilder::BuildAt(PickleNode node, int depth) {
  MOE_RETURN_IF_ERROR(CheckDepth(depth));
  const bool is_sequence =
      node.kind == NodeKind::kTuple || node.kind == NodeKind::kList;
  if (!is_sequence && node.kind != NodeKind::kDict &&
      node.kind != NodeKind::kTensor) {
    return BuildNew(node, depth);
  }
  const std::pair<NodeKind, uint64_t> id(
      is_sequence ? NodeKind::kList : node.kind, node.index);
  if (const auto found = built_.find(id); found != built_.end()) {
    MOE_RETURN_IF_ERROR(CheckDepth(depth + found->second.height));
    return found->second;
  }
  MOE_ASSIGN_OR_RETURN(Built built, BuildNew(node, depth));
  return built_.emplace(id, std::move(built)).first->second;
}

absl::StatusOr<Built> TreeBuilder::BuildNew(PickleNode node, int depth) {
  switch (node.kind) {
    case NodeKind::kInt:
      return Built{{node.integer}};
    case NodeKind::kDouble:
      return Built{{node.real}};
    case NodeKind::kTuple:
    case NodeKind::kList:
      return BuildSequence(node, depth);
    case NodeKind::kDict:
      return BuildDict(node, depth);
    case NodeKind::kTensor:
      return BuildTensor(node);
    default:
      return absl::UnimplementedError(
          absl::StrCat("expected an int, float, list, dict or tensor, found ",
                       internal::NodeKindName(node.kind)));
  }
}

absl::StatusOr<Built> TreeBuilder::BuildSequence(PickleNode node, int depth) {
  const std::vector<PickleNode>& items = arena_.sequences[node.index];
  const bool all_ints = std::all_of(
      items.begin(), items.end(),
      [](const PickleNode& item) { return item.kind == NodeKind::kInt; });
  Built built;
  if (all_ints) {
    built.data_bytes = static_cast<int64_t>(items.size() * sizeof(int64_t));
    MOE_RETURN_IF_ERROR(CheckDataBytes(built.data_bytes));
    PtInts ints;
    ints.reserve(items.size());
    for (const PickleNode& item : items) ints.push_back(item.integer);
    built.value = {std::move(ints)};
    return built;
  }
  PtList list;
  for (size_t i = 0; i < items.size(); ++i) {
    const absl::StatusOr<Built> part = BuildAt(items[i], depth + 1);
    const absl::Status status =
        part.ok() ? AddPart(*part, built) : part.status();
    if (!status.ok()) return AtPlace(status, absl::StrCat("[", i, "]"));
    list.push_back(part->value);
  }
  built.value = {std::move(list)};
  return built;
}

absl::StatusOr<PtKey> TreeBuilder::BuildKey(PickleNode node) {
  if (node.kind == NodeKind::kInt) return PtKey(node.integer);
  if (node.kind == NodeKind::kString) {
    const std::string& text = arena_.strings[node.index];
    MOE_RETURN_IF_ERROR(labels_.Spend(text.size()));
    return PtKey(text);
  }
  return absl::UnimplementedError(
      absl::StrCat("expected an int or a string as key, found ",
                   internal::NodeKindName(node.kind)));
}

absl::StatusOr<Built> TreeBuilder::BuildDict(PickleNode node, int depth) {
  Built built;
  PtDict dict;
  absl::flat_hash_set<PtKey> keys;
  for (const auto& [key_node, value_node] : arena_.dicts[node.index]) {
    MOE_ASSIGN_OR_RETURN(PtKey key, BuildKey(key_node));
    if (!keys.insert(key).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("the key ", FormatPtKey(key), " occurs twice"));
    }
    const absl::StatusOr<Built> part = BuildAt(value_node, depth + 1);
    const absl::Status status =
        part.ok() ? AddPart(*part, built) : part.status();
    if (!status.ok()) return AtPlace(status, FormatPtKey(key));
    dict.Add(std::move(key), part->value);
  }
  built.value = {std::move(dict)};
  return built;
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
    return absl::DataLossError(absl::StrCat(
        "the storage data/", storage.key, ": expected ", storage.num_elements,
        " elements of ", DtypeName(storage.dtype), ", found ", got, " bytes"));
  }
  return &found->second;
}

// A view may name an element many times, with a stride of 0 as often as it
// likes; a storage of one element would become a tensor of any size.
absl::Status CheckNoLargerThanStorage(const PickleTensor& view,
                                      int64_t num_elements,
                                      const PickleStorage& storage) {
  if (num_elements <= storage.num_elements) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "expected a tensor of at most ", storage.num_elements,
      " elements, as many as its storage data/", storage.key, " has, found ",
      num_elements, " (size ", FormatShape(view.sizes), ", stride ",
      FormatShape(view.strides), "); save tensor.contiguous() in Python"));
}

absl::StatusOr<Built> TreeBuilder::BuildTensor(PickleNode node) {
  const PickleTensor& view = arena_.tensors[node.index];
  const PickleStorage& storage = arena_.storages[view.storage];
  MOE_ASSIGN_OR_RETURN(const int64_t num_elements, NumElements(view.sizes));
  MOE_RETURN_IF_ERROR(CheckNoLargerThanStorage(view, num_elements, storage));
  MOE_RETURN_IF_ERROR(labels_.Spend(view.sizes.size() * sizeof(int64_t)));
  MOE_ASSIGN_OR_RETURN(const std::string* bytes, Storage(storage));
  const int64_t element_size = DtypeSize(storage.dtype);
  Built built;
  built.data_bytes = num_elements * element_size;
  gathered_bytes_ += built.data_bytes;
  MOE_RETURN_IF_ERROR(CheckDataBytes(gathered_bytes_));
  HostTensor tensor;
  tensor.dtype = storage.dtype;
  tensor.shape = view.sizes;
  tensor.bytes =
      Gather(view, num_elements, static_cast<size_t>(element_size), *bytes);
  built.value = {std::move(tensor)};
  return built;
}

}  // namespace

PtLimits PtLimitsOf(uint64_t pickle_bytes, uint64_t file_bytes) {
  // Every machine has room for these, however small the file is: 80 layers of
  // 28,672 neurons (LLaMA 70B) that are all the same list take 18 MB.
  constexpr int64_t kFewValues = 1 << 16;
  constexpr int64_t kFewDataBytes = 1 << 25;
  constexpr int64_t kFewLabelBytes = 1 << 20;
  // An int of a list takes 8 bytes, and 2 in the pickle at least; a storage
  // that is viewed as a whole, transposed and in slices is there 3 times.
  constexpr int64_t kDataBytesPerByte = 4;
  // A key of 60 characters that is written once takes 4 bytes wherever it
  // stands again, with its value.
  constexpr int64_t kLabelBytesPerByte = 16;
  constexpr uint64_t kMost = uint64_t{1} << 56;  // No product overflows.
  const auto pickle = static_cast<int64_t>(std::min(pickle_bytes, kMost));
  const auto file = static_cast<int64_t>(std::min(file_bytes, kMost));
  PtLimits limits;
  limits.num_values = kFewValues + pickle;
  limits.data_bytes = kFewDataBytes + kDataBytesPerByte * file;
  limits.label_bytes = kFewLabelBytes + kLabelBytesPerByte * pickle;
  return limits;
}

absl::StatusOr<PtValue> ParsePtPickle(absl::string_view pickle,
                                      const PtStorageReader& read_storage,
                                      const PtLimits& limits) {
  internal::PickleMachine machine(pickle, limits.label_bytes);
  MOE_ASSIGN_OR_RETURN(const PickleNode root, machine.Run());
  return TreeBuilder(machine.arena(), read_storage, limits).Build(root);
}

}  // namespace moe::checkpoint
