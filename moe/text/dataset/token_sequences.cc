#include "moe/text/dataset/token_sequences.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/ignored_label.h"
#include "moe/base/status_macros.h"
#include "moe/text/dataset/record.h"

namespace moe::text {
namespace {

absl::Status CheckIds(absl::string_view name, absl::Span<const int32_t> ids,
                      int64_t vocab_size, bool allow_ignored) {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && ids[i] < vocab_size) continue;
    if (allow_ignored && ids[i] == base::kIgnoredLabel) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        name, "[", i, "]: expected a token id from 0 to ", vocab_size - 1,
        allow_ignored ? ", or -100" : "", ", found ", ids[i]));
  }
  return absl::OkStatus();
}

absl::Status CheckOffsets(absl::Span<const int64_t> offsets,
                          int64_t num_tokens) {
  if (offsets.empty() || offsets[0] != 0) {
    return absl::InvalidArgumentError(
        offsets.empty()
            ? "offsets: expected one entry more than there are sequences, "
              "found none"
            : absl::StrCat("offsets[0]: expected 0, found ", offsets[0]));
  }
  for (size_t i = 1; i < offsets.size(); ++i) {
    if (offsets[i] > offsets[i - 1]) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("offsets[", i, "]: expected more than ", offsets[i - 1],
                     ", as no sequence is empty, found ", offsets[i]));
  }
  if (offsets.back() == num_tokens) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "offsets: expected ", num_tokens,
      ", the number of tokens, at the end, found ", offsets.back()));
}

}  // namespace

absl::StatusOr<TokenSequences> TokenSequences::FromArrays(
    std::vector<int32_t> input_ids, std::vector<int32_t> labels,
    std::vector<int64_t> offsets, int64_t vocab_size) {
  if (labels.size() != input_ids.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("labels: expected ", input_ids.size(),
                     " entries, as in input_ids, found ", labels.size()));
  }
  MOE_RETURN_IF_ERROR(
      CheckOffsets(offsets, static_cast<int64_t>(input_ids.size())));
  MOE_RETURN_IF_ERROR(CheckIds("input_ids", input_ids, vocab_size, false));
  MOE_RETURN_IF_ERROR(CheckIds("labels", labels, vocab_size, true));
  TokenSequences sequences;
  sequences.input_ids_ = std::move(input_ids);
  if (labels != sequences.input_ids_) sequences.labels_ = std::move(labels);
  sequences.offsets_ = std::move(offsets);
  return sequences;
}

void TokenSequences::Append(absl::Span<const int32_t> input_ids,
                            absl::Span<const int32_t> labels) {
  MOE_CHECK(!input_ids.empty() && input_ids.size() == labels.size());
  if (labels_.empty() && labels != input_ids) labels_ = input_ids_;
  const bool has_labels = !labels_.empty() || labels != input_ids;
  input_ids_.insert(input_ids_.end(), input_ids.begin(), input_ids.end());
  if (has_labels) labels_.insert(labels_.end(), labels.begin(), labels.end());
  offsets_.push_back(static_cast<int64_t>(input_ids_.size()));
}

absl::Span<const int32_t> TokenSequences::input_ids(int64_t i) const {
  MOE_CHECK(i >= 0 && i < num_sequences());
  const size_t begin = static_cast<size_t>(offsets_[static_cast<size_t>(i)]);
  const size_t end = static_cast<size_t>(offsets_[static_cast<size_t>(i) + 1]);
  return input_ids().subspan(begin, end - begin);
}

absl::Span<const int32_t> TokenSequences::labels(int64_t i) const {
  MOE_CHECK(i >= 0 && i < num_sequences());
  const size_t begin = static_cast<size_t>(offsets_[static_cast<size_t>(i)]);
  const size_t end = static_cast<size_t>(offsets_[static_cast<size_t>(i) + 1]);
  return labels().subspan(begin, end - begin);
}

int64_t NumPredictedTokens(absl::Span<const int32_t> labels) {
  if (labels.empty()) return 0;
  return static_cast<int64_t>(labels.size()) - 1 -
         std::count(labels.begin() + 1, labels.end(), base::kIgnoredLabel);
}

}  // namespace moe::text
