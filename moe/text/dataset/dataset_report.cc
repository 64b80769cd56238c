#include "moe/text/dataset/dataset_report.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "moe/base/escape_control.h"
#include "moe/base/json.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::text {
namespace {

struct Count {
  absl::string_view field;
  absl::string_view title;
  int64_t value = 0;
};

std::vector<Count> Counts(const DatasetReport& report) {
  return {
      {"num_lines", "lines", report.num_lines},
      {"num_empty_rows", "empty rows passed over", report.num_empty_rows},
      {"num_bad_lines", "bad lines left out", report.num_bad_lines},
      {"num_sequences", "sequences", report.num_sequences},
      {"num_tokens", "tokens", report.num_tokens},
      {"num_predicted_tokens", "tokens in the loss",
       report.num_predicted_tokens},
      {"num_sequences_without_labels", "sequences that the loss leaves out",
       report.num_sequences_without_labels},
      {"num_truncated_sequences", "sequences cut short",
       report.num_truncated_sequences},
      {"num_truncated_tokens", "tokens cut off", report.num_truncated_tokens},
      {"num_texts_with_special_tokens", "texts that hold special tokens",
       report.num_texts_with_special_tokens},
  };
}

}  // namespace

void DatasetReport::AddBadLine(const absl::Status& status) {
  ++num_bad_lines;
  if (bad_lines.size() < kMaxListedBadLines) {
    bad_lines.emplace_back(status.message());
  }
}

void CountTokens(const TokenSequences& sequences, DatasetReport& report) {
  report.num_sequences = sequences.num_sequences();
  report.num_tokens = sequences.num_tokens();
  report.num_predicted_tokens = 0;
  report.num_sequences_without_labels = 0;
  for (int64_t i = 0; i < sequences.num_sequences(); ++i) {
    const int64_t count = NumPredictedTokens(sequences.labels(i));
    report.num_predicted_tokens += count;
    if (count == 0) ++report.num_sequences_without_labels;
  }
}

std::string FormatDatasetReport(const DatasetReport& report) {
  std::string text;
  for (const Count& count : Counts(report)) {
    if (count.value == 0) continue;
    absl::StrAppendFormat(&text, "  %-34s %d\n", count.title, count.value);
  }
  if (!report.files_passed_over.empty()) {
    absl::StrAppend(
        &text, "files passed over: ",
        base::EscapeControl(absl::StrJoin(report.files_passed_over, ", ")),
        "\n");
  }
  if (report.bad_lines.empty()) return text;
  absl::StrAppend(&text, "bad lines:\n");
  for (const std::string& line : report.bad_lines) {
    absl::StrAppend(&text, "  ", base::EscapeControl(line), "\n");
  }
  const int64_t num_listed = static_cast<int64_t>(report.bad_lines.size());
  if (report.num_bad_lines > num_listed) {
    absl::StrAppend(&text, "  and ", report.num_bad_lines - num_listed,
                    " more\n");
  }
  return text;
}

base::Json DatasetReportToJson(const DatasetReport& report) {
  base::Json json = base::Json::object();
  for (const Count& count : Counts(report)) {
    json[std::string(count.field)] = count.value;
  }
  json["bad_lines"] = report.bad_lines;
  json["files_passed_over"] = report.files_passed_over;
  return json;
}

}  // namespace moe::text
