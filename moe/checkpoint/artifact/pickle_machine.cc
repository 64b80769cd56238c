#include "moe/checkpoint/artifact/pickle_machine.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint::internal {
namespace {

constexpr unsigned char kStop = '.';

absl::Status Malformed(absl::string_view message) {
  return absl::InvalidArgumentError(message);
}

absl::StatusOr<Dtype> DtypeOfStorage(absl::string_view global) {
  constexpr std::array<std::pair<absl::string_view, Dtype>, 10> kStorages = {{
      {"torch FloatStorage", Dtype::kF32},
      {"torch DoubleStorage", Dtype::kF64},
      {"torch HalfStorage", Dtype::kF16},
      {"torch BFloat16Storage", Dtype::kBF16},
      {"torch LongStorage", Dtype::kI64},
      {"torch IntStorage", Dtype::kI32},
      {"torch ShortStorage", Dtype::kI16},
      {"torch CharStorage", Dtype::kI8},
      {"torch ByteStorage", Dtype::kU8},
      {"torch BoolStorage", Dtype::kBool},
  }};
  for (const auto& [name, dtype] : kStorages) {
    if (name == global) return dtype;
  }
  return absl::UnimplementedError(
      absl::StrCat("expected a supported storage, found \"", global, "\""));
}

// Whether the view's elements all lie in a storage of `num_elements`. Without
// overflow: each step compares with what is left.
bool ViewFits(const PickleTensor& tensor, int64_t num_elements) {
  if (tensor.offset > num_elements) return false;
  for (const int64_t size : tensor.sizes) {
    if (size == 0) return true;
  }
  int64_t left = num_elements - tensor.offset - 1;  // Beyond the first.
  if (left < 0) return false;
  for (size_t i = 0; i < tensor.sizes.size(); ++i) {
    const int64_t steps = tensor.sizes[i] - 1;
    if (steps == 0 || tensor.strides[i] == 0) continue;
    if (steps > left / tensor.strides[i]) return false;
    left -= steps * tensor.strides[i];
  }
  return true;
}

}  // namespace

absl::string_view NodeKindName(NodeKind kind) {
  constexpr std::array<absl::string_view, 11> kNames = {
      "None",   "a bool", "an int",          "a float",   "a string", "a tuple",
      "a list", "a dict", "a Python global", "a storage", "a tensor"};
  return kNames[static_cast<size_t>(kind)];
}

absl::Status ByteBudget::Spend(uint64_t num_bytes) {
  if (num_bytes > left_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the keys, names and shapes take more than the limit of ",
                     limit_, " bytes"));
  }
  left_ -= num_bytes;
  return absl::OkStatus();
}

template <bool kValue>
absl::Status PickleMachine::Bool() {
  PushInt(kValue ? 1 : 0);
  stack_.back().kind = NodeKind::kBool;
  return absl::OkStatus();
}

template <int kNumBytes>
absl::Status PickleMachine::BinUnsigned() {
  MOE_ASSIGN_OR_RETURN(const uint64_t value, TakeUnsigned(kNumBytes));
  PushInt(static_cast<int64_t>(value));
  return absl::OkStatus();
}

template <int kNumLengthBytes>
absl::Status PickleMachine::BinUnicode() {
  MOE_ASSIGN_OR_RETURN(const uint64_t length, TakeUnsigned(kNumLengthBytes));
  MOE_ASSIGN_OR_RETURN(const absl::string_view text, Take(length));
  PushString(NodeKind::kString, text);
  return absl::OkStatus();
}

template <int kSize>
absl::Status PickleMachine::TupleOf() {
  std::vector<PickleNode> items(kSize);
  for (auto item = items.rbegin(); item != items.rend(); ++item) {
    MOE_ASSIGN_OR_RETURN(*item, Pop());
  }
  PushSequence(NodeKind::kTuple, std::move(items));
  return absl::OkStatus();
}

template <int kNumBytes>
absl::Status PickleMachine::Put() {
  MOE_ASSIGN_OR_RETURN(const uint64_t slot, TakeUnsigned(kNumBytes));
  return Memoize(slot);
}

template <int kNumBytes>
absl::Status PickleMachine::Get() {
  MOE_ASSIGN_OR_RETURN(const uint64_t slot, TakeUnsigned(kNumBytes));
  const auto found = memo_.find(slot);
  if (found == memo_.end()) {
    return Malformed(absl::StrCat("slot ", slot, " of the memo is empty"));
  }
  Push(found->second);
  return absl::OkStatus();
}

absl::Span<const PickleMachine::Opcode> PickleMachine::Opcodes() {
  using M = PickleMachine;
  static constexpr Opcode kOpcodes[] = {
      {0x80, "PROTO", &M::Proto},
      {0x95, "FRAME", &M::Frame},
      {'(', "MARK", &M::Mark},
      {'N', "NONE", &M::None},
      {0x88, "NEWTRUE", &M::Bool<true>},
      {0x89, "NEWFALSE", &M::Bool<false>},
      {'J', "BININT", &M::BinInt},
      {'K', "BININT1", &M::BinUnsigned<1>},
      {'M', "BININT2", &M::BinUnsigned<2>},
      {0x8a, "LONG1", &M::Long1},
      {'G', "BINFLOAT", &M::BinFloat},
      {'X', "BINUNICODE", &M::BinUnicode<4>},
      {0x8c, "SHORT_BINUNICODE", &M::BinUnicode<1>},
      {')', "EMPTY_TUPLE", &M::TupleOf<0>},
      {'t', "TUPLE", &M::Tuple},
      {0x85, "TUPLE1", &M::TupleOf<1>},
      {0x86, "TUPLE2", &M::TupleOf<2>},
      {0x87, "TUPLE3", &M::TupleOf<3>},
      {']', "EMPTY_LIST", &M::EmptyList},
      {'a', "APPEND", &M::Append},
      {'e', "APPENDS", &M::Appends},
      {'}', "EMPTY_DICT", &M::EmptyDict},
      {'s', "SETITEM", &M::SetItem},
      {'u', "SETITEMS", &M::SetItems},
      {'q', "BINPUT", &M::Put<1>},
      {'r', "LONG_BINPUT", &M::Put<4>},
      {0x94, "MEMOIZE", &M::MemoizeNext},
      {'h', "BINGET", &M::Get<1>},
      {'j', "LONG_BINGET", &M::Get<4>},
      {'c', "GLOBAL", &M::Global},
      {0x93, "STACK_GLOBAL", &M::StackGlobal},
      {'R', "REDUCE", &M::Reduce},
      {'Q', "BINPERSID", &M::BinPersId},
  };
  return kOpcodes;
}

absl::StatusOr<PickleNode> PickleMachine::Run() {
  while (true) {
    const uint64_t begin = position_;
    absl::StatusOr<uint64_t> code = TakeUnsigned(1);
    if (!code.ok()) return code.status();
    if (*code == kStop) break;
    const absl::Status status = Step(static_cast<unsigned char>(*code));
    if (!status.ok()) {
      return base::Annotate(status,
                            absl::StrCat("byte ", begin, " of the pickle"));
    }
  }
  if (stack_.size() != 1 || !marks_.empty()) {
    return Malformed(
        absl::StrCat("expected one value at the end of the pickle, found ",
                     stack_.size(), " values and ", marks_.size(), " marks"));
  }
  return stack_.front();
}

absl::Status PickleMachine::Step(unsigned char code) {
  for (const Opcode& opcode : Opcodes()) {
    if (opcode.code == code)
      return base::Annotate((this->*opcode.run)(), opcode.name);
  }
  return absl::UnimplementedError(absl::StrFormat(
      "expected numbers, strings, lists, dicts and dense tensors, found "
      "the opcode 0x%02x of another object; convert it to those in Python and "
      "save "
      "again",
      code));
}

absl::StatusOr<absl::string_view> PickleMachine::Take(uint64_t num_bytes) {
  const uint64_t left = pickle_.size() - position_;
  if (num_bytes > left) {
    return absl::DataLossError(absl::StrCat("truncated: expected ", num_bytes,
                                            " bytes at byte ", position_,
                                            " of the pickle, found ", left));
  }
  const absl::string_view taken = pickle_.substr(position_, num_bytes);
  position_ += num_bytes;
  return taken;
}

absl::StatusOr<uint64_t> PickleMachine::TakeUnsigned(int num_bytes) {
  MOE_ASSIGN_OR_RETURN(const absl::string_view bytes,
                       Take(static_cast<uint64_t>(num_bytes)));
  uint64_t value = 0;
  for (int i = num_bytes - 1; i >= 0; --i) {
    value = (value << 8) | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

absl::StatusOr<absl::string_view> PickleMachine::TakeLine() {
  const size_t end = pickle_.find('\n', position_);
  if (end == absl::string_view::npos) {
    return absl::DataLossError("truncated: a line has no end");
  }
  const absl::string_view line = pickle_.substr(position_, end - position_);
  position_ = end + 1;
  return line;
}

absl::StatusOr<PickleNode> PickleMachine::Pop() {
  MOE_ASSIGN_OR_RETURN(const PickleNode* top, Top());
  const PickleNode node = *top;
  stack_.pop_back();
  return node;
}

absl::StatusOr<PickleNode*> PickleMachine::Top() {
  const size_t floor = marks_.empty() ? 0 : marks_.back();
  if (stack_.size() <= floor) return Malformed("the stack is empty");
  return &stack_.back();
}

absl::StatusOr<std::vector<PickleNode>> PickleMachine::PopToMark() {
  if (marks_.empty()) return Malformed("there is no mark");
  const auto begin =
      stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<PickleNode> items(begin, stack_.end());
  stack_.erase(begin, stack_.end());
  marks_.pop_back();
  return items;
}

void PickleMachine::PushInt(int64_t value) {
  PickleNode node;
  node.kind = NodeKind::kInt;
  node.integer = value;
  Push(node);
}

void PickleMachine::Push(NodeKind kind, uint64_t index) {
  PickleNode node;
  node.kind = kind;
  node.index = index;
  Push(node);
}

void PickleMachine::PushString(NodeKind kind, absl::string_view text) {
  Push(kind, arena_.strings.size());
  arena_.strings.emplace_back(text);
}

void PickleMachine::PushSequence(NodeKind kind, std::vector<PickleNode> items) {
  Push(kind, arena_.sequences.size());
  arena_.sequences.push_back(std::move(items));
}

absl::Status PickleMachine::Memoize(uint64_t slot) {
  MOE_ASSIGN_OR_RETURN(const PickleNode* top, Top());
  memo_[slot] = *top;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<PickleNode>*> PickleMachine::TopList() {
  MOE_ASSIGN_OR_RETURN(const PickleNode* top, Top());
  if (top->kind != NodeKind::kList) {
    return Malformed(
        absl::StrCat("expected a list, found ", NodeKindName(top->kind)));
  }
  return &arena_.sequences[top->index];
}

absl::Status PickleMachine::AddItems(
    absl::Span<const PickleNode> keys_and_values) {
  MOE_ASSIGN_OR_RETURN(const PickleNode* top, Top());
  if (top->kind != NodeKind::kDict) {
    return Malformed(
        absl::StrCat("expected a dict, found ", NodeKindName(top->kind)));
  }
  if (keys_and_values.size() % 2 != 0) {
    return Malformed("a key has no value");
  }
  for (size_t i = 0; i < keys_and_values.size(); i += 2) {
    arena_.dicts[top->index].emplace_back(keys_and_values[i],
                                          keys_and_values[i + 1]);
  }
  return absl::OkStatus();
}

absl::StatusOr<Shape> PickleMachine::ShapeOf(PickleNode node) {
  if (node.kind != NodeKind::kTuple) {
    return Malformed(
        absl::StrCat("a tensor's size or stride is ", NodeKindName(node.kind)));
  }
  const std::vector<PickleNode>& items = arena_.sequences[node.index];
  MOE_RETURN_IF_ERROR(copies_.Spend(items.size() * sizeof(int64_t)));
  Shape shape;
  shape.reserve(items.size());
  for (const PickleNode& item : items) {
    if (item.kind != NodeKind::kInt || item.integer < 0) {
      return Malformed("a tensor's size or stride holds no valid number");
    }
    shape.push_back(item.integer);
  }
  return shape;
}

absl::Status PickleMachine::RebuildTensor(
    const std::vector<PickleNode>& arguments) {
  // storage, offset, sizes, strides, and what concerns training only.
  if (arguments.size() < 4 || arguments[0].kind != NodeKind::kStorage ||
      arguments[1].kind != NodeKind::kInt || arguments[1].integer < 0) {
    return Malformed("a tensor's storage or offset is not valid");
  }
  PickleTensor tensor;
  tensor.storage = arguments[0].index;
  tensor.offset = arguments[1].integer;
  MOE_ASSIGN_OR_RETURN(tensor.sizes, ShapeOf(arguments[2]));
  MOE_ASSIGN_OR_RETURN(tensor.strides, ShapeOf(arguments[3]));
  MOE_RETURN_IF_ERROR(NumElements(tensor.sizes).status());
  const PickleStorage& storage = arena_.storages[tensor.storage];
  if (tensor.sizes.size() != tensor.strides.size() ||
      !ViewFits(tensor, storage.num_elements)) {
    return Malformed(
        absl::StrCat("a tensor of size ", FormatShape(tensor.sizes),
                     ", stride ", FormatShape(tensor.strides), " and offset ",
                     tensor.offset, " does not fit its storage \"", storage.key,
                     "\" of ", storage.num_elements, " elements"));
  }
  Push(NodeKind::kTensor, arena_.tensors.size());
  arena_.tensors.push_back(std::move(tensor));
  return absl::OkStatus();
}

absl::Status PickleMachine::Call(absl::string_view function,
                                 const std::vector<PickleNode>& arguments) {
  if (function == "torch._utils _rebuild_tensor_v2") {
    return RebuildTensor(arguments);
  }
  if (function == "torch._utils _rebuild_parameter") {
    if (arguments.empty() || arguments[0].kind != NodeKind::kTensor) {
      return Malformed("a parameter holds no tensor");
    }
    Push(arguments[0]);
    return absl::OkStatus();
  }
  if (function == "collections OrderedDict" && arguments.empty()) {
    return EmptyDict();
  }
  return absl::UnimplementedError(absl::StrCat(
      "expected numbers, strings, lists, dicts and dense tensors, found a call "
      "of \"",
      function, "\"; convert its result to those in Python and save again"));
}

absl::Status PickleMachine::Proto() {
  MOE_ASSIGN_OR_RETURN(const uint64_t protocol, TakeUnsigned(1));
  if (protocol >= 2 && protocol <= 5) return absl::OkStatus();
  return absl::UnimplementedError(
      absl::StrCat("expected pickle protocol 2 to 5, found ", protocol));
}

absl::Status PickleMachine::Frame() { return TakeUnsigned(8).status(); }

absl::Status PickleMachine::Mark() {
  marks_.push_back(stack_.size());
  return absl::OkStatus();
}

absl::Status PickleMachine::None() {
  Push(PickleNode());
  return absl::OkStatus();
}

absl::Status PickleMachine::BinInt() {
  MOE_ASSIGN_OR_RETURN(const uint64_t value, TakeUnsigned(4));
  PushInt(static_cast<int32_t>(static_cast<uint32_t>(value)));
  return absl::OkStatus();
}

absl::Status PickleMachine::Long1() {
  MOE_ASSIGN_OR_RETURN(const uint64_t length, TakeUnsigned(1));
  if (length > 8) {
    return absl::UnimplementedError("an int of more than 64 bits");
  }
  const int num_bytes = static_cast<int>(length);
  MOE_ASSIGN_OR_RETURN(uint64_t value, TakeUnsigned(num_bytes));
  // Two's complement in as few bytes as it takes: the top bit is the sign.
  if (num_bytes > 0 && num_bytes < 8 &&
      ((value >> (8 * num_bytes - 1)) & 1) != 0) {
    value |= ~uint64_t{0} << (8 * num_bytes);
  }
  PushInt(static_cast<int64_t>(value));
  return absl::OkStatus();
}

absl::Status PickleMachine::BinFloat() {
  MOE_ASSIGN_OR_RETURN(const absl::string_view bytes, Take(8));
  uint64_t bits = 0;  // Big-endian, unlike all else.
  for (const char byte : bytes) {
    bits = (bits << 8) | static_cast<unsigned char>(byte);
  }
  PickleNode node;
  node.kind = NodeKind::kDouble;
  node.real = std::bit_cast<double>(bits);
  Push(node);
  return absl::OkStatus();
}

absl::Status PickleMachine::Tuple() {
  MOE_ASSIGN_OR_RETURN(std::vector<PickleNode> items, PopToMark());
  PushSequence(NodeKind::kTuple, std::move(items));
  return absl::OkStatus();
}

absl::Status PickleMachine::EmptyList() {
  PushSequence(NodeKind::kList, {});
  return absl::OkStatus();
}

absl::Status PickleMachine::Append() {
  MOE_ASSIGN_OR_RETURN(const PickleNode item, Pop());
  MOE_ASSIGN_OR_RETURN(std::vector<PickleNode>* const list, TopList());
  list->push_back(item);
  return absl::OkStatus();
}

absl::Status PickleMachine::Appends() {
  MOE_ASSIGN_OR_RETURN(const std::vector<PickleNode> items, PopToMark());
  MOE_ASSIGN_OR_RETURN(std::vector<PickleNode>* const list, TopList());
  list->insert(list->end(), items.begin(), items.end());
  return absl::OkStatus();
}

absl::Status PickleMachine::EmptyDict() {
  Push(NodeKind::kDict, arena_.dicts.size());
  arena_.dicts.emplace_back();
  return absl::OkStatus();
}

absl::Status PickleMachine::SetItem() {
  MOE_ASSIGN_OR_RETURN(const PickleNode value, Pop());
  MOE_ASSIGN_OR_RETURN(const PickleNode key, Pop());
  return AddItems({key, value});
}

absl::Status PickleMachine::SetItems() {
  MOE_ASSIGN_OR_RETURN(const std::vector<PickleNode> items, PopToMark());
  return AddItems(items);
}

absl::Status PickleMachine::MemoizeNext() { return Memoize(memo_.size()); }

absl::Status PickleMachine::Global() {
  MOE_ASSIGN_OR_RETURN(const absl::string_view module, TakeLine());
  MOE_ASSIGN_OR_RETURN(const absl::string_view name, TakeLine());
  PushString(NodeKind::kGlobal, absl::StrCat(module, " ", name));
  return absl::OkStatus();
}

absl::Status PickleMachine::StackGlobal() {
  MOE_ASSIGN_OR_RETURN(const PickleNode name, Pop());
  MOE_ASSIGN_OR_RETURN(const PickleNode module, Pop());
  if (name.kind != NodeKind::kString || module.kind != NodeKind::kString) {
    return Malformed("a global's name is not a string");
  }
  const std::string& module_text = arena_.strings[module.index];
  const std::string& name_text = arena_.strings[name.index];
  MOE_RETURN_IF_ERROR(copies_.Spend(module_text.size() + name_text.size()));
  PushString(NodeKind::kGlobal, absl::StrCat(module_text, " ", name_text));
  return absl::OkStatus();
}

absl::Status PickleMachine::Reduce() {
  MOE_ASSIGN_OR_RETURN(const PickleNode arguments, Pop());
  MOE_ASSIGN_OR_RETURN(const PickleNode function, Pop());
  if (function.kind != NodeKind::kGlobal ||
      arguments.kind != NodeKind::kTuple) {
    return Malformed(absl::StrCat(NodeKindName(function.kind),
                                  " is called with ",
                                  NodeKindName(arguments.kind)));
  }
  return Call(arena_.strings[function.index],
              arena_.sequences[arguments.index]);
}

// ("storage", its type, key, device, number of elements).
absl::Status PickleMachine::BinPersId() {
  MOE_ASSIGN_OR_RETURN(const PickleNode id, Pop());
  if (id.kind != NodeKind::kTuple) return Malformed("the id is not a tuple");
  const std::vector<PickleNode>& parts = arena_.sequences[id.index];
  if (parts.size() != 5 || parts[0].kind != NodeKind::kString ||
      arena_.strings[parts[0].index] != "storage" ||
      parts[1].kind != NodeKind::kGlobal ||
      parts[2].kind != NodeKind::kString || parts[4].kind != NodeKind::kInt ||
      parts[4].integer < 0) {
    return Malformed("the id is not that of a storage");
  }
  PickleStorage storage;
  MOE_ASSIGN_OR_RETURN(storage.dtype,
                       DtypeOfStorage(arena_.strings[parts[1].index]));
  const std::string& key = arena_.strings[parts[2].index];
  MOE_RETURN_IF_ERROR(copies_.Spend(key.size()));
  storage.key = key;
  storage.num_elements = parts[4].integer;
  Push(NodeKind::kStorage, arena_.storages.size());
  arena_.storages.push_back(std::move(storage));
  return absl::OkStatus();
}

}  // namespace moe::checkpoint::internal
