// Safetensors files: reading at positions, writing front to back.

#ifndef MOE_CHECKPOINT_SAFETENSORS_FILE_H_
#define MOE_CHECKPOINT_SAFETENSORS_FILE_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/file_system.h"
#include "moe/base/random_access_file.h"
#include "moe/checkpoint/safetensors_header.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint {

// An open file whose header has been checked. Movable; may be read by several
// threads at once. Holds the header in memory and none of the data.
class SafetensorsFile {
 public:
  // Errors of RandomAccessFile and of the header, with the path.
  static absl::StatusOr<SafetensorsFile> Open(absl::string_view path);

  const std::string& path() const { return file_.path(); }
  uint64_t size_bytes() const { return file_.size_bytes(); }
  const SafetensorsMetadata& metadata() const { return header_.metadata; }
  // In the order of their data.
  absl::Span<const SafetensorsTensor> tensors() const {
    return header_.tensors;
  }
  // Null if there is no such tensor. Valid as long as this object.
  const SafetensorsTensor* Find(absl::string_view name) const;

  // Renames each tensor to `rename` of its name. No two may get the same name.
  void RenameTensors(absl::FunctionRef<std::string(absl::string_view)> rename);
  // Removes the tensor from tensors(). The file keeps it.
  void PassOver(absl::string_view name);

  // Fills `out` from byte `offset_bytes` of the tensor's data on. The range
  // must lie within the tensor, which must be one of tensors().
  absl::Status Read(const SafetensorsTensor& tensor, uint64_t offset_bytes,
                    absl::Span<char> out) const;
  absl::StatusOr<HostTensor> ReadTensor(const SafetensorsTensor& tensor) const;

 private:
  SafetensorsFile(base::RandomAccessFile file, SafetensorsHeader header);

  void IndexTensors();

  base::RandomAccessFile file_;
  SafetensorsHeader header_;
  absl::flat_hash_map<std::string, size_t> index_;  // By name, into tensors().
};

// Writes the header at once, then the data as they come. Holds no data. The
// caller syncs and closes the file.
class SafetensorsWriter {
 public:
  // InvalidArgument if two tensors have the same name or a shape is malformed.
  static absl::StatusOr<SafetensorsWriter> Create(
      base::WritableFile& file, absl::Span<const TensorSpec> tensors,
      const SafetensorsMetadata& metadata);

  // The next bytes of the data: of the tensors in the given order, without
  // gaps. InvalidArgument if there are more than the tensors take.
  absl::Status Append(absl::string_view bytes);

  bool IsComplete() const { return missing_bytes_ == 0; }

  // FailedPrecondition if bytes are missing.
  absl::Status Finish() const;

 private:
  SafetensorsWriter(base::WritableFile& file, uint64_t data_bytes)
      : file_(&file), missing_bytes_(data_bytes) {}

  base::WritableFile* file_;
  uint64_t missing_bytes_;
};

// Tensors of a small file, by name.
using HostTensors = std::map<std::string, HostTensor>;

// The order in which the reference implementation lays tensors out: by type,
// later ones of Dtype first, then by name.
std::vector<TensorSpec> InReferenceOrder(std::vector<TensorSpec> tensors);

// A whole small file, its tensors in the reference order, to `path` atomically.
// The bytes are a function of the arguments alone. AlreadyExists if the file
// exists and `overwrite` is not set.
absl::Status WriteSafetensorsFile(absl::string_view path,
                                  const HostTensors& tensors,
                                  const SafetensorsMetadata& metadata,
                                  bool overwrite);
absl::StatusOr<HostTensors> ReadSafetensorsFile(absl::string_view path);

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_SAFETENSORS_FILE_H_
