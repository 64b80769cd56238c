#include "moe/checkpoint/artifact/zip_directory.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

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
constexpr uint64_t kHeaderBytes = 30;
constexpr uint64_t kMaxCommentBytes = 0xffff;
constexpr absl::string_view kEndMagic = "PK\5\6";
constexpr absl::string_view kLocatorMagic = "PK\6\7";
constexpr absl::string_view kEnd64Magic = "PK\6\6";
constexpr absl::string_view kEntryMagic = "PK\1\2";
constexpr absl::string_view kHeaderMagic = "PK\3\4";
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
    return Damaged(absl::StrCat("the archive wants ", size, " bytes at byte ",
                                offset, ", and the file has ",
                                file.size_bytes()));
  }
  std::string bytes(size, '\0');
  MOE_RETURN_IF_ERROR(file.Read(offset, absl::MakeSpan(bytes)));
  return bytes;
}

// Where the record that ends the archive starts: the last that looks like it.
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

// The Zip64 field among the entry's `extra` ones; empty if there is none.
absl::string_view Zip64Field(absl::string_view extra) {
  while (extra.size() >= 4) {
    const uint64_t field_bytes = Number(extra, 2, 2);
    if (field_bytes > extra.size() - 4) break;
    if (Number(extra, 0, 2) == kZip64Field) return extra.substr(4, field_bytes);
    extra.remove_prefix(4 + field_bytes);
  }
  return {};
}

// The number at `offset` of the entry, or, if that says so, the next one of the
// Zip64 field, which is taken off its front.
absl::StatusOr<uint64_t> NumberOrNext64(absl::string_view entry,
                                        uint64_t offset,
                                        absl::string_view& zip64) {
  const uint64_t number = Number(entry, offset, 4);
  if (number != kIn64) return number;
  if (zip64.size() < 8) return Damaged("a record's 64-bit number is missing");
  const uint64_t next = Number(zip64, 0, 8);
  zip64.remove_prefix(8);
  return next;
}

// Takes one entry off the front of `entries`.
absl::StatusOr<ZipRecord> TakeEntry(absl::string_view& entries) {
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
  ZipRecord record;
  record.name = std::string(entries.substr(kEntryBytes, name_bytes));
  if (const uint64_t method = Number(entries, 10, 2); method != 0) {
    return absl::UnimplementedError(absl::StrCat(
        "the record ", record.name, " is compressed (method ", method,
        "), and stored records can be read; write the file with torch.save"));
  }
  absl::string_view zip64 =
      Zip64Field(entries.substr(kEntryBytes + name_bytes, extra_bytes));
  // In the order of the Zip64 field. A stored record has its size twice.
  MOE_ASSIGN_OR_RETURN(record.size, NumberOrNext64(entries, 24, zip64));
  MOE_RETURN_IF_ERROR(NumberOrNext64(entries, 20, zip64).status());
  MOE_ASSIGN_OR_RETURN(record.header_offset,
                       NumberOrNext64(entries, 42, zip64));
  entries.remove_prefix(total);
  return record;
}

}  // namespace

absl::StatusOr<std::vector<ZipRecord>> ReadZipDirectory(
    const RandomAccessFile& file) {
  MOE_ASSIGN_OR_RETURN(const Directory directory, FindDirectory(file));
  MOE_ASSIGN_OR_RETURN(const std::string bytes,
                       ReadAt(file, directory.offset, directory.size));
  absl::string_view entries = bytes;
  uint64_t left = file.size_bytes();
  std::vector<ZipRecord> records;
  for (uint64_t i = 0; i < directory.num_entries; ++i) {
    MOE_ASSIGN_OR_RETURN(ZipRecord record, TakeEntry(entries));
    if (record.size > left) {
      return Damaged(absl::StrCat(
          "record ", i, " of the archive says that it has ", record.size,
          " bytes, and the file has room for ", left, " beside the others"));
    }
    left -= record.size;
    records.push_back(std::move(record));
  }
  return records;
}

absl::StatusOr<std::string> ReadZipRecord(const RandomAccessFile& file,
                                          const ZipRecord& record) {
  MOE_ASSIGN_OR_RETURN(const std::string header,
                       ReadAt(file, record.header_offset, kHeaderBytes));
  if (!absl::StartsWith(header, kHeaderMagic)) {
    return Damaged(absl::StrCat("expected the header of the record ",
                                record.name, " at byte ", record.header_offset,
                                ", found none"));
  }
  return ReadAt(file,
                record.header_offset + kHeaderBytes + Number(header, 26, 2) +
                    Number(header, 28, 2),
                record.size);
}

}  // namespace moe::internal
