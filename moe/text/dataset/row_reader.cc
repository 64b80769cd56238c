#include "moe/text/dataset/row_reader.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "moe/base/file_system.h"
#include "moe/base/json.h"
#include "moe/base/status_macros.h"
#include "moe/text/dataset/byte_stream.h"
#include "moe/text/dataset/compressed_file.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/dataset/json_array_reader.h"
#include "moe/text/dataset/line_reader.h"
#include "moe/text/dataset/table_reader.h"

namespace moe {
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

// Documents. Line ends become LF, as Python reads text.
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
  // With its end; false at the end of the file. What is beyond the limit is
  // passed over.
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
    row.status =
        RowTooLong(by_paragraphs_ ? "paragraph"
                                  : "file, which is one document without "
                                    "--split_documents=blank_line,",
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
    // What is wrong with the file, its reader says with the line.
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
      "the file is ", what,
      "; wanted are JSON lines, a JSON array, CSV, TSV or text in UTF-8: ",
      remedy));
}

absl::Status CheckEncoding(absl::string_view start) {
  const bool is_utf16 =
      absl::StartsWith(start, "\xff\xfe") ||
      absl::StartsWith(start, "\xfe\xff") ||
      (start.size() >= 2 && (start[0] == '\0') != (start[1] == '\0'));
  if (!is_utf16) return absl::OkStatus();
  return WrongFormat("in UTF-16",
                     "iconv -f UTF-16 -t UTF-8 FILE > NEW makes such a one");
}

absl::Status CheckFormat(absl::string_view name, absl::string_view start) {
  constexpr absl::string_view kRows =
      "python3 -c \"import datasets; datasets.load_dataset('parquet', "
      "data_files='FILE', split='train').to_json('NEW.jsonl')\" makes JSON "
      "lines of it";
  if (absl::StartsWith(start, "PAR1") || absl::EndsWith(name, ".parquet")) {
    return WrongFormat("Parquet", kRows);
  }
  if (absl::StartsWith(start, "ARROW1") || absl::EndsWith(name, ".arrow")) {
    return WrongFormat(
        "Arrow",
        "python3 -c \"import datasets; datasets.Dataset.from_file('FILE')"
        ".to_json('NEW.jsonl')\" makes JSON lines of it");
  }
  if (absl::StartsWith(start, "PK\x03\x04")) {
    return WrongFormat("a zip archive", "unzip FILE takes its files out");
  }
  return CheckEncoding(start);
}

bool StartsWithJsonObject(absl::string_view text) {
  const absl::string_view line = text.substr(0, text.find('\n'));
  return absl::StartsWith(text, "{") && ParseJsonObject(line).ok();
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
      return TableReader::Open(std::move(file),
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
  std::string name = absl::AsciiStrToLower(SplitPath(path).name);
  absl::string_view plain = name;
  if (!absl::ConsumeSuffix(&plain, ".gz")) absl::ConsumeSuffix(&plain, ".zst");
  MOE_ASSIGN_OR_RETURN(const std::string start, ReadStart(path));
  MOE_RETURN_IF_ERROR(Annotate(CheckFormat(plain, start), path));
  absl::StatusOr<std::unique_ptr<RowReader>> reader =
      OpenAs(FormatOf(plain, start), path, options, max_row_bytes);
  const bool names_path = absl::StrContains(reader.status().message(), path);
  if (reader.ok() || names_path) return reader;
  return Annotate(reader.status(), path);
}

absl::Status RowTooLong(absl::string_view what, size_t max_row_bytes) {
  return absl::ResourceExhaustedError(
      absl::StrCat("the ", what, " has more than ", max_row_bytes,
                   " bytes, the limit; wanted are rows of at most that size"));
}

}  // namespace moe
