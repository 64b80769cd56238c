// Named tensors, wherever they are: a directory of safetensors shards, one
// safetensors file, or what torch.save wrote.
//
// The one place of this room that tells the kinds of file apart; what compares
// and lists tensors works on the interface. Nothing here interprets a tensor.

#ifndef MOE_EVALUATE_TENSOR_SOURCE_H_
#define MOE_EVALUATE_TENSOR_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/checkpoint/safetensors_header.h"
#include "moe/checkpoint/tensor.h"

namespace moe::evaluate {

// A strict total order: runs of decimal digits compare as numbers, of whatever
// length, everything else as bytes; what ties ("7" and "07") compares as bytes.
bool NaturalLess(absl::string_view a, absl::string_view b);

// NaturalLess, for ordered containers.
struct NaturalOrder {
  bool operator()(absl::string_view a, absl::string_view b) const {
    return NaturalLess(a, b);
  }
};

enum class SourceKind { kDirectory, kSafetensors, kPt };

// "directory", "safetensors file", ".pt file".
absl::string_view SourceKindName(SourceKind kind);

struct SourceFile {
  std::string path;
  uint64_t size_bytes = 0;
  int64_t num_tensors = 0;
  checkpoint::SafetensorsMetadata metadata;  // None in a `.pt` file.
};

struct SourceTensor {
  checkpoint::TensorSpec spec;
  size_t file = 0;  // Into files().
  // Where its data starts in the file; nothing for a `.pt` file, whose tensors
  // are views of storages.
  std::optional<uint64_t> offset_bytes;
};

class TensorSource {
 public:
  virtual ~TensorSource() = default;

  const std::string& path() const { return path_; }
  SourceKind kind() const { return kind_; }
  absl::Span<const SourceFile> files() const { return files_; }
  // Each name once; file by file, in the order of the data.
  absl::Span<const SourceTensor> tensors() const { return tensors_; }

  // Fills `out` from byte `offset_bytes` of a tensor's row-major little-endian
  // elements on; `tensor` is a position in tensors(), and the range must lie
  // within it. May be called by several threads.
  virtual absl::Status Read(size_t tensor, uint64_t offset_bytes,
                            absl::Span<char> out) const = 0;

 protected:
  TensorSource(absl::string_view path, SourceKind kind)
      : path_(path), kind_(kind) {}

  std::vector<SourceFile> files_;
  std::vector<SourceTensor> tensors_;

 private:
  const std::string path_;
  const SourceKind kind_;
};

// Opens a directory as ShardedTensors does (its config.json is not looked at),
// and a file by its content, whatever its name. A safetensors file's data stay
// on the device; a `.pt` file is read whole, and its tree of dicts and lists is
// flattened: {"a": {0: tensor}} is the tensor "a.0", a Python int, float or
// list of ints is an I64 or F64 tensor, and a lone value is named "value".
//
// NotFound if there is nothing at the path; InvalidArgument if two values of a
// `.pt` file flatten to one name; otherwise the errors of the formats, with the
// path.
absl::StatusOr<std::unique_ptr<TensorSource>> OpenTensorSource(
    absl::string_view path);

}  // namespace moe::evaluate

#endif  // MOE_EVALUATE_TENSOR_SOURCE_H_
