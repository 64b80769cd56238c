#include "moe/checkpoint/artifact/pt_bridge.h"

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
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/atomic_write.h"
#include "moe/base/file_system.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/file_format.h"
#include "moe/checkpoint/artifact/pt_pickle.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/artifact/zip_directory.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/tensor.h"

namespace moe {
namespace {

using ::c10::IValue;
using ::caffe2::serialize::PyTorchStreamReader;
using ::caffe2::serialize::PyTorchStreamWriter;

// LibTorch reports with exceptions; they end here.
template <typename Function>
auto CatchExceptions(absl::StatusCode code, Function function)
    -> decltype(function()) {
  try {
    return function();
  } catch (const c10::Error& error) {
    return absl::Status(code, error.what_without_backtrace());
  } catch (const std::exception& error) {
    return absl::Status(code, error.what());
  }
}

// That LibTorch may look at the file: that it is an archive, and asks for no
// more memory than it has bytes.
absl::Status CheckFile(const RandomAccessFile& file, absl::string_view path) {
  constexpr uint64_t kMagicBytes = 4;
  MOE_ASSIGN_OR_RETURN(const PtFormat format, ReadPtFormat(file));
  if (format == PtFormat::kZip) {
    return Annotate(internal::CheckZipDirectory(file), path);
  }
  if (format == PtFormat::kLegacyPickle) {
    return absl::UnimplementedError(absl::StrCat(
        path,
        ": is in the format of torch.save before PyTorch 1.6; write it again "
        "in Python: torch.save(torch.load(old, map_location=\"cpu\"), new)"));
  }
  if (file.size_bytes() < kMagicBytes) {
    return absl::DataLossError(absl::StrCat(path, ": truncated: it has ",
                                            file.size_bytes(), " bytes"));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(path,
                   ": is not a .pt file: it does not start as a zip "
                   "archive, which torch.save writes"));
}

// The bytes of a record that must be there.
absl::StatusOr<std::string> ReadRecord(PyTorchStreamReader& reader,
                                       const std::string& name) {
  return CatchExceptions(
      absl::StatusCode::kDataLoss, [&]() -> absl::StatusOr<std::string> {
        if (!reader.hasRecord(name)) {
          return absl::InvalidArgumentError(absl::StrCat(
              "the archive has no record ", name,
              "; write the file with torch.save(dict, path) in Python"));
        }
        const auto [data, size] = reader.getRecord(name);
        return std::string(static_cast<const char*>(data.get()), size);
      });
}

absl::Status CheckByteOrder(PyTorchStreamReader& reader) {
  if (!reader.hasRecord("byteorder")) return absl::OkStatus();
  MOE_ASSIGN_OR_RETURN(const std::string order,
                       ReadRecord(reader, "byteorder"));
  if (order == "little") return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat(
      "its byte order is \"", order,
      "\", and \"little\" can be read; write it again on such a machine"));
}

absl::StatusOr<PtValue> ReadArchive(const std::string& path,
                                    uint64_t file_bytes) {
  PyTorchStreamReader reader(path);
  MOE_RETURN_IF_ERROR(CheckByteOrder(reader));
  MOE_ASSIGN_OR_RETURN(const std::string pickle,
                       ReadRecord(reader, "data.pkl"));
  return ParsePtPickle(
      pickle,
      [&](absl::string_view key) {
        return ReadRecord(reader, absl::StrCat("data/", key));
      },
      PtLimitsOf(pickle.size(), file_bytes));
}

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

}  // namespace

absl::StatusOr<PtValue> ReadPtFile(absl::string_view path) {
  MOE_ASSIGN_OR_RETURN(const RandomAccessFile file,
                       RandomAccessFile::Open(path));
  MOE_RETURN_IF_ERROR(CheckFile(file, path));
  absl::StatusOr<PtValue> value = CatchExceptions(
      absl::StatusCode::kDataLoss,
      [&] { return ReadArchive(std::string(path), file.size_bytes()); });
  if (!value.ok()) return Annotate(value.status(), path);
  return value;
}

absl::Status WritePtFile(const PtValue& value, absl::string_view path,
                         bool overwrite) {
  const absl::StatusOr<std::string> archive = CatchExceptions(
      absl::StatusCode::kInternal, [&]() -> absl::StatusOr<std::string> {
        MOE_ASSIGN_OR_RETURN(const IValue converted, ToIValue(value));
        return FormatArchive(converted);
      });
  if (!archive.ok()) return Annotate(archive.status(), path);
  return WriteFileAtomically(path, overwrite, [&](WritableFile& file) {
    return file.Append(*archive);
  });
}

}  // namespace moe
