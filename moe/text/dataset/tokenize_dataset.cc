#include "moe/text/dataset/tokenize_dataset.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/file_system.h"
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
#include "moe/text/dataset/encode_record.h"
#include "moe/text/dataset/line_reader.h"
#include "moe/text/dataset/record.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe {
namespace {

// What is read before the threads set to work: enough to keep them busy.
constexpr size_t kBlockBytes = size_t{8} << 20;
constexpr size_t kBlockLines = 4096;
// Lines that a thread takes at once.
constexpr int64_t kGrain = 4;

absl::StatusOr<EncodedRecord> EncodeLine(const RecordEncoder& encoder,
                                         int64_t vocab_size, const Line& line) {
  if (line.too_long) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the line has more than ", kMaxLineBytes,
        " bytes, the limit; wanted is one JSON object a line, of at most that "
        "size"));
  }
  MOE_ASSIGN_OR_RETURN(Record record, ParseRecord(line.text, vocab_size));
  return EncodeRecord(encoder, std::move(record));
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
      " is a safetensors file; wanted are JSON lines (what takes a dataset "
      "takes a token artifact as it is)"));
}

// Reads files one after another and gathers what they hold.
class DatasetTokenizer {
 public:
  DatasetTokenizer(const TokenizeRequest& request, const RecordEncoder& encoder,
                   ThreadPool& pool, Progress& progress)
      : request_(request),
        encoder_(encoder),
        pool_(pool),
        progress_(progress) {}

  absl::Status ReadFile(const std::string& path) {
    MOE_RETURN_IF_ERROR(CheckHoldsLines(path));
    MOE_ASSIGN_OR_RETURN(LineReader reader, LineReader::Open(path));
    uint64_t position = 0;
    while (!IsDone()) {
      MOE_ASSIGN_OR_RETURN(const std::vector<Line> lines, ReadBlock(reader));
      if (lines.empty()) break;
      MOE_RETURN_IF_ERROR(EncodeBlock(path, lines));
      progress_.Advance(
          static_cast<int64_t>(reader.file().position_bytes() - position));
      position = reader.file().position_bytes();
    }
    std::optional<std::string> digest = reader.file().HexDigest();
    if (digest.has_value()) {
      result_.sources.push_back({SplitPath(path).name,
                                 reader.file().size_bytes(),
                                 *std::move(digest)});
    }
    return absl::OkStatus();
  }

  bool IsDone() const {
    return result_.sequences.num_sequences() >= request_.max_sequences;
  }

  TokenizedDataset TakeResult() { return std::move(result_); }

 private:
  static absl::StatusOr<std::vector<Line>> ReadBlock(LineReader& reader) {
    std::vector<Line> lines;
    size_t num_bytes = 0;
    while (num_bytes < kBlockBytes && lines.size() < kBlockLines) {
      absl::StatusOr<std::optional<Line>> line = reader.Next();
      MOE_RETURN_IF_ERROR(line.status());
      if (!line->has_value()) break;
      num_bytes += (*line)->text.size();
      lines.push_back(**std::move(line));
    }
    return lines;
  }

  absl::Status EncodeBlock(const std::string& path,
                           const std::vector<Line>& lines) {
    std::vector<absl::StatusOr<EncodedRecord>> records(lines.size());
    pool_.ParallelFor(0, static_cast<int64_t>(lines.size()), kGrain,
                      [&](int64_t begin, int64_t end) {
                        for (int64_t i = begin; i < end; ++i) {
                          const size_t k = static_cast<size_t>(i);
                          records[k] = EncodeLine(encoder_, request_.vocab_size,
                                                  lines[k]);
                        }
                      });
    for (size_t k = 0; k < lines.size() && !IsDone(); ++k) {
      ++result_.report.num_lines;
      if (records[k].ok()) {
        Add(*records[k]);
        continue;
      }
      const absl::Status status =
          Annotate(CutMessage(records[k].status()),
                   absl::StrCat(path, ":", lines[k].number));
      if (!request_.options.skip_bad_lines()) return status;
      result_.report.AddBadLine(status);
    }
    return absl::OkStatus();
  }

  void Add(const EncodedRecord& record) {
    DatasetReport& report = result_.report;
    result_.sequences.Append(record.input_ids, record.labels);
    report.num_texts_with_special_tokens +=
        record.num_texts_with_special_tokens;
    if (record.num_truncated_tokens == 0) return;
    ++report.num_truncated_sequences;
    report.num_truncated_tokens += record.num_truncated_tokens;
  }

  const TokenizeRequest& request_;
  const RecordEncoder encoder_;
  ThreadPool& pool_;
  Progress& progress_;
  TokenizedDataset result_;
};

absl::StatusOr<int64_t> TotalBytes(const std::vector<std::string>& paths) {
  uint64_t total = 0;
  for (const std::string& path : paths) {
    MOE_ASSIGN_OR_RETURN(const RandomAccessFile file,
                         RandomAccessFile::Open(path));
    total += file.size_bytes();
  }
  return static_cast<int64_t>(total);
}

absl::Status CheckNotEmpty(const TokenizeRequest& request,
                           const DatasetReport& report) {
  if (report.num_lines == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        request.path, ": the dataset has no line; wanted is at least one"));
  }
  if (report.num_lines > report.num_bad_lines) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(request.path, ": all of the dataset's ", report.num_lines,
                   " lines are bad; the first: ", report.bad_lines[0]));
}

absl::StatusOr<TokenizedDataset> ReadFiles(const TokenizeRequest& request,
                                           const RecordEncoder& encoder,
                                           ThreadPool& pool,
                                           Progress& progress) {
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
                                                 ThreadPool& pool,
                                                 Progress& progress) {
  MOE_RETURN_IF_ERROR(ValidateTokenizeOptions(request.options));
  RecordEncoder encoder;
  encoder.tokenizer = request.tokenizer;
  encoder.model_max_length = ModelMaxLength(request.options);
  std::optional<ChatTemplate> chat_template;
  if (request.tokenizer != nullptr) {
    MOE_ASSIGN_OR_RETURN(chat_template,
                         ChatTemplate::Create(request.options.chat_template(),
                                              request.options.keep_system(),
                                              *request.tokenizer));
    encoder.chat_template = &*chat_template;
  }
  MOE_ASSIGN_OR_RETURN(TokenizedDataset dataset,
                       ReadFiles(request, encoder, pool, progress));
  if (chat_template.has_value()) dataset.chat_template = chat_template->kind();
  CountTokens(dataset.sequences, dataset.report);
  return dataset;
}

absl::Status CheckVocabularyFits(int64_t vocab_size, int64_t embedding_rows) {
  if (vocab_size <= embedding_rows) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "the tokenizer has ids up to ", vocab_size - 1,
      ", and the model's embedding has ", embedding_rows,
      " rows (vocab_size); wanted is a tokenizer that belongs to the model"));
}

}  // namespace moe
