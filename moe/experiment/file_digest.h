// Files by name, size and SHA-256: how a lock says which model, which data and
// which result it means.

#ifndef MOE_EXPERIMENT_FILE_DIGEST_H_
#define MOE_EXPERIMENT_FILE_DIGEST_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/progress.h"
#include "moe/experiment/experiment_lock.pb.h"

namespace moe {

// Of DIRECTORY/NAME. Errors of reading.
absl::StatusOr<FileDigest> DigestFile(absl::string_view directory,
                                      absl::string_view name);

// The paths of everything of a checkpoint that a step may read: config.json,
// shards, their index, tokenizer and other companion files; sorted. Errors of
// Checkpoint::Open.
absl::StatusOr<std::vector<std::string>> ModelFiles(absl::string_view path);

// The same, digested. Errors of reading too.
absl::StatusOr<std::vector<FileDigest>> DigestModel(absl::string_view path,
                                                    Progress& progress);

// The files of a dataset, sorted by name. Errors of ListDatasetFiles and of
// reading.
absl::StatusOr<std::vector<FileDigest>> DigestData(absl::string_view path);

// Every file of a directory that a step has written, sorted by name, but for
// those of directories in it other than kChatTemplatesFolder; names that start
// with a dot are left out, as what a killed writer left behind has one.
absl::StatusOr<std::vector<FileDigest>> DigestDirectory(absl::string_view path,
                                                        Progress& progress);

// SHA-256 of the lines "SHA256  NAME", as sha256sum writes them.
std::string DigestOfFiles(absl::Span<const FileDigest> files);

bool SameFile(const FileDigest& a, const FileDigest& b);

}  // namespace moe

#endif  // MOE_EXPERIMENT_FILE_DIGEST_H_
