#include "moe/checkpoint/artifact/zip_directory.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"

namespace moe::internal {
namespace {

// The fixed parts of the format's records, and how they start.
constexpr uint64_t kEndBytes = 22;
constexpr uint64_t kLocatorBytes = 20;
constexpr uint64_t kEnd64Bytes = 56;
constexpr uint64_t kEntryBytes = 46;
constexpr uint64_t kMaxCommentBytes = 0xffff;
constexpr absl::string_view kEndMagic = "PK\5\6";
constexpr absl::string_view kLocatorMagic = "PK\6\7";
constexpr absl::string_view kEnd64Magic = "PK\6\6";
constexpr absl::string_view kEntryMagic = "PK\1\2";
// In a 32-bit field: the number is in the entry's Zip64 field.
constexpr uint64_t kIn64 = 0xffffffff;
constexpr uint64_t kZip64Field = 1;

struct Directory {
  uint64_t offset = 0;
  uint64_t size = 0;
  uint64_t num_entries = 0;
};

// The little-endian number of `num_bytes` at `offset`, which must be there.
uint64_t Number(absl::string_view bytes, uint64_t offset, int num_bytes) {
  uint64_t value = 0;
  for (int i = num_bytes - 1; i >= 0; --i) {
    value = (value << 8) | static_cast<unsigned char>(
                               bytes[offset + static_cast<uint64_t>(i)]);
  }
  return value;
}

absl::Status Damaged(absl::string_view message) {
  return absl::DataLossError(
      absl::StrCat("truncated or damaged: ", message, "; copy the file again"));
}

absl::StatusOr<std::string> ReadAt(const RandomAccessFile& file,
                                   uint64_t offset, uint64_t size) {
  if (offset > file.size_bytes() || size > file.size_bytes() - offset) {
    return Damaged(absl::StrCat("the archive's directory wants ", size,
                                " bytes at byte ", offset,
                                ", and the file has ", file.size_bytes()));
  }
  std::string bytes(size, '\0');
  MOE_RETURN_IF_ERROR(file.Read(offset, absl::MakeSpan(bytes)));
  return bytes;
}

// Where the record that ends the archive starts: the last that looks like it,
// as LibTorch's reader takes it.
absl::StatusOr<uint64_t> FindEnd(const RandomAccessFile& file) {
  const uint64_t size =
      std::min(file.size_bytes(), kEndBytes + kMaxCommentBytes);
  const uint64_t begin = file.size_bytes() - size;
  MOE_ASSIGN_OR_RETURN(const std::string tail, ReadAt(file, begin, size));
  const size_t found =
      size < kEndBytes
          ? std::string::npos
          : tail.rfind(kEndMagic.data(), size - kEndBytes, kEndMagic.size());
  if (found == std::string::npos) {
    return Damaged("the archive has no directory at its end");
  }
  return begin + found;
}

absl::StatusOr<Directory> FindDirectory(const RandomAccessFile& file) {
  MOE_ASSIGN_OR_RETURN(const uint64_t end_offset, FindEnd(file));
  // Before the end there is a locator if the archive is in the Zip64 format.
  if (end_offset >= kLocatorBytes + kEnd64Bytes) {
    MOE_ASSIGN_OR_RETURN(
        const std::string locator,
        ReadAt(file, end_offset - kLocatorBytes, kLocatorBytes));
    if (absl::StartsWith(locator, kLocatorMagic)) {
      MOE_ASSIGN_OR_RETURN(const std::string end64,
                           ReadAt(file, Number(locator, 8, 8), kEnd64Bytes));
      if (absl::StartsWith(end64, kEnd64Magic)) {
        return Directory{Number(end64, 48, 8), Number(end64, 40, 8),
                         Number(end64, 32, 8)};
      }
    }
  }
  MOE_ASSIGN_OR_RETURN(const std::string end,
                       ReadAt(file, end_offset, kEndBytes));
  return Directory{Number(end, 16, 4), Number(end, 12, 4), Number(end, 10, 2)};
}

// The record's size once it is taken out: the entry's own field, or the first
// number of the Zip64 field among the entry's `extra` ones.
absl::StatusOr<uint64_t> RecordSize(absl::string_view entry,
                                    absl::string_view extra) {
  const uint64_t size = Number(entry, 24, 4);
  if (size != kIn64) return size;
  while (extra.size() >= 4) {
    const uint64_t field_bytes = Number(extra, 2, 2);
    if (field_bytes > extra.size() - 4) break;
    if (Number(extra, 0, 2) == kZip64Field && field_bytes >= 8) {
      return Number(extra, 4, 8);
    }
    extra.remove_prefix(4 + field_bytes);
  }
  return Damaged("a record's 64-bit size is missing");
}

// Takes one entry off the front of `entries`. Returns its record's size.
absl::StatusOr<uint64_t> TakeEntry(absl::string_view& entries) {
  if (entries.size() < kEntryBytes || !absl::StartsWith(entries, kEntryMagic)) {
    return Damaged("the archive's directory has fewer entries than it says");
  }
  const uint64_t name_bytes = Number(entries, 28, 2);
  const uint64_t extra_bytes = Number(entries, 30, 2);
  const uint64_t total =
      kEntryBytes + name_bytes + extra_bytes + Number(entries, 32, 2);
  if (total > entries.size()) {
    return Damaged("an entry of the archive's directory is cut short");
  }
  const absl::string_view name = entries.substr(kEntryBytes, name_bytes);
  if (const uint64_t method = Number(entries, 10, 2); method != 0) {
    return absl::UnimplementedError(absl::StrCat(
        "the record ", name, " is compressed (method ", method,
        "), and stored records can be read; write the file with torch.save"));
  }
  MOE_ASSIGN_OR_RETURN(
      const uint64_t size,
      RecordSize(entries,
                 entries.substr(kEntryBytes + name_bytes, extra_bytes)));
  entries.remove_prefix(total);
  return size;
}

}  // namespace

absl::Status CheckZipDirectory(const RandomAccessFile& file) {
  MOE_ASSIGN_OR_RETURN(const Directory directory, FindDirectory(file));
  MOE_ASSIGN_OR_RETURN(const std::string bytes,
                       ReadAt(file, directory.offset, directory.size));
  absl::string_view entries = bytes;
  uint64_t left = file.size_bytes();
  for (uint64_t i = 0; i < directory.num_entries; ++i) {
    MOE_ASSIGN_OR_RETURN(const uint64_t size, TakeEntry(entries));
    if (size > left) {
      return Damaged(absl::StrCat(
          "record ", i, " of the archive says that it has ", size,
          " bytes, and the file has room for ", left, " beside the others"));
    }
    left -= size;
  }
  return absl::OkStatus();
}

}  // namespace moe::internal
