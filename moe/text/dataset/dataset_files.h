// The files of a dataset, which is one file or a directory of them.

#ifndef MOE_TEXT_DATASET_DATASET_FILES_H_
#define MOE_TEXT_DATASET_DATASET_FILES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace moe {

struct DatasetFiles {
  // In the order in which they are read.
  std::vector<std::string> paths;
  // What else lies in the directory, by name: passed over.
  std::vector<std::string> passed_over;
};

// A file stands for itself, whatever it is called. Of a directory, the files
// whose names end with .jsonl or .json, or where there are none with .csv, .tsv
// or .txt, and these with .gz or .zst behind, in the order of their names'
// bytes. Passed over are names that start with a dot, what describes a dataset
// (dataset_info.json, state.json, README.txt, LICENSE.txt and the like), other
// names and directories inside. NotFound if there is nothing at `path`,
// InvalidArgument if a directory has no such file; it names Parquet and Arrow
// files, which are not read.
absl::StatusOr<DatasetFiles> ListDatasetFiles(absl::string_view path);

// Whether the file starts as a safetensors file does, which no text of JSON
// lines and no compressed file can. Errors of RandomAccessFile.
absl::StatusOr<bool> IsSafetensorsFile(absl::string_view path);

}  // namespace moe

#endif  // MOE_TEXT_DATASET_DATASET_FILES_H_
