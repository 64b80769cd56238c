#include "moe/checkpoint/artifact/pt_bridge.h"

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
#include "moe/base/atomic_write.h"
#include "moe/base/file_system.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/base/torch_plugin.h"
#include "moe/checkpoint/artifact/file_format.h"
#include "moe/checkpoint/artifact/pt_archive.h"
#include "moe/checkpoint/artifact/pt_pickle.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/artifact/zip_directory.h"

namespace moe {
namespace {

using ::moe::internal::ReadZipDirectory;
using ::moe::internal::ReadZipRecord;
using ::moe::internal::ZipRecord;

absl::Status CheckIsZip(const RandomAccessFile& file) {
  constexpr uint64_t kMagicBytes = 4;
  MOE_ASSIGN_OR_RETURN(const PtFormat format, ReadPtFormat(file));
  if (format == PtFormat::kZip) return absl::OkStatus();
  if (format == PtFormat::kLegacyPickle) {
    return absl::UnimplementedError(
        "is in the format of torch.save before PyTorch 1.6; write it again "
        "in Python: torch.save(torch.load(old, map_location=\"cpu\"), new)");
  }
  if (file.size_bytes() < kMagicBytes) {
    return absl::DataLossError(
        absl::StrCat("truncated: it has ", file.size_bytes(), " bytes"));
  }
  return absl::InvalidArgumentError(
      "is not a .pt file: it does not start as a zip archive, which "
      "torch.save writes");
}

// The records of a file that torch.save wrote, without the folder that they all
// lie in.
class PtRecords {
 public:
  static absl::StatusOr<PtRecords> Open(const RandomAccessFile& file) {
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
        absl::StrCat("the archive has no record ", name,
                     "; write the file with torch.save(dict, path) in Python"));
  }

 private:
  explicit PtRecords(const RandomAccessFile& file) : file_(&file) {}

  const RandomAccessFile* file_;
  absl::flat_hash_map<std::string, ZipRecord> records_;
};

absl::Status CheckByteOrder(const PtRecords& records) {
  if (!records.Has("byteorder")) return absl::OkStatus();
  MOE_ASSIGN_OR_RETURN(const std::string order, records.Read("byteorder"));
  if (order == "little") return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat(
      "its byte order is \"", order,
      "\", and \"little\" can be read; write it again on such a machine"));
}

absl::StatusOr<PtValue> ReadArchive(const RandomAccessFile& file) {
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
  MOE_ASSIGN_OR_RETURN(const RandomAccessFile file,
                       RandomAccessFile::Open(path));
  absl::StatusOr<PtValue> value = ReadArchive(file);
  if (!value.ok()) return Annotate(value.status(), path);
  return value;
}

absl::Status WritePtFile(const PtValue& value, absl::string_view path,
                         bool overwrite) {
  MOE_ASSIGN_OR_RETURN(auto* const format,
                       MOE_TORCH_FUNCTION(llama_moe_torch_format_pt));
  absl::StatusOr<std::string> archive = std::string();
  format(value, archive);
  if (!archive.ok()) return Annotate(archive.status(), path);
  return WriteFileAtomically(path, overwrite, [&](WritableFile& file) {
    return file.Append(*archive);
  });
}

}  // namespace moe
