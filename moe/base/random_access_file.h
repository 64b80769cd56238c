// Reading files at positions.
//
// These are positioned reads and not a memory map: if another process truncates
// the file, a read returns DataLoss, where a map would end the process.

#ifndef MOE_BASE_RANDOM_ACCESS_FILE_H_
#define MOE_BASE_RANDOM_ACCESS_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace moe::base {

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
  // The size when the file was opened.
  uint64_t size_bytes() const { return size_bytes_; }

  // Fills `out` with the bytes from `offset_bytes` on. DataLoss with path,
  // offset, expected and found bytes if the file ends before.
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
// wrong path (a model file instead of a small JSON file) is not read whole.
absl::StatusOr<std::string> ReadFile(absl::string_view path,
                                     uint64_t max_bytes);

}  // namespace moe::base

namespace moe::base::internal {

// Reads from `offset_bytes` on until `out` is full or the file ends, and gives
// the number of bytes. What the system reports, otherwise, without a path.
absl::StatusOr<size_t> ReadAt(int descriptor, uint64_t offset_bytes,
                              absl::Span<char> out);

}  // namespace moe::base::internal

namespace moe::base {

// Tells whether a file is still the one that was read.
//
// A digest is true of the bytes that were hashed. The file's stamp, kept beside
// the digest, tells later without reading whether the file still has those
// bytes: writing to a file or replacing it changes the stamp, and nobody can
// set back the time of the last change of its inode.
struct FileStamp {
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t size_bytes = 0;
  int64_t modified_nsec = 0;  // When its bytes last changed, since 1970.
  int64_t changed_nsec = 0;   // When its inode last changed.

  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

// Links are followed. What the system reports, with the path.
absl::StatusOr<FileStamp> StampOf(absl::string_view path);

// OK if the file still has the stamp. DataLoss, with the difference, if it was
// changed, replaced or removed.
absl::Status CheckStamp(absl::string_view path, const FileStamp& stamp);

}  // namespace moe::base

#endif  // MOE_BASE_RANDOM_ACCESS_FILE_H_
