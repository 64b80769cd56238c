// The header of a safetensors file.
//
// A file is 8 bytes, the little-endian length n of the header; n bytes of JSON;
// and the data. The JSON maps each tensor's name to {"dtype", "shape",
// "data_offsets": [begin, end]}, the offsets counted from the start of the
// data, and optionally
// "__metadata__" to a map of strings. Tensors are contiguous from 0 to the end
// of the file, in any order in the JSON.
//
// The checks are those of the reference implementation (safetensors,
// tensor.rs), in its order: length, limit, truncation, text, JSON, then for the
// tensors in the order of their data: contiguity, shape product, size; last,
// that they cover the whole of the data. Beyond it, a name that occurs twice
// and a field that the format does not have are refused. Nothing of the data is
// read.

#ifndef MOE_CHECKPOINT_SAFETENSORS_HEADER_H_
#define MOE_CHECKPOINT_SAFETENSORS_HEADER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint {

// A file starts with the header's length n in so many bytes.
inline constexpr uint64_t kSafetensorsLengthBytes = 8;
// The reference implementation's limit on n.
inline constexpr uint64_t kMaxSafetensorsHeaderBytes = 100'000'000;

using SafetensorsMetadata = std::map<std::string, std::string>;

struct SafetensorsTensor {
  TensorSpec spec;
  // From the start of the data.
  uint64_t begin = 0;
  uint64_t end = 0;
};

struct SafetensorsHeader {
  // In the order of their data.
  std::vector<SafetensorsTensor> tensors;
  SafetensorsMetadata metadata;
  // Where the data starts in the file: 8 + n.
  uint64_t data_offset = 0;
};

// The length n, from a file's first bytes (all of them, if fewer than 8) and
// its size. DataLoss if the file is too short for n or for the header;
// ResourceExhausted if n is over the limit.
absl::StatusOr<uint64_t> ParseSafetensorsHeaderSize(
    absl::string_view first_bytes, uint64_t file_size_bytes);

// The header from its n bytes. InvalidArgument if malformed, DataLoss if the
// file ends before the data does, Unimplemented for an unknown dtype. Messages
// name the tensor, or the byte of the JSON at fault.
absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(
    absl::string_view json, uint64_t file_size_bytes);

// The first bytes of a file, up to where the data starts: length and JSON,
// padded with blanks to a multiple of 8. The tensors' data follow in the given
// order. As the reference implementation writes it, so that a file that is read
// and written again has the same bytes.
std::string FormatSafetensorsHeader(absl::Span<const TensorSpec> tensors,
                                    const SafetensorsMetadata& metadata);

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_SAFETENSORS_HEADER_H_
