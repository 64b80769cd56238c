#include "moe/text/dataset/tokenize_dataset.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/file_system.h"
#include "moe/base/options/options.h"
#include "moe/base/progress.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/text/dataset/chat_template.h"
#include "moe/text/dataset/compressed_file.h"
#include "moe/text/dataset/dataset_files.h"
#include "moe/text/dataset/dataset_options.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/dataset/dataset_report.h"
#include "moe/text/dataset/embedding_rows.h"
#include "moe/text/dataset/encode_record.h"
#include "moe/text/dataset/record.h"
#include "moe/text/dataset/row_reader.h"
#include "moe/text/dataset/token_sequences.h"
#include "moe/text/tokenizer/unicode.h"

namespace moe::text {
namespace {

// What is read before the threads set to work: enough to keep them busy.
constexpr size_t kBlockBytes = size_t{8} << 20;
constexpr size_t kBlockRows = 4096;
// Rows that a thread takes at once.
constexpr int64_t kGrain = 4;

absl::Status CheckUtf8(absl::string_view text) {
  if (IsWellFormedUtf8(text)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "the row is not UTF-8; if the file is in Windows-1252 or Latin-1, iconv "
      "-f WINDOWS-1252 -t UTF-8 FILE > NEW makes a file that is");
}

// Where a row in JSON has NaN or Infinity, which Python writes and JSON does
// not have; empty where it has neither.
std::string FindNonFinite(absl::string_view row) {
  bool in_string = false;
  for (size_t i = 0; i < row.size(); ++i) {
    if (in_string && row[i] == '\\') {
      ++i;
    } else if (row[i] == '"') {
      in_string = !in_string;
    } else if (!in_string) {
      for (const absl::string_view word : {"NaN", "Infinity"}) {
        if (absl::StartsWith(row.substr(i), word)) {
          return absl::StrCat("expected a number or null at byte ", i + 1,
                              ", found ", word, ", which is not JSON");
        }
      }
    }
  }
  return "";
}

absl::StatusOr<Record> RecordOf(const Row& row, int64_t vocab_size,
                                const std::string& text_column) {
  MOE_RETURN_IF_ERROR(row.status);
  MOE_RETURN_IF_ERROR(CheckUtf8(row.text));
  if (row.is_text) return Record(PlainText{row.text});
  absl::StatusOr<Record> record =
      ParseRecord(row.text, vocab_size, text_column);
  if (record.ok()) return record;
  const std::string non_finite = FindNonFinite(row.text);
  if (non_finite.empty()) return record;
  return absl::InvalidArgumentError(non_finite);
}

// A parser's message may quote as much of the line as there is.
absl::Status CutMessage(const absl::Status& status) {
  constexpr size_t kMaxBytes = 400;
  if (status.message().size() <= kMaxBytes) return status;
  return absl::Status(
      status.code(),
      absl::StrCat(status.message().substr(0, kMaxBytes), "..."));
}

// The JSON parser would say less.
absl::Status CheckHoldsLines(const std::string& path) {
  MOE_ASSIGN_OR_RETURN(const bool is_safetensors, IsSafetensorsFile(path));
  if (!is_safetensors) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      path,
      ": expected JSON lines, a JSON array, CSV, TSV or text, found a "
      "safetensors file; give a token artifact directly to the commands that "
      "take a dataset"));
}

// Reads files one after another and gathers what they hold.
class DatasetTokenizer {
 public:
  DatasetTokenizer(const TokenizeRequest& request, const RecordEncoder& encoder,
                   base::ThreadPool& pool, base::Progress& progress)
      : request_(request),
        encoder_(encoder),
        pool_(pool),
        progress_(progress) {}

  absl::Status ReadFile(const std::string& path) {
    MOE_RETURN_IF_ERROR(CheckHoldsLines(path));
    MOE_ASSIGN_OR_RETURN(const std::unique_ptr<RowReader> reader,
                         RowReader::Open(path, request_.options));
    const CompressedFileReader& file = reader->file();
    uint64_t position = 0;
    while (!IsDone()) {
      MOE_ASSIGN_OR_RETURN(const std::vector<Row> rows, ReadBlock(*reader));
      if (rows.empty()) break;
      MOE_RETURN_IF_ERROR(EncodeBlock(path, rows));
      progress_.Advance(static_cast<int64_t>(file.position_bytes() - position));
      position = file.position_bytes();
    }
    std::optional<std::string> digest = file.HexDigest();
    if (digest.has_value()) {
      result_.sources.push_back(
          {base::SplitPath(path).name, file.size_bytes(), *std::move(digest)});
    }
    return absl::OkStatus();
  }

  bool IsDone() const {
    return result_.sequences.num_sequences() >= request_.max_sequences;
  }

  TokenizedDataset TakeResult() { return std::move(result_); }

 private:
  static absl::StatusOr<std::vector<Row>> ReadBlock(RowReader& reader) {
    std::vector<Row> rows;
    size_t num_bytes = 0;
    while (num_bytes < kBlockBytes && rows.size() < kBlockRows) {
      absl::StatusOr<std::optional<Row>> row = reader.Next();
      MOE_RETURN_IF_ERROR(row.status());
      if (!row->has_value()) break;
      num_bytes += (*row)->text.size();
      rows.push_back(**std::move(row));
    }
    return rows;
  }

  absl::StatusOr<EncodedRecord> EncodeRow(const Row& row) const {
    MOE_ASSIGN_OR_RETURN(
        Record record,
        RecordOf(row, request_.vocab_size, request_.options.text_column()));
    MOE_ASSIGN_OR_RETURN(EncodedRecord encoded,
                         EncodeRecord(encoder_, std::move(record)));
    if (request_.embedding_rows.has_value()) {
      MOE_RETURN_IF_ERROR(CheckTokensFit(encoded.input_ids, request_.tokenizer,
                                         *request_.embedding_rows));
    }
    return encoded;
  }

  absl::Status EncodeBlock(const std::string& path,
                           const std::vector<Row>& rows) {
    std::vector<absl::StatusOr<EncodedRecord>> records(rows.size());
    pool_.ParallelFor(0, static_cast<int64_t>(rows.size()), kGrain,
                      [&](int64_t begin, int64_t end) {
                        for (int64_t i = begin; i < end; ++i) {
                          const size_t k = static_cast<size_t>(i);
                          records[k] = EncodeRow(rows[k]);
                        }
                      });
    for (size_t k = 0; k < rows.size() && !IsDone(); ++k) {
      ++result_.report.num_lines;
      if (records[k].ok()) {
        Add(*records[k]);
        continue;
      }
      const absl::Status status = CutMessage(records[k].status());
      const auto in = [&](absl::string_view file) {
        return base::Annotate(status, absl::StrCat(file, ":", rows[k].line));
      };
      if (!request_.options.skip_bad_lines()) return in(path);
      result_.report.AddBadLine(in(base::SplitPath(path).name));
    }
    return absl::OkStatus();
  }

  void Add(const EncodedRecord& record) {
    DatasetReport& report = result_.report;
    if (record.input_ids.empty()) {
      ++report.num_empty_rows;
      return;
    }
    result_.sequences.Append(record.input_ids, record.labels);
    report.num_texts_with_special_tokens +=
        record.num_texts_with_special_tokens;
    if (record.num_truncated_tokens == 0) return;
    ++report.num_truncated_sequences;
    report.num_truncated_tokens += record.num_truncated_tokens;
  }

  const TokenizeRequest& request_;
  const RecordEncoder encoder_;
  base::ThreadPool& pool_;
  base::Progress& progress_;
  TokenizedDataset result_;
};

absl::StatusOr<int64_t> TotalBytes(const std::vector<std::string>& paths) {
  uint64_t total = 0;
  for (const std::string& path : paths) {
    MOE_ASSIGN_OR_RETURN(const base::RandomAccessFile file,
                         base::RandomAccessFile::Open(path));
    total += file.size_bytes();
  }
  return static_cast<int64_t>(total);
}

absl::Status CheckNotEmpty(const TokenizeRequest& request,
                           const DatasetReport& report) {
  if (report.num_lines == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(request.path, ": expected at least one line, found none"));
  }
  const int64_t num_left = report.num_lines - report.num_bad_lines;
  if (num_left > report.num_empty_rows) return absl::OkStatus();
  if (num_left > 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        request.path, ": all of the dataset's ", report.num_lines,
        " rows are empty", num_left < report.num_lines ? " or bad" : ""));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(request.path, ": all of the dataset's ", report.num_lines,
                   " lines are bad; the first: ", report.bad_lines[0]));
}

absl::StatusOr<TokenizedDataset> ReadFiles(const TokenizeRequest& request,
                                           const RecordEncoder& encoder,
                                           base::ThreadPool& pool,
                                           base::Progress& progress) {
  MOE_ASSIGN_OR_RETURN(const DatasetFiles files,
                       ListDatasetFiles(request.path));
  MOE_ASSIGN_OR_RETURN(const int64_t total_bytes, TotalBytes(files.paths));
  DatasetTokenizer reader(request, encoder, pool, progress);
  progress.Start("tokenizing", total_bytes, "bytes");
  for (const std::string& path : files.paths) {
    if (reader.IsDone()) break;
    MOE_RETURN_IF_ERROR(reader.ReadFile(path));
  }
  progress.Finish();
  TokenizedDataset dataset = reader.TakeResult();
  dataset.report.files_passed_over = files.passed_over;
  MOE_RETURN_IF_ERROR(CheckNotEmpty(request, dataset.report));
  return dataset;
}

}  // namespace

absl::StatusOr<TokenizedDataset> TokenizeDataset(const TokenizeRequest& request,
                                                 base::ThreadPool& pool,
                                                 base::Progress& progress) {
  MOE_RETURN_IF_ERROR(base::CheckOptions(request.options));
  RecordEncoder encoder;
  encoder.tokenizer = request.tokenizer;
  encoder.model_max_length = ModelMaxLength(request.options);
  std::optional<ChatTemplate> chat_template;
  if (request.tokenizer != nullptr) {
    MOE_ASSIGN_OR_RETURN(
        chat_template,
        ChatTemplate::Create(request.options.chat_template(),
                             request.options.keep_system(), *request.tokenizer,
                             request.chat_template));
    encoder.chat_template = &*chat_template;
  }
  MOE_ASSIGN_OR_RETURN(TokenizedDataset dataset,
                       ReadFiles(request, encoder, pool, progress));
  if (chat_template.has_value()) {
    dataset.chat_template = chat_template->kind();
    dataset.chat_template_digest = chat_template->digest();
  }
  CountTokens(dataset.sequences, dataset.report);
  return dataset;
}

}  // namespace moe::text
