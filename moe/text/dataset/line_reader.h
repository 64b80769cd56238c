// The lines of a file, plain or compressed, one at a time and in bounded
// memory.

#ifndef MOE_TEXT_DATASET_LINE_READER_H_
#define MOE_TEXT_DATASET_LINE_READER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/text/dataset/compressed_file.h"

namespace moe {

// A line of a dataset is a conversation or a document; the longest that is read
// is 16 MiB, after decompression. What is longer is a file of another kind, or
// a compressed one that was made to exhaust memory.
inline constexpr size_t kMaxLineBytes = size_t{16} << 20;

struct Line {
  // Without its end ("\n" or "\r\n"), and the first of a file without the UTF-8
  // byte order mark.
  std::string text;
  // From 1; lines that are left out count.
  int64_t number = 0;
  // More than the limit: `text` is empty, and the line was passed over.
  bool too_long = false;
};

class LineReader {
 public:
  // Errors of CompressedFileReader. `max_line_bytes` counts a line without its
  // end.
  static absl::StatusOr<LineReader> Open(absl::string_view path,
                                         size_t max_line_bytes = kMaxLineBytes);

  // The next line that is not blank (of spaces and tabs alone); nothing at the
  // end. The last line needs no end. Errors of CompressedFileReader::Read, with
  // the line before which reading stopped. Holds one line and 64 KiB.
  absl::StatusOr<std::optional<Line>> Next();

  const CompressedFileReader& file() const { return *file_; }

 private:
  LineReader(std::unique_ptr<CompressedFileReader> file, size_t max_line_bytes)
      : file_(std::move(file)), max_line_bytes_(max_line_bytes) {}

  // Any line, blank or not.
  absl::StatusOr<std::optional<Line>> NextAny();
  absl::Status Fill();
  void TakePiece(absl::string_view piece, Line& line) const;
  void Trim(Line& line) const;

  std::unique_ptr<CompressedFileReader> file_;
  size_t max_line_bytes_;
  std::string buffer_;
  size_t begin_ = 0;  // Of what is unread in `buffer_`.
  bool at_end_ = false;
  int64_t number_ = 0;
};

}  // namespace moe

#endif  // MOE_TEXT_DATASET_LINE_READER_H_
