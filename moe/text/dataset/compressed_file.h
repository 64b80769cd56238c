// The contents of a file, plain or compressed by gzip or Zstandard, front to
// back.
//
// What a file is, its first bytes say, not its name. A gzip file may have
// several members and a Zstandard file several frames, one after another, as
// `cat a.gz b.gz` makes them; their contents follow one another. Memory is
// fixed: two buffers of 64 KiB and the decompressor's window, of at most 128
// MiB for Zstandard (32 KiB for gzip), however large the contents are.

#ifndef MOE_TEXT_DATASET_COMPRESSED_FILE_H_
#define MOE_TEXT_DATASET_COMPRESSED_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace moe {

class CompressedFileReader {
 public:
  // Errors of RandomAccessFile.
  static absl::StatusOr<std::unique_ptr<CompressedFileReader>> Open(
      absl::string_view path);

  CompressedFileReader(const CompressedFileReader&) = delete;
  CompressedFileReader& operator=(const CompressedFileReader&) = delete;
  ~CompressedFileReader();

  // Puts the next bytes of the contents into `out` and gives their number, 0 at
  // the end only; `out` must not be empty. DataLoss, with path and offset, if
  // the compressed data end early or are corrupt; ResourceExhausted if a
  // Zstandard frame wants a window over the limit.
  absl::StatusOr<size_t> Read(absl::Span<char> out);

  const std::string& path() const;
  // Of the file as it lies there, compressed.
  uint64_t size_bytes() const;
  // How much of it has been read.
  uint64_t position_bytes() const;
  // Its SHA-256; nothing until Read has come to the end.
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

}  // namespace moe

#endif  // MOE_TEXT_DATASET_COMPRESSED_FILE_H_
