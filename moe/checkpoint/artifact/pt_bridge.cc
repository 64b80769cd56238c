#include "moe/checkpoint/artifact/pt_bridge.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/atomic_write.h"
#include "moe/base/file_system.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/base/torch_plugin.h"
#include "moe/checkpoint/artifact/pt_archive.h"
#include "moe/checkpoint/artifact/pt_pickle.h"
#include "moe/checkpoint/artifact/pt_value.h"

namespace moe::checkpoint {
namespace {

// The zip reader is not LibTorch's: that one allocates the size that the
// directory gives for a record before it looks at the record, so that a few
// damaged bytes ask for any amount of memory.

struct ZipRecord {
  std::string name;
  uint64_t header_offset = 0;
  uint64_t size = 0;
};

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

absl::StatusOr<std::string> ReadAt(const base::RandomAccessFile& file,
                                   uint64_t offset, uint64_t size) {
  if (offset > file.size_bytes() || size > file.size_bytes() - offset) {
    return Damaged(absl::StrCat("expected ", size, " bytes at byte ", offset,
                                ", found a file of ", file.size_bytes()));
  }
  std::string bytes(size, '\0');
  MOE_RETURN_IF_ERROR(file.Read(offset, absl::MakeSpan(bytes)));
  return bytes;
}

// Where the record that ends the archive starts: the last that looks like it.
absl::StatusOr<uint64_t> FindEnd(const base::RandomAccessFile& file) {
  const uint64_t size =
      std::min(file.size_bytes(), kEndBytes + kMaxCommentBytes);
  const uint64_t begin = file.size_bytes() - size;
  MOE_ASSIGN_OR_RETURN(const std::string tail, ReadAt(file, begin, size));
  const size_t found =
      size < kEndBytes
          ? std::string::npos
          : tail.rfind(kEndMagic.data(), size - kEndBytes, kEndMagic.size());
  if (found == std::string::npos) {
    return Damaged("expected a directory at the archive's end, found none");
  }
  return begin + found;
}

absl::StatusOr<Directory> FindDirectory(const base::RandomAccessFile& file) {
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
    return Damaged(
        "expected another entry in the archive's directory, found none");
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
    return absl::UnimplementedError(
        absl::StrCat("the record ", record.name,
                     ": expected it stored, found it compressed "
                     "(method ",
                     method, "); write the file with torch.save"));
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

// The records of the archive, in the order of its directory. They are stored,
// as torch.save writes them, and together no larger than the file.
// Unimplemented for compressed records, DataLoss where the directory does not
// fit the file. Errors do not name the path.
absl::StatusOr<std::vector<ZipRecord>> ReadZipDirectory(
    const base::RandomAccessFile& file) {
  MOE_ASSIGN_OR_RETURN(const Directory directory, FindDirectory(file));
  MOE_ASSIGN_OR_RETURN(const std::string bytes,
                       ReadAt(file, directory.offset, directory.size));
  absl::string_view entries = bytes;
  uint64_t left = file.size_bytes();
  std::vector<ZipRecord> records;
  for (uint64_t i = 0; i < directory.num_entries; ++i) {
    MOE_ASSIGN_OR_RETURN(ZipRecord record, TakeEntry(entries));
    if (record.size > left) {
      return Damaged(
          absl::StrCat("record ", i, " of the archive: expected at most ", left,
                       " bytes, the room left beside the others, found ",
                       record.size, " bytes"));
    }
    left -= record.size;
    records.push_back(std::move(record));
  }
  return records;
}

// The record's bytes. Ignores their checksum, as PyTorch does. DataLoss where
// the file has no such record. Errors do not name the path.
absl::StatusOr<std::string> ReadZipRecord(const base::RandomAccessFile& file,
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

absl::Status CheckIsZip(const base::RandomAccessFile& file) {
  constexpr uint64_t kMagicBytes = 4;
  MOE_ASSIGN_OR_RETURN(const PtFormat format, ReadPtFormat(file));
  if (format == PtFormat::kZip) return absl::OkStatus();
  if (format == PtFormat::kLegacyPickle) {
    return absl::UnimplementedError(
        "expected a zip archive, found the format of torch.save before "
        "PyTorch 1.6; write it again in Python: torch.save(torch.load(old, "
        "map_location=\"cpu\"), new)");
  }
  if (file.size_bytes() < kMagicBytes) {
    return absl::DataLossError(
        absl::StrCat("truncated: expected a zip archive, found ",
                     file.size_bytes(), " bytes"));
  }
  return absl::InvalidArgumentError(
      "expected a .pt file, a zip archive as torch.save writes it, found "
      "another start");
}

// The records of a file that torch.save wrote, without the folder that holds
// them all.
class PtRecords {
 public:
  static absl::StatusOr<PtRecords> Open(const base::RandomAccessFile& file) {
    MOE_ASSIGN_OR_RETURN(std::vector<ZipRecord> records,
                         ReadZipDirectory(file));
    PtRecords result(file);
    if (records.empty()) return result;
    const std::string folder =
        records[0].name.substr(0, records[0].name.find('/') + 1);
    for (ZipRecord& record : records) {
      if (!absl::StartsWith(record.name, folder)) continue;
      std::string name = record.name.substr(folder.size());
      result.records_.emplace(std::move(name), std::move(record));
    }
    return result;
  }

  bool Has(absl::string_view name) const { return records_.contains(name); }

  // The bytes of a record that must be there.
  absl::StatusOr<std::string> Read(absl::string_view name) const {
    const auto found = records_.find(name);
    if (found != records_.end()) return ReadZipRecord(*file_, found->second);
    return absl::InvalidArgumentError(
        absl::StrCat("expected a record ", name,
                     " in the archive, found none; write the file with "
                     "torch.save(dict, path) in Python"));
  }

 private:
  explicit PtRecords(const base::RandomAccessFile& file) : file_(&file) {}

  const base::RandomAccessFile* file_;
  absl::flat_hash_map<std::string, ZipRecord> records_;
};

absl::Status CheckByteOrder(const PtRecords& records) {
  if (!records.Has("byteorder")) return absl::OkStatus();
  MOE_ASSIGN_OR_RETURN(const std::string order, records.Read("byteorder"));
  if (order == "little") return absl::OkStatus();
  return absl::UnimplementedError(
      absl::StrCat("byteorder: expected \"little\", found \"", order,
                   "\"; write the file on a little-endian machine"));
}

absl::StatusOr<PtValue> ReadArchive(const base::RandomAccessFile& file) {
  MOE_RETURN_IF_ERROR(CheckIsZip(file));
  MOE_ASSIGN_OR_RETURN(const PtRecords records, PtRecords::Open(file));
  MOE_RETURN_IF_ERROR(CheckByteOrder(records));
  MOE_ASSIGN_OR_RETURN(const std::string pickle, records.Read("data.pkl"));
  return ParsePtPickle(
      pickle,
      [&](absl::string_view key) {
        return records.Read(absl::StrCat("data/", key));
      },
      PtLimitsOf(pickle.size(), file.size_bytes()));
}

}  // namespace

absl::StatusOr<PtValue> ReadPtFile(absl::string_view path) {
  MOE_ASSIGN_OR_RETURN(const base::RandomAccessFile file,
                       base::RandomAccessFile::Open(path));
  absl::StatusOr<PtValue> value = ReadArchive(file);
  if (!value.ok()) return base::Annotate(value.status(), path);
  return value;
}

absl::Status CheckPtWriter() {
  return MOE_TORCH_FUNCTION(llama_moe_torch_format_pt).status();
}

absl::Status WritePtFile(const PtValue& value, absl::string_view path,
                         bool overwrite) {
  MOE_ASSIGN_OR_RETURN(auto* const format,
                       MOE_TORCH_FUNCTION(llama_moe_torch_format_pt));
  absl::StatusOr<std::string> archive = std::string();
  format(value, archive);
  if (!archive.ok()) return base::Annotate(archive.status(), path);
  return base::WriteFileAtomically(
      path, overwrite,
      [&](base::WritableFile& file) { return file.Append(*archive); });
}

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

absl::StatusOr<PtFormat> ReadPtFormat(const base::RandomAccessFile& file) {
  std::string bytes(std::min<uint64_t>(kPtFormatBytes, file.size_bytes()),
                    '\0');
  MOE_RETURN_IF_ERROR(file.Read(0, absl::MakeSpan(bytes)));
  return PtFormatOf(bytes);
}

absl::StatusOr<bool> IsPtFile(const base::RandomAccessFile& file) {
  MOE_ASSIGN_OR_RETURN(const PtFormat format, ReadPtFormat(file));
  return format != PtFormat::kNone;
}

}  // namespace moe::checkpoint
