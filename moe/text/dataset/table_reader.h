// The texts of one column of a CSV or TSV file. See row_reader.h; not for use
// elsewhere.

#ifndef MOE_TEXT_DATASET_TABLE_READER_H_
#define MOE_TEXT_DATASET_TABLE_READER_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/text/dataset/byte_stream.h"
#include "moe/text/dataset/compressed_file.h"
#include "moe/text/dataset/row_reader.h"

namespace moe {

// RFC 4180: fields between separators, records between line ends (LF or CRLF);
// a field in double quotes may hold both, and a quote as two. What stands
// behind a closing quote belongs to the field, as in Python's csv module.
class TableReader : public RowReader {
 public:
  // Reads the header. `text_column` is the name of a column; empty takes
  // "text", or the only column that there is. InvalidArgument, with the names,
  // if there is none such.
  static absl::StatusOr<std::unique_ptr<RowReader>> Open(
      std::unique_ptr<CompressedFileReader> file, char separator,
      absl::string_view text_column, size_t max_row_bytes);

  absl::StatusOr<std::optional<Row>> Next() override;
  const CompressedFileReader& file() const override { return bytes_.file(); }

 private:
  struct Record {
    std::vector<std::string> fields;
    int64_t line = 0;
    absl::Status status;
  };

  TableReader(std::unique_ptr<CompressedFileReader> file, char separator,
              size_t max_row_bytes)
      : bytes_(std::move(file)),
        separator_(separator),
        max_row_bytes_(max_row_bytes) {}

  // The next record that is not blank; nothing at the end.
  absl::StatusOr<std::optional<Record>> NextRecord();
  // Whether the record goes on behind the field.
  bool TakeField(Record& record, std::string& field);
  absl::Status ChooseColumn(const std::vector<std::string>& names,
                            absl::string_view text_column);

  ByteStream bytes_;
  const char separator_;
  const size_t max_row_bytes_;
  size_t num_columns_ = 0;
  size_t column_ = 0;
  bool has_open_quote_ = false;  // At the end of the file.
};

}  // namespace moe

#endif  // MOE_TEXT_DATASET_TABLE_READER_H_
