// The machine behind pt_pickle.h: it runs the opcodes and leaves nodes in an
// arena.
//
// Nodes are small and refer to the arena by index. An object that is shared, or
// that holds itself, costs nothing here; the walk through the nodes (pt_pickle)
// bounds depth and size.

#ifndef MOE_CHECKPOINT_ARTIFACT_PICKLE_MACHINE_H_
#define MOE_CHECKPOINT_ARTIFACT_PICKLE_MACHINE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint::internal {

enum class NodeKind : uint8_t {
  kNone,
  kBool,
  kInt,
  kDouble,
  kString,
  kTuple,
  kList,
  kDict,
  kGlobal,
  kStorage,
  kTensor,
};

// "a tuple" and so on, for messages.
absl::string_view NodeKindName(NodeKind kind);

struct PickleNode {
  NodeKind kind = NodeKind::kNone;
  union {
    int64_t integer = 0;  // kBool, kInt
    double real;          // kDouble
    uint64_t index;       // Into the arena's vector of that kind.
  };
};

struct PickleStorage {
  Dtype dtype = Dtype::kF32;
  std::string key;
  int64_t num_elements = 0;
};

// A view of a storage. Sizes and strides are not negative, as many of each, and
// the view lies within the storage's num_elements.
struct PickleTensor {
  uint64_t storage = 0;
  int64_t offset = 0;  // In elements.
  Shape sizes;
  Shape strides;
};

struct PickleArena {
  std::vector<std::string> strings;  // Strings and globals ("module name").
  std::vector<std::vector<PickleNode>> sequences;  // Tuples and lists.
  std::vector<std::vector<std::pair<PickleNode, PickleNode>>> dicts;
  std::vector<PickleStorage> storages;
  std::vector<PickleTensor> tensors;
};

// Bounds copies of what a pickle may refer to again and again.
class ByteBudget {
 public:
  explicit ByteBudget(int64_t num_bytes)
      : limit_(static_cast<uint64_t>(num_bytes)), left_(limit_) {}

  // ResourceExhausted if fewer bytes than that are left.
  absl::Status Spend(uint64_t num_bytes);

 private:
  uint64_t limit_;
  uint64_t left_;
};

class PickleMachine {
 public:
  // `copied_bytes` bounds the copies of strings and shapes that the program
  // refers to again, beside those that it spells out.
  PickleMachine(absl::string_view pickle, int64_t copied_bytes)
      : pickle_(pickle), copies_(copied_bytes) {}

  // Runs the whole program and returns its result. Errors as of ParsePtPickle,
  // with the opcode and its byte.
  absl::StatusOr<PickleNode> Run();

  const PickleArena& arena() const { return arena_; }

 private:
  struct Opcode {
    unsigned char code;
    absl::string_view name;
    absl::Status (PickleMachine::*run)();
  };
  static absl::Span<const Opcode> Opcodes();
  absl::Status Step(unsigned char code);

  // Reading the program.
  absl::StatusOr<absl::string_view> Take(uint64_t num_bytes);
  // `num_bytes` little-endian bytes, at most 8.
  absl::StatusOr<uint64_t> TakeUnsigned(int num_bytes);
  absl::StatusOr<absl::string_view> TakeLine();

  // The stack above the topmost mark.
  absl::StatusOr<PickleNode> Pop();
  absl::StatusOr<PickleNode*> Top();
  absl::StatusOr<std::vector<PickleNode>> PopToMark();

  void Push(PickleNode node) { stack_.push_back(node); }
  // A node of what is at `index` of the arena's vector.
  void Push(NodeKind kind, uint64_t index);
  void PushInt(int64_t value);
  void PushString(NodeKind kind, absl::string_view text);
  void PushSequence(NodeKind kind, std::vector<PickleNode> items);
  absl::Status Memoize(uint64_t slot);
  absl::StatusOr<std::vector<PickleNode>*> TopList();
  absl::Status AddItems(absl::Span<const PickleNode> keys_and_values);
  absl::Status Call(absl::string_view function,
                    const std::vector<PickleNode>& arguments);
  absl::Status RebuildTensor(const std::vector<PickleNode>& arguments);
  absl::StatusOr<Shape> ShapeOf(PickleNode node);

  // One for each opcode, or for those that differ in a size only.
  absl::Status Proto();
  absl::Status Frame();
  absl::Status Mark();
  absl::Status None();
  template <bool kValue>
  absl::Status Bool();
  absl::Status BinInt();
  template <int kNumBytes>
  absl::Status BinUnsigned();
  absl::Status Long1();
  absl::Status BinFloat();
  template <int kNumLengthBytes>
  absl::Status BinUnicode();
  absl::Status Tuple();
  template <int kSize>
  absl::Status TupleOf();
  absl::Status EmptyList();
  absl::Status Append();
  absl::Status Appends();
  absl::Status EmptyDict();
  absl::Status SetItem();
  absl::Status SetItems();
  template <int kNumBytes>
  absl::Status Put();
  absl::Status MemoizeNext();
  template <int kNumBytes>
  absl::Status Get();
  absl::Status Global();
  absl::Status StackGlobal();
  absl::Status Reduce();
  absl::Status BinPersId();

  const absl::string_view pickle_;
  ByteBudget copies_;
  uint64_t position_ = 0;
  PickleArena arena_;
  std::vector<PickleNode> stack_;
  std::vector<size_t> marks_;  // Sizes of the stack.
  absl::flat_hash_map<uint64_t, PickleNode> memo_;
};

}  // namespace moe::checkpoint::internal

#endif  // MOE_CHECKPOINT_ARTIFACT_PICKLE_MACHINE_H_
