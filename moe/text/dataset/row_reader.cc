#include "moe/text/dataset/row_reader.h"

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
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "moe/base/file_system.h"
#include "moe/base/json.h"
#include "moe/base/status_macros.h"
#include "moe/text/dataset/compressed_file.h"
#include "moe/text/dataset/dataset_options.pb.h"

namespace moe::text {
namespace {

enum class RowFormat { kJsonLines, kJsonArray, kCsv, kTsv, kText };

class JsonLinesReader : public RowReader {
 public:
  JsonLinesReader(LineReader lines, size_t max_row_bytes)
      : lines_(std::move(lines)), max_row_bytes_(max_row_bytes) {}

  absl::StatusOr<std::optional<Row>> Next() override {
    MOE_ASSIGN_OR_RETURN(std::optional<Line> line, lines_.Next());
    if (!line.has_value()) return std::optional<Row>();
    Row row;
    row.text = std::move(line->text);
    row.line = line->number;
    if (line->too_long) row.status = RowTooLong("line", max_row_bytes_);
    return std::optional<Row>(std::move(row));
  }

  const CompressedFileReader& file() const override { return lines_.file(); }

 private:
  LineReader lines_;
  const size_t max_row_bytes_;
};

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Finds the end of an array's element without parsing it.
class ElementEnd {
 public:
  // Whether the byte belongs to the element.
  bool Takes(char c) {
    if (is_closed_) return false;
    if (in_string_) {
      if (is_escaped_) {
        is_escaped_ = false;
      } else if (c == '\\') {
        is_escaped_ = true;
      } else if (c == '"') {
        in_string_ = false;
      }
      return true;
    }
    if (c == '"') in_string_ = true;
    if (c == '{' || c == '[') ++depth_;
    if (depth_ == 0 && (c == ',' || c == ']' || c == '}' || IsSpace(c))) {
      return false;
    }
    if (c == '}' || c == ']') is_closed_ = --depth_ == 0;
    return true;
  }

 private:
  int64_t depth_ = 0;
  bool in_string_ = false;
  bool is_escaped_ = false;
  bool is_closed_ = false;  // The first bracket is closed.
};

// Reads the elements of a file that is one JSON array.
class JsonArrayReader : public RowReader {
 public:
  JsonArrayReader(std::unique_ptr<CompressedFileReader> file,
                  size_t max_row_bytes)
      : bytes_(std::move(file)), max_row_bytes_(max_row_bytes) {}

  absl::StatusOr<std::optional<Row>> Next() override {
    if (is_done_) return std::optional<Row>();
    MOE_ASSIGN_OR_RETURN(const bool has_element, FindElement());
    if (!has_element) return std::optional<Row>();
    Row row = TakeElement();
    MOE_RETURN_IF_ERROR(bytes_.status());
    return std::optional<Row>(std::move(row));
  }

  const CompressedFileReader& file() const override { return bytes_.file(); }

 private:
  // The next byte that is not white space.
  std::optional<char> PeekSign() {
    std::optional<char> next = bytes_.Peek();
    while (next.has_value() && IsSpace(*next)) {
      bytes_.Skip();
      next = bytes_.Peek();
    }
    return next;
  }

  // Takes the bracket or comma before the next element; false at the array's
  // end.
  absl::StatusOr<bool> FindElement() {
    const absl::string_view expected =
        is_first_ ? "'[' before the array" : "',' or ']' after an element";
    const std::optional<char> next = PeekSign();
    if (!is_first_ && next == ']') return TakeEnd();
    if (next != (is_first_ ? '[' : ',')) return WrongSign(expected);
    bytes_.Skip();
    const std::optional<char> element = PeekSign();
    if (is_first_ && element == ']') return TakeEnd();
    is_first_ = false;
    if (!element.has_value() || *element == ',' || *element == ']') {
      return WrongSign("an element");
    }
    return true;
  }

  // Takes the closing bracket; false, as there is no element.
  absl::StatusOr<bool> TakeEnd() {
    bytes_.Skip();
    is_done_ = true;
    if (PeekSign().has_value()) {
      return WrongSign("the end of the file after its ']'");
    }
    MOE_RETURN_IF_ERROR(bytes_.status());
    return false;
  }

  Row TakeElement() {
    Row row;
    row.line = bytes_.line();
    ElementEnd end;
    bool is_too_long = false;
    for (std::optional<char> next = bytes_.Peek();
         next.has_value() && end.Takes(*next); next = bytes_.Peek()) {
      bytes_.Skip();
      if (row.text.size() == max_row_bytes_) is_too_long = true;
      if (!is_too_long) row.text.push_back(*next);
    }
    if (is_too_long) {
      row.status = RowTooLong("element of the array", max_row_bytes_);
      std::string().swap(row.text);
    }
    return row;
  }

  absl::Status WrongSign(absl::string_view expected) {
    MOE_RETURN_IF_ERROR(bytes_.status());
    const std::optional<char> next = bytes_.Peek();
    return absl::InvalidArgumentError(absl::StrCat(
        file().path(), ":", bytes_.line(), ": the JSON array: expected ",
        expected, ", found ",
        next.has_value() ? absl::StrCat("'", std::string(1, *next), "'")
                         : "the end of the file"));
  }

  ByteStream bytes_;
  const size_t max_row_bytes_;
  bool is_first_ = true;
  bool is_done_ = false;
};

// Adds characters to a field up to a limit.
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

// Reads the texts of one column of a CSV or TSV file (RFC 4180): fields between
// separators, records between line ends (LF or CRLF). A field in double quotes
// may hold both, and a quote as two. As in Python's csv module, text after a
// closing quote belongs to the field.
class TableReader : public RowReader {
 public:
  // Reads the header. `text_column` names a column; if it is empty, the reader
  // takes "text", or the only column. InvalidArgument, with the names, if the
  // table does not have the column.
  static absl::StatusOr<std::unique_ptr<RowReader>> OpenTable(
      std::unique_ptr<CompressedFileReader> file, char separator,
      absl::string_view text_column, size_t max_row_bytes) {
    auto reader = absl::WrapUnique(
        new TableReader(std::move(file), separator, max_row_bytes));
    MOE_ASSIGN_OR_RETURN(const std::optional<Record> header,
                         reader->NextRecord());
    if (!header.has_value()) {
      return absl::InvalidArgumentError(
          "the table: expected a line with the columns' names, found none");
    }
    MOE_RETURN_IF_ERROR(base::Annotate(header->status, "the table's header"));
    MOE_RETURN_IF_ERROR(reader->ChooseColumn(header->fields, text_column));
    return std::unique_ptr<RowReader>(std::move(reader));
  }

  absl::StatusOr<std::optional<Row>> Next() override {
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
      row.status = absl::InvalidArgumentError(absl::StrCat(
          "the record: expected ", num_columns_,
          " fields, as in the header, found ", record->fields.size(),
          "; put a field with a separator or a line break in "
          "double quotes"));
    }
    return std::optional<Row>(std::move(row));
  }

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

  absl::Status ChooseColumn(const std::vector<std::string>& names,
                            absl::string_view text_column) {
    constexpr absl::string_view kDefault = "text";
    const absl::string_view name = text_column.empty() ? kDefault : text_column;
    num_columns_ = names.size();
    const auto found = std::find(names.begin(), names.end(), name);
    if (found != names.end()) {
      column_ = static_cast<size_t>(found - names.begin());
      return absl::OkStatus();
    }
    if (text_column.empty() && names.size() == 1) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("the table: expected a column \"", name, "\", found ",
                     absl::StrJoin(names, ", "),
                     "; name one of its columns with --text_column"));
  }

  // Takes a field; true if another follows in the record.
  bool TakeField(Record& record, std::string& field) {
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

  // The next record that is not blank; none at the end.
  absl::StatusOr<std::optional<Record>> NextRecord() {
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
          ": a quoted field: expected a '\"' at its end, found none"));
    }
    return std::optional<Record>(std::move(record));
  }

  ByteStream bytes_;
  const char separator_;
  const size_t max_row_bytes_;
  size_t num_columns_ = 0;
  size_t column_ = 0;
  bool has_open_quote_ = false;  // At the end of the file.
};

// Reads documents. Line ends become LF, as Python reads text.
class TextReader : public RowReader {
 public:
  TextReader(std::unique_ptr<CompressedFileReader> file, bool by_paragraphs,
             size_t max_row_bytes)
      : bytes_(std::move(file)),
        by_paragraphs_(by_paragraphs),
        max_row_bytes_(max_row_bytes) {}

  absl::StatusOr<std::optional<Row>> Next() override {
    if (is_done_) return std::optional<Row>();
    Row row;
    row.is_text = true;
    row.line = bytes_.line();
    std::string line;
    bool has_begun = !by_paragraphs_;
    while (TakeLine(line)) {
      const bool is_blank = absl::StripAsciiWhitespace(line).empty();
      if (!by_paragraphs_ || !is_blank) {
        has_begun = true;
        Append(line, row);
      } else if (!has_begun) {
        row.line = bytes_.line();
      } else {
        break;
      }
    }
    MOE_RETURN_IF_ERROR(bytes_.status());
    is_done_ = !bytes_.Peek().has_value();
    if (!has_begun) return std::optional<Row>();
    if (by_paragraphs_) Trim(row);
    return std::optional<Row>(std::move(row));
  }

  const CompressedFileReader& file() const override { return bytes_.file(); }

 private:
  // Takes a line with its end, up to the limit; false at the end of the file.
  bool TakeLine(std::string& line) {
    line.clear();
    std::optional<char> next = bytes_.Peek();
    if (!next.has_value()) return false;
    for (; next.has_value(); next = bytes_.Peek()) {
      bytes_.Skip();
      if (*next == '\r' && bytes_.Peek() == '\n') continue;
      if (line.size() <= max_row_bytes_) line.push_back(*next);
      if (*next == '\n') break;
    }
    return true;
  }

  void Append(const std::string& line, Row& row) const {
    if (!row.status.ok()) return;
    if (row.text.size() + line.size() <= max_row_bytes_) {
      row.text += line;
      return;
    }
    std::string().swap(row.text);
    row.status = RowTooLong(by_paragraphs_ ? "paragraph"
                                           : "file (one document without "
                                             "--split_documents=blank_line)",
                            max_row_bytes_);
  }

  static void Trim(Row& row) {
    if (absl::EndsWith(row.text, "\n")) row.text.pop_back();
  }

  ByteStream bytes_;
  const bool by_paragraphs_;
  const size_t max_row_bytes_;
  bool is_done_ = false;
};

// The first bytes of the contents.
absl::StatusOr<std::string> ReadStart(const std::string& path) {
  constexpr size_t kStartBytes = size_t{64} << 10;
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<CompressedFileReader> file,
                       CompressedFileReader::Open(path));
  std::string start(kStartBytes, '\0');
  size_t size = 0;
  while (size < start.size()) {
    // The file's reader reports an error, with the line.
    const absl::StatusOr<size_t> read =
        file->Read(absl::MakeSpan(start).subspan(size));
    if (!read.ok() || *read == 0) break;
    size += *read;
  }
  start.resize(size);
  return start;
}

absl::Status WrongFormat(absl::string_view what, absl::string_view remedy) {
  return absl::InvalidArgumentError(absl::StrCat(
      "expected JSON lines, a JSON array, CSV, TSV or text in UTF-8, found ",
      what, "; ", remedy));
}

absl::Status CheckEncoding(absl::string_view start) {
  const bool is_utf16 =
      absl::StartsWith(start, "\xff\xfe") ||
      absl::StartsWith(start, "\xfe\xff") ||
      (start.size() >= 2 && (start[0] == '\0') != (start[1] == '\0'));
  if (!is_utf16) return absl::OkStatus();
  return WrongFormat("UTF-16",
                     "convert it with iconv -f UTF-16 -t UTF-8 FILE > NEW");
}

absl::Status CheckFormat(absl::string_view name, absl::string_view start) {
  constexpr absl::string_view kRows =
      "make JSON lines of it with python3 -c \"import datasets; "
      "datasets.load_dataset('parquet', data_files='FILE', split='train')"
      ".to_json('NEW.jsonl')\"";
  if (absl::StartsWith(start, "PAR1") || absl::EndsWith(name, ".parquet")) {
    return WrongFormat("Parquet", kRows);
  }
  if (absl::StartsWith(start, "ARROW1") || absl::EndsWith(name, ".arrow")) {
    return WrongFormat(
        "Arrow",
        "make JSON lines of it with python3 -c \"import datasets; "
        "datasets.Dataset.from_file('FILE').to_json('NEW.jsonl')\"");
  }
  if (absl::StartsWith(start, "PK\x03\x04")) {
    return WrongFormat("a zip archive", "take its files out with unzip FILE");
  }
  return CheckEncoding(start);
}

bool StartsWithJsonObject(absl::string_view text) {
  const absl::string_view line = text.substr(0, text.find('\n'));
  return absl::StartsWith(text, "{") && base::ParseJsonObject(line).ok();
}

RowFormat FormatOf(absl::string_view name, absl::string_view start) {
  absl::ConsumePrefix(&start, kByteOrderMark);
  const absl::string_view text = absl::StripLeadingAsciiWhitespace(start);
  for (const auto& [end, format] :
       {std::pair(".csv", RowFormat::kCsv), std::pair(".tsv", RowFormat::kTsv),
        std::pair(".txt", RowFormat::kText), std::pair(".md", RowFormat::kText),
        std::pair(".raw", RowFormat::kText)}) {
    if (!absl::EndsWith(name, end)) continue;
    return StartsWithJsonObject(text) ? RowFormat::kJsonLines : format;
  }
  return absl::StartsWith(text, "[") ? RowFormat::kJsonArray
                                     : RowFormat::kJsonLines;
}

absl::StatusOr<std::unique_ptr<RowReader>> OpenAs(
    RowFormat format, const std::string& path, const TokenizeOptions& options,
    size_t max_row_bytes) {
  if (format == RowFormat::kJsonLines) {
    MOE_ASSIGN_OR_RETURN(LineReader lines,
                         LineReader::Open(path, max_row_bytes));
    return std::make_unique<JsonLinesReader>(std::move(lines), max_row_bytes);
  }
  MOE_ASSIGN_OR_RETURN(std::unique_ptr<CompressedFileReader> file,
                       CompressedFileReader::Open(path));
  switch (format) {
    case RowFormat::kJsonArray:
      return std::make_unique<JsonArrayReader>(std::move(file), max_row_bytes);
    case RowFormat::kCsv:
    case RowFormat::kTsv:
      return TableReader::OpenTable(std::move(file),
                                    format == RowFormat::kCsv ? ',' : '\t',
                                    options.text_column(), max_row_bytes);
    default:
      return std::make_unique<TextReader>(
          std::move(file),
          options.split_documents() == TokenizeOptions::BLANK_LINE,
          max_row_bytes);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<RowReader>> RowReader::Open(
    const std::string& path, const TokenizeOptions& options,
    size_t max_row_bytes) {
  std::string name = absl::AsciiStrToLower(base::SplitPath(path).name);
  absl::string_view plain = name;
  if (!absl::ConsumeSuffix(&plain, ".gz")) absl::ConsumeSuffix(&plain, ".zst");
  MOE_ASSIGN_OR_RETURN(const std::string start, ReadStart(path));
  MOE_RETURN_IF_ERROR(base::Annotate(CheckFormat(plain, start), path));
  absl::StatusOr<std::unique_ptr<RowReader>> reader =
      OpenAs(FormatOf(plain, start), path, options, max_row_bytes);
  const bool names_path = absl::StrContains(reader.status().message(), path);
  if (reader.ok() || names_path) return reader;
  return base::Annotate(reader.status(), path);
}

absl::Status RowTooLong(absl::string_view what, size_t max_row_bytes) {
  return absl::ResourceExhaustedError(
      absl::StrCat("the ", what, ": expected at most ", max_row_bytes,
                   " bytes, found more"));
}

}  // namespace moe::text
