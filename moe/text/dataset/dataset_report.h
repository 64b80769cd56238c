// Numbers on what happened to a dataset's lines, as a text and as JSON.

#ifndef MOE_TEXT_DATASET_DATASET_REPORT_H_
#define MOE_TEXT_DATASET_DATASET_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "moe/base/json.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::text {

// The report counts all bad lines, and lists at most this many.
inline constexpr size_t kMaxListedBadLines = 20;

struct DatasetReport {
  int64_t num_lines = 0;  // Rows read; blank lines do not count.
  // Skipped rows: those without a turn, a character or a token.
  int64_t num_empty_rows = 0;
  int64_t num_bad_lines = 0;
  // The messages of the first kMaxListedBadLines, "file:line: what". The file
  // has no folder, because reports lie beside what is published.
  std::vector<std::string> bad_lines;
  int64_t num_sequences = 0;
  int64_t num_tokens = 0;
  // The tokens that a loss counts: see NumPredictedTokens.
  int64_t num_predicted_tokens = 0;
  // Sequences none of whose tokens a loss counts.
  int64_t num_sequences_without_labels = 0;
  int64_t num_truncated_sequences = 0;
  int64_t num_truncated_tokens = 0;
  // Turns whose text holds special tokens of the chat template.
  int64_t num_texts_with_special_tokens = 0;
  // Names in the directory that do not belong to the dataset.
  std::vector<std::string> files_passed_over;

  void AddBadLine(const absl::Status& status);

  friend bool operator==(const DatasetReport&, const DatasetReport&) = default;
};

// Sets the fields that follow from the sequences themselves.
void CountTokens(const TokenSequences& sequences, DatasetReport& report);

// A line for each number that is not zero, and one for each listed bad line.
std::string FormatDatasetReport(const DatasetReport& report);

// Every field, under its name.
base::Json DatasetReportToJson(const DatasetReport& report);

}  // namespace moe::text

#endif  // MOE_TEXT_DATASET_DATASET_REPORT_H_
