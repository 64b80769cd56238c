// Reads the contents of a file, plain or compressed by gzip or Zstandard, front
// to back: in pieces, byte by byte, or line by line.
//
// The first bytes of a file decide on its format, not its name. A gzip file may
// have several members and a Zstandard file several frames, as `cat a.gz b.gz`
// makes them; their contents follow one another. Memory is fixed: two buffers
// of 64 KiB and the decompressor's window, of at most 128 MiB for Zstandard (32
// KiB for gzip), however large the contents are.

#ifndef MOE_TEXT_DATASET_COMPRESSED_FILE_H_
#define MOE_TEXT_DATASET_COMPRESSED_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace moe::text {

class CompressedFileReader {
 public:
  // Errors of RandomAccessFile.
  static absl::StatusOr<std::unique_ptr<CompressedFileReader>> Open(
      absl::string_view path);

  CompressedFileReader(const CompressedFileReader&) = delete;
  CompressedFileReader& operator=(const CompressedFileReader&) = delete;
  ~CompressedFileReader();

  // Puts the next bytes of the contents into `out` and returns their number, 0
  // only at the end; `out` must not be empty. DataLoss, with path and offset,
  // if the compressed data end early or are corrupt; ResourceExhausted if a
  // Zstandard frame needs a window over the limit.
  absl::StatusOr<size_t> Read(absl::Span<char> out);

  const std::string& path() const;
  // The size of the file itself, compressed or not.
  uint64_t size_bytes() const;
  // How many of its bytes have been read.
  uint64_t position_bytes() const;
  // The file's SHA-256; none until Read has come to the end.
  std::optional<std::string> HexDigest() const;

 private:
  class Decoder;
  class PlainDecoder;
  class GzipDecoder;
  class ZstdDecoder;
  struct Input;

  explicit CompressedFileReader(std::unique_ptr<Input> input);

  absl::Status ChooseDecoder();

  std::unique_ptr<Input> input_;
  std::unique_ptr<Decoder> decoder_;
};

// The first bytes of a UTF-8 file that begins with a byte order mark.
inline constexpr absl::string_view kByteOrderMark = "\xef\xbb\xbf";

// The bytes of a file's contents, one at a time.
class ByteStream {
 public:
  explicit ByteStream(std::unique_ptr<CompressedFileReader> file)
      : file_(std::move(file)) {}

  // The next byte, without taking it; none at the end and after an error. Skips
  // a UTF-8 byte order mark at the start.
  std::optional<char> Peek();

  // Takes the next byte; there must be one.
  void Skip();

  // The bytes read but not taken: Peek() and what follows it.
  absl::string_view unread() const {
    return absl::string_view(buffer_).substr(begin_);
  }
  // Takes so many bytes of unread().
  void Skip(size_t num_bytes);

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

// The limit on a line after decompression. A line of a dataset is a
// conversation or a document. A longer line means a file of another kind, or a
// compressed file that was made to exhaust memory.
inline constexpr size_t kMaxLineBytes = size_t{16} << 20;

struct Line {
  // The text without the line's end ("\n" or "\r\n") and without a UTF-8 byte
  // order mark at the start of the file.
  std::string text;
  // From 1; blank lines count.
  int64_t number = 0;
  // The line is over the limit, and `text` is empty.
  bool too_long = false;
};

class LineReader {
 public:
  // Errors of CompressedFileReader. `max_line_bytes` counts a line without its
  // end.
  static absl::StatusOr<LineReader> Open(absl::string_view path,
                                         size_t max_line_bytes = kMaxLineBytes);

  // The next line that is not blank (only spaces and tabs); none at the end.
  // The last line needs no line end. Errors of CompressedFileReader::Read, with
  // the line at which reading stopped. Holds one line and 64 KiB.
  absl::StatusOr<std::optional<Line>> Next();

  const CompressedFileReader& file() const { return bytes_.file(); }

 private:
  LineReader(std::unique_ptr<CompressedFileReader> file, size_t max_line_bytes)
      : bytes_(std::move(file)), max_line_bytes_(max_line_bytes) {}

  // Takes the rest of the line; false at the end of the file.
  bool TakeLine(Line& line);

  ByteStream bytes_;
  size_t max_line_bytes_;
};

}  // namespace moe::text

#endif  // MOE_TEXT_DATASET_COMPRESSED_FILE_H_
