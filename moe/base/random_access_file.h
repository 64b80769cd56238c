// Reading files at positions.
//
// Positioned reads rather than a memory map: a file that another process cuts
// short gives a DataLoss error here, where a map would end the process.

#ifndef MOE_BASE_RANDOM_ACCESS_FILE_H_
#define MOE_BASE_RANDOM_ACCESS_FILE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace moe {

// An open regular file. Movable; Read may be called from several threads at
// once.
class RandomAccessFile {
 public:
  // NotFound if there is no such file, InvalidArgument if it is a directory or
  // another thing without a size, otherwise what the system reports.
  static absl::StatusOr<RandomAccessFile> Open(absl::string_view path);

  RandomAccessFile(RandomAccessFile&& other) noexcept;
  RandomAccessFile& operator=(RandomAccessFile&& other) noexcept;
  ~RandomAccessFile();

  const std::string& path() const { return path_; }
  // As it was when the file was opened.
  uint64_t size_bytes() const { return size_bytes_; }

  // Fills `out` with the bytes from `offset_bytes` on. DataLoss, with path,
  // offset, wanted and found, if the file ends before.
  absl::Status Read(uint64_t offset_bytes, absl::Span<char> out) const;

 private:
  RandomAccessFile(std::string path, int descriptor, uint64_t size_bytes)
      : path_(std::move(path)),
        descriptor_(descriptor),
        size_bytes_(size_bytes) {}

  std::string path_;
  int descriptor_ = -1;
  uint64_t size_bytes_ = 0;
};

// The whole file. ResourceExhausted if it is larger than `max_bytes`, so that a
// wrong path (a model file where a small JSON file was meant) is not read
// whole.
absl::StatusOr<std::string> ReadFile(absl::string_view path,
                                     uint64_t max_bytes);

}  // namespace moe

#endif  // MOE_BASE_RANDOM_ACCESS_FILE_H_
