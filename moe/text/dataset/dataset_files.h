// The files of a dataset, which is one file or a directory of them.

#ifndef MOE_TEXT_DATASET_DATASET_FILES_H_
#define MOE_TEXT_DATASET_DATASET_FILES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace moe::text {

struct DatasetFiles {
  // In the order in which they are read.
  std::vector<std::string> paths;
  // The names of everything else in the directory, which is skipped.
  std::vector<std::string> passed_over;
};

// If `path` is a file, it is the dataset, whatever its name. In a directory,
// the dataset is the files whose names end with .jsonl or .json, or if there
// are none with .csv, .tsv or .txt, each possibly followed by .gz or .zst, in
// the order of their names' bytes. Skipped are names that start with a dot,
// files that describe a dataset (dataset_info.json, state.json, README.txt,
// LICENSE.txt and the like), other names, and directories inside. NotFound if
// nothing is at `path`, InvalidArgument if a directory has no such file; the
// message names Parquet and Arrow files, which are not supported.
absl::StatusOr<DatasetFiles> ListDatasetFiles(absl::string_view path);

// Whether the file starts like a safetensors file. JSON lines and compressed
// files cannot start like that. Errors of RandomAccessFile.
absl::StatusOr<bool> IsSafetensorsFile(absl::string_view path);

}  // namespace moe::text

#endif  // MOE_TEXT_DATASET_DATASET_FILES_H_
