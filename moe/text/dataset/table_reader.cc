#include "moe/text/dataset/table_reader.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/text/dataset/byte_stream.h"
#include "moe/text/dataset/row_reader.h"

namespace moe {
namespace {

// What has been read of a record's fields, and how much is still allowed.
class FieldBuffer {
 public:
  FieldBuffer(size_t max_bytes, std::string& field)
      : max_bytes_(max_bytes), field_(field) {}

  void Take(char c) {
    if (field_.size() < max_bytes_) {
      field_.push_back(c);
    } else {
      is_too_long_ = true;
    }
  }
  bool is_too_long() const { return is_too_long_; }

 private:
  const size_t max_bytes_;
  std::string& field_;
  bool is_too_long_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RowReader>> TableReader::Open(
    std::unique_ptr<CompressedFileReader> file, char separator,
    absl::string_view text_column, size_t max_row_bytes) {
  auto reader = absl::WrapUnique(
      new TableReader(std::move(file), separator, max_row_bytes));
  MOE_ASSIGN_OR_RETURN(const std::optional<Record> header,
                       reader->NextRecord());
  if (!header.has_value()) {
    return absl::InvalidArgumentError(
        "the table is empty; wanted is a line with the columns' names");
  }
  MOE_RETURN_IF_ERROR(Annotate(header->status, "the table's header"));
  MOE_RETURN_IF_ERROR(reader->ChooseColumn(header->fields, text_column));
  return std::unique_ptr<RowReader>(std::move(reader));
}

absl::Status TableReader::ChooseColumn(const std::vector<std::string>& names,
                                       absl::string_view text_column) {
  constexpr absl::string_view kDefault = "text";
  const absl::string_view wanted = text_column.empty() ? kDefault : text_column;
  num_columns_ = names.size();
  const auto found = std::find(names.begin(), names.end(), wanted);
  if (found != names.end()) {
    column_ = static_cast<size_t>(found - names.begin());
    return absl::OkStatus();
  }
  if (text_column.empty() && names.size() == 1) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the table has no column \"", wanted,
                   "\"; name one of its columns with --text_column: ",
                   absl::StrJoin(names, ", ")));
}

bool TableReader::TakeField(Record& record, std::string& field) {
  FieldBuffer buffer(max_row_bytes_, field);
  bool in_quotes = false;
  bool is_start = true;
  bool goes_on = false;
  for (std::optional<char> next = bytes_.Peek(); next.has_value();
       next = bytes_.Peek()) {
    bytes_.Skip();
    if (in_quotes) {
      if (*next != '"') {
        buffer.Take(*next);
      } else if (bytes_.Peek() == '"') {
        bytes_.Skip();
        buffer.Take('"');
      } else {
        in_quotes = false;
      }
    } else if (*next == '"' && is_start) {
      in_quotes = true;
    } else if (*next == separator_) {
      goes_on = true;
      break;
    } else if (*next == '\n') {
      break;
    } else if (*next != '\r' || bytes_.Peek() != '\n') {
      buffer.Take(*next);
    }
    is_start = false;
  }
  if (in_quotes) {
    has_open_quote_ = true;
  } else if (buffer.is_too_long() && record.status.ok()) {
    record.status = RowTooLong("field", max_row_bytes_);
  }
  return goes_on;
}

absl::StatusOr<std::optional<TableReader::Record>> TableReader::NextRecord() {
  Record record;
  do {
    if (!bytes_.Peek().has_value()) {
      MOE_RETURN_IF_ERROR(bytes_.status());
      return std::optional<Record>();
    }
    record.fields.clear();
    record.line = bytes_.line();
    bool goes_on = true;
    while (goes_on) {
      std::string field;
      goes_on = TakeField(record, field);
      record.fields.push_back(std::move(field));
    }
  } while (record.fields.size() == 1 && record.fields[0].empty() &&
           record.status.ok());
  MOE_RETURN_IF_ERROR(bytes_.status());
  // All that follows would be this one field.
  if (has_open_quote_) {
    return absl::InvalidArgumentError(absl::StrCat(
        file().path(), ":", record.line,
        ": a quoted field has no end; wanted is a '\"' behind it"));
  }
  return std::optional<Record>(std::move(record));
}

absl::StatusOr<std::optional<Row>> TableReader::Next() {
  MOE_ASSIGN_OR_RETURN(std::optional<Record> record, NextRecord());
  if (!record.has_value()) return std::optional<Row>();
  Row row;
  row.is_text = true;
  row.line = record->line;
  row.status = record->status;
  if (!row.status.ok()) return std::optional<Row>(std::move(row));
  if (record->fields.size() == num_columns_) {
    row.text = std::move(record->fields[column_]);
  } else {
    row.status = absl::InvalidArgumentError(
        absl::StrCat("the record has ", record->fields.size(),
                     " fields; wanted are ", num_columns_,
                     ", as in the header; a field with a separator or a line "
                     "break stands in double quotes"));
  }
  return std::optional<Row>(std::move(row));
}

}  // namespace moe
