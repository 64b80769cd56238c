// The bytes of a file's contents, plain or compressed, one at a time.

#ifndef MOE_TEXT_DATASET_BYTE_STREAM_H_
#define MOE_TEXT_DATASET_BYTE_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "moe/text/dataset/compressed_file.h"

namespace moe {

// The first bytes of a UTF-8 file that begins with a byte order mark.
inline constexpr absl::string_view kByteOrderMark = "\xef\xbb\xbf";

class ByteStream {
 public:
  explicit ByteStream(std::unique_ptr<CompressedFileReader> file)
      : file_(std::move(file)) {}

  // The next byte, which stays the next; nothing at the end, and after an
  // error. A UTF-8 byte order mark at the start is passed over.
  std::optional<char> Peek();

  // Goes on behind the next byte; there must be one.
  void Skip();

  // The line of the next byte, from 1: one more than the line feeds before it.
  int64_t line() const { return line_; }

  // The first error of CompressedFileReader::Read, with the line.
  const absl::Status& status() const { return status_; }

  const CompressedFileReader& file() const { return *file_; }

 private:
  void Fill();

  std::unique_ptr<CompressedFileReader> file_;
  std::string buffer_;
  size_t begin_ = 0;
  bool at_start_ = true;
  bool at_end_ = false;
  int64_t line_ = 1;
  absl::Status status_;
};

}  // namespace moe

#endif  // MOE_TEXT_DATASET_BYTE_STREAM_H_
