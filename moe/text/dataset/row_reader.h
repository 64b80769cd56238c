// Reads the rows of a dataset's file, one at a time and in bounded memory.
//
//   format                     a row is
//   JSON lines                 a line, one JSON object
//   JSON array                 an element of the array, on one or more lines
//   CSV, TSV                   a record below the header (RFC 4180; TSV has
//   tabs
//                              in place of commas): the text of one column
//   text                       the whole file, or a paragraph: a document
//
// A name that ends with .csv, .tsv, .txt, .md or .raw, before .gz or .zst,
// decides on the format, unless the first line is a JSON object: then the file
// has JSON lines. Any other file is an array if it starts with "[", and has
// JSON lines otherwise.

#ifndef MOE_TEXT_DATASET_ROW_READER_H_
#define MOE_TEXT_DATASET_ROW_READER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/text/dataset/compressed_file.h"
#include "moe/text/dataset/dataset_options.pb.h"

namespace moe::text {

struct Row {
  std::string text;
  // Whether `text` is a document; otherwise it is JSON.
  bool is_text = false;
  // The line where it begins, from 1.
  int64_t line = 0;
  // The error of this row alone, in which case `text` is empty.
  absl::Status status;
};

class RowReader {
 public:
  // Errors of CompressedFileReader. InvalidArgument, with the path and what to
  // do, for a file of another format (Parquet, Arrow, a zip), a file whose
  // first bytes show another encoding than UTF-8, and a table without the
  // column that `options` names. `max_row_bytes` limits a row's text.
  static absl::StatusOr<std::unique_ptr<RowReader>> Open(
      const std::string& path, const TokenizeOptions& options,
      size_t max_row_bytes = kMaxLineBytes);

  virtual ~RowReader() = default;

  // The next row; none at the end. Skips blank lines. An error of the file as a
  // whole ends the reading: those of CompressedFileReader::Read, and
  // InvalidArgument, "path:line: ...", if an array is malformed between its
  // elements. Holds one row and 64 KiB.
  virtual absl::StatusOr<std::optional<Row>> Next() = 0;

  virtual const CompressedFileReader& file() const = 0;
};

// ResourceExhausted: a "line", "element", ... has more than `max_row_bytes`.
absl::Status RowTooLong(absl::string_view what, size_t max_row_bytes);

}  // namespace moe::text

#endif  // MOE_TEXT_DATASET_ROW_READER_H_
