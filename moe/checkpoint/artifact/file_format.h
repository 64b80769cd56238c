// Telling a `.pt` file from a safetensors file by content. Without LibTorch.

#ifndef MOE_CHECKPOINT_ARTIFACT_FILE_FORMAT_H_
#define MOE_CHECKPOINT_ARTIFACT_FILE_FORMAT_H_

#include <cstddef>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/random_access_file.h"

namespace moe {

enum class PtFormat {
  kNone,          // Something else, a safetensors file for one.
  kZip,           // A zip archive, as torch.save writes.
  kLegacyPickle,  // A bare pickle, as it wrote before PyTorch 1.6.
};

// As many bytes as it takes to tell.
inline constexpr size_t kPtFormatBytes = 9;

// What a file is that starts with these bytes: kPtFormatBytes of them, or all
// that the file has. Never another than kNone for a valid safetensors file.
PtFormat PtFormatOf(absl::string_view first_bytes);

absl::StatusOr<PtFormat> ReadPtFormat(const RandomAccessFile& file);

// Whether `file` is a `.pt` file, in either of its formats.
absl::StatusOr<bool> IsPtFile(const RandomAccessFile& file);

}  // namespace moe

#endif  // MOE_CHECKPOINT_ARTIFACT_FILE_FORMAT_H_
