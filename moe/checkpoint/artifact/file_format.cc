#include "moe/checkpoint/artifact/file_format.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"

namespace moe {
namespace {

constexpr absl::string_view kZipMagic = "PK\3\4";
// The number that torch.save put in front before PyTorch 1.6, as a pickle. Read
// as the length of a safetensors header it is at least 176,816,768, over the
// format's limit of 100,000,000.
constexpr absl::string_view kLegacyMagic = "\x80\x02\x8a\x0a";

// "PK\3\4" alone can start a safetensors file: 67,324,752 is a length within
// the limit. Such a file has zeros in the upper half of the length, which in an
// archive are the version and the flags, and then the header's '{', where an
// archive has the compression method: no method has that number.
bool IsSafetensorsOfThatLength(absl::string_view first_bytes) {
  return first_bytes.substr(kZipMagic.size()) ==
         absl::string_view("\0\0\0\0{", 5);
}

}  // namespace

PtFormat PtFormatOf(absl::string_view first_bytes) {
  const absl::string_view bytes = first_bytes.substr(0, kPtFormatBytes);
  if (absl::StartsWith(bytes, kLegacyMagic)) return PtFormat::kLegacyPickle;
  if (absl::StartsWith(bytes, kZipMagic) && !IsSafetensorsOfThatLength(bytes)) {
    return PtFormat::kZip;
  }
  return PtFormat::kNone;
}

absl::StatusOr<PtFormat> ReadPtFormat(const RandomAccessFile& file) {
  std::string bytes(std::min<uint64_t>(kPtFormatBytes, file.size_bytes()),
                    '\0');
  MOE_RETURN_IF_ERROR(file.Read(0, absl::MakeSpan(bytes)));
  return PtFormatOf(bytes);
}

absl::StatusOr<bool> IsPtFile(const RandomAccessFile& file) {
  MOE_ASSIGN_OR_RETURN(const PtFormat format, ReadPtFormat(file));
  return format != PtFormat::kNone;
}

}  // namespace moe
