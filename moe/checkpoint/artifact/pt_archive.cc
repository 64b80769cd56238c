#include "moe/checkpoint/artifact/pt_archive.h"

#include <ATen/core/Dict.h>
#include <ATen/core/List.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/ScalarType.h>
#include <c10/core/TensorOptions.h>
#include <c10/util/Exception.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/serialization/pickler.h>

#include <array>
#include <cstdint>
#include <exception>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint {
namespace {

using ::c10::IValue;
using ::caffe2::serialize::PyTorchStreamWriter;

absl::StatusOr<at::ScalarType> ScalarTypeOf(Dtype dtype) {
  constexpr std::array<std::pair<Dtype, at::ScalarType>, 10> kTypes = {{
      {Dtype::kBool, at::kBool},
      {Dtype::kU8, at::kByte},
      {Dtype::kI8, at::kChar},
      {Dtype::kI16, at::kShort},
      {Dtype::kI32, at::kInt},
      {Dtype::kI64, at::kLong},
      {Dtype::kF16, at::kHalf},
      {Dtype::kBF16, at::kBFloat16},
      {Dtype::kF32, at::kFloat},
      {Dtype::kF64, at::kDouble},
  }};
  for (const auto& [from, to] : kTypes) {
    if (from == dtype) return to;
  }
  return absl::UnimplementedError(absl::StrCat(
      "tensors of ", DtypeName(dtype), " cannot be written to a .pt file"));
}

absl::StatusOr<IValue> ToIValue(const PtValue& value);

// Refers to the bytes of `tensor`, which LibTorch reads only.
absl::StatusOr<IValue> ToIValue(const HostTensor& tensor) {
  MOE_ASSIGN_OR_RETURN(const at::ScalarType type, ScalarTypeOf(tensor.dtype));
  return IValue(at::from_blob(const_cast<char*>(tensor.bytes.data()),
                              tensor.shape, at::TensorOptions(type)));
}

// The element type stays open (Any): a list of a known type is written as a
// call to a function of torch.jit, which torch.load does not allow.
absl::StatusOr<IValue> ToIValue(const PtInts& ints) {
  c10::impl::GenericList list(c10::AnyType::get());
  list.reserve(ints.size());
  for (const int64_t number : ints) list.push_back(IValue(number));
  return IValue(list);
}

absl::StatusOr<IValue> ToIValue(const PtList& items) {
  c10::impl::GenericList list(c10::AnyType::get());
  for (const PtValue& item : items) {
    MOE_ASSIGN_OR_RETURN(IValue converted, ToIValue(item));
    list.push_back(std::move(converted));
  }
  return IValue(list);
}

absl::StatusOr<IValue> ToIValue(const PtDict& entries) {
  c10::impl::GenericDict dict(c10::AnyType::get(), c10::AnyType::get());
  for (const PtEntry& entry : entries.entries) {
    MOE_ASSIGN_OR_RETURN(IValue converted, ToIValue(entry.value));
    dict.insert(
        std::visit([](const auto& key) { return IValue(key); }, entry.key),
        std::move(converted));
  }
  return IValue(dict);
}

absl::StatusOr<IValue> ToIValue(const PtValue& value) {
  return std::visit(
      [](const auto& held) -> absl::StatusOr<IValue> {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_arithmetic_v<Held>) {
          return IValue(held);
        } else {
          return ToIValue(*held);
        }
      },
      value.value);
}

// The archive in memory: a writer that cannot fail, since LibTorch's writer
// ends the process when its destructor meets a failure.
std::string FormatArchive(const IValue& value) {
  std::string pickle;
  std::vector<std::string> keys;
  torch::jit::Pickler pickler(
      [&](const char* bytes, size_t size) { pickle.append(bytes, size); },
      /*tensor_table=*/nullptr, /*type_renamer=*/nullptr,
      /*memoized_class_types=*/nullptr,
      [&](const at::Tensor&) {
        keys.push_back(absl::StrCat(keys.size()));
        return keys.back();
      },
      /*tag_aggregates=*/false);
  pickler.protocol();
  pickler.pushIValue(value);
  pickler.stop();

  std::string archive;
  PyTorchStreamWriter writer([&](const void* bytes, size_t size) {
    archive.append(static_cast<const char*>(bytes), size);
    return size;
  });
  writer.writeRecord("data.pkl", pickle.data(), pickle.size());
  size_t next = 0;
  for (const at::Tensor& tensor : pickler.tensorData()) {
    const auto data = torch::jit::getWriteableTensorData(tensor);
    writer.writeRecord(absl::StrCat("data/", keys[next++]), data.data(),
                       data.sizeInBytes());
  }
  writer.writeRecord("byteorder", "little", 6);
  writer.writeEndOfFile();
  return archive;
}

absl::StatusOr<std::string> ConvertAndFormat(const PtValue& value) {
  MOE_ASSIGN_OR_RETURN(const IValue converted, ToIValue(value));
  return FormatArchive(converted);
}

}  // namespace

void llama_moe_torch_format_pt(const PtValue& value,
                               absl::StatusOr<std::string>& archive) {
  // LibTorch reports with exceptions; they end here.
  try {
    archive = ConvertAndFormat(value);
  } catch (const c10::Error& error) {
    archive = absl::InternalError(error.what_without_backtrace());
  } catch (const std::exception& error) {
    archive = absl::InternalError(error.what());
  }
}

}  // namespace moe::checkpoint
