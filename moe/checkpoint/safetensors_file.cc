#include "moe/checkpoint/safetensors_file.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/atomic_write.h"
#include "moe/base/check.h"
#include "moe/base/file_system.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/safetensors_header.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint {
namespace {

absl::StatusOr<SafetensorsHeader> ReadHeader(
    const base::RandomAccessFile& file) {
  std::string length(std::min(kSafetensorsLengthBytes, file.size_bytes()),
                     '\0');
  MOE_RETURN_IF_ERROR(file.Read(0, absl::MakeSpan(length)));
  MOE_ASSIGN_OR_RETURN(const uint64_t header_bytes,
                       ParseSafetensorsHeaderSize(length, file.size_bytes()));
  std::string json(header_bytes, '\0');
  MOE_RETURN_IF_ERROR(file.Read(kSafetensorsLengthBytes, absl::MakeSpan(json)));
  return ParseSafetensorsHeader(json, file.size_bytes());
}

absl::Status CheckSpecs(absl::Span<const TensorSpec> tensors) {
  absl::flat_hash_set<absl::string_view> names;
  for (const TensorSpec& tensor : tensors) {
    if (!names.insert(tensor.name).second) {
      return absl::InvalidArgumentError(absl::StrCat(
          "tensor \"", tensor.name, "\": expected it once, found it twice"));
    }
    MOE_RETURN_IF_ERROR(ValidateTensorSpec(tensor));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SafetensorsFile> SafetensorsFile::Open(absl::string_view path) {
  MOE_ASSIGN_OR_RETURN(base::RandomAccessFile file,
                       base::RandomAccessFile::Open(path));
  absl::StatusOr<SafetensorsHeader> header = ReadHeader(file);
  if (!header.ok()) return base::Annotate(header.status(), path);
  return SafetensorsFile(std::move(file), *std::move(header));
}

SafetensorsFile::SafetensorsFile(base::RandomAccessFile file,
                                 SafetensorsHeader header)
    : file_(std::move(file)), header_(std::move(header)) {
  IndexTensors();
}

void SafetensorsFile::IndexTensors() {
  index_.clear();
  for (size_t i = 0; i < header_.tensors.size(); ++i) {
    index_.emplace(header_.tensors[i].spec.name, i);
  }
}

void SafetensorsFile::RenameTensors(
    absl::FunctionRef<std::string(absl::string_view)> rename) {
  for (SafetensorsTensor& tensor : header_.tensors) {
    tensor.spec.name = rename(tensor.spec.name);
  }
  IndexTensors();
  MOE_CHECK(index_.size() == header_.tensors.size());
}

void SafetensorsFile::PassOver(absl::string_view name) {
  std::vector<SafetensorsTensor>& tensors = header_.tensors;
  tensors.erase(std::remove_if(tensors.begin(), tensors.end(),
                               [&](const SafetensorsTensor& tensor) {
                                 return tensor.spec.name == name;
                               }),
                tensors.end());
  IndexTensors();
}

const SafetensorsTensor* SafetensorsFile::Find(absl::string_view name) const {
  const auto found = index_.find(std::string(name));
  return found == index_.end() ? nullptr : &header_.tensors[found->second];
}

absl::Status SafetensorsFile::Read(const SafetensorsTensor& tensor,
                                   uint64_t offset_bytes,
                                   absl::Span<char> out) const {
  MOE_CHECK(offset_bytes <= tensor.end - tensor.begin);
  MOE_CHECK(out.size() <= tensor.end - tensor.begin - offset_bytes);
  return base::Annotate(
      file_.Read(header_.data_offset + tensor.begin + offset_bytes, out),
      absl::StrCat("tensor \"", tensor.spec.name, "\""));
}

absl::StatusOr<HostTensor> SafetensorsFile::ReadTensor(
    const SafetensorsTensor& tensor) const {
  HostTensor out;
  out.dtype = tensor.spec.dtype;
  out.shape = tensor.spec.shape;
  out.bytes.resize(tensor.end - tensor.begin);
  MOE_RETURN_IF_ERROR(Read(tensor, 0, absl::MakeSpan(out.bytes)));
  return out;
}

absl::StatusOr<SafetensorsWriter> SafetensorsWriter::Create(
    base::WritableFile& file, absl::Span<const TensorSpec> tensors,
    const SafetensorsMetadata& metadata) {
  MOE_RETURN_IF_ERROR(CheckSpecs(tensors));
  uint64_t data_bytes = 0;
  for (const TensorSpec& tensor : tensors) {
    data_bytes += static_cast<uint64_t>(NumBytes(tensor));
  }
  MOE_RETURN_IF_ERROR(file.Append(FormatSafetensorsHeader(tensors, metadata)));
  return SafetensorsWriter(file, data_bytes);
}

absl::Status SafetensorsWriter::Append(absl::string_view bytes) {
  if (bytes.size() > missing_bytes_) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected at most ", missing_bytes_,
                     " more bytes of tensor data, found ", bytes.size()));
  }
  missing_bytes_ -= bytes.size();
  return file_->Append(bytes);
}

absl::Status SafetensorsWriter::Finish() const {
  if (missing_bytes_ == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("expected ", missing_bytes_,
                   " more bytes of tensor data, found the end"));
}

std::vector<TensorSpec> InReferenceOrder(std::vector<TensorSpec> tensors) {
  std::sort(tensors.begin(), tensors.end(),
            [](const TensorSpec& a, const TensorSpec& b) {
              if (a.dtype != b.dtype) return a.dtype > b.dtype;
              return a.name < b.name;
            });
  return tensors;
}

absl::Status WriteSafetensorsFile(absl::string_view path,
                                  const HostTensors& tensors,
                                  const SafetensorsMetadata& metadata,
                                  bool overwrite) {
  std::vector<TensorSpec> specs;
  for (const auto& [name, tensor] : tensors) {
    specs.push_back({name, tensor.dtype, tensor.shape});
  }
  specs = InReferenceOrder(std::move(specs));
  return base::WriteFileAtomically(
      path, overwrite, [&](base::WritableFile& file) -> absl::Status {
        MOE_ASSIGN_OR_RETURN(SafetensorsWriter writer,
                             SafetensorsWriter::Create(file, specs, metadata));
        for (const TensorSpec& spec : specs) {
          MOE_RETURN_IF_ERROR(writer.Append(tensors.at(spec.name).bytes));
        }
        return writer.Finish();
      });
}

absl::StatusOr<HostTensors> ReadSafetensorsFile(absl::string_view path) {
  MOE_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  HostTensors tensors;
  for (const SafetensorsTensor& tensor : file.tensors()) {
    MOE_ASSIGN_OR_RETURN(tensors[tensor.spec.name], file.ReadTensor(tensor));
  }
  return tensors;
}

}  // namespace moe::checkpoint
