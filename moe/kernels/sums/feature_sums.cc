#include "moe/kernels/sums/feature_sums.h"

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/check.h"
#include "moe/base/matrix_view.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/sums/chunk_kernels.h"
#include "moe/kernels/sums/chunked_sums.h"

namespace moe::kernels {
namespace {

using internal::ChunkedSums;
using internal::ChunkedSumsKind;

std::string FeatureSumName(int64_t /*group*/, int64_t column,
                           int64_t /*num_columns*/) {
  return absl::StrCat("the sum of ", internal::FeatureName(column));
}

constexpr ChunkedSumsKind kFeatureValueKind = {1, ChunkTerm::kValue, false,
                                               &FeatureSumName};
constexpr ChunkedSumsKind kFeatureAbsoluteKind = {2, ChunkTerm::kAbsolute,
                                                  false, &FeatureSumName};

const ChunkedSumsKind& FeatureKindOf(FeatureSums::Term term) {
  return term == FeatureSums::Term::kAbsolute ? kFeatureAbsoluteKind
                                              : kFeatureValueKind;
}

}  // namespace

FeatureSums::FeatureSums(const Options& options)
    : sums_(FeatureKindOf(options.term), {options.fraction_bits},
            options.num_features) {}

absl::Status FeatureSums::Add(int64_t first_token,
                              base::MatrixView<const float> rows,
                              base::ThreadPool& pool) {
  return sums_.Add({first_token, rows, {}, {}}, pool);
}

absl::Status FeatureSums::Finish() { return sums_.Finish(); }

absl::Status FeatureSums::Merge(const FeatureSums& other) {
  return sums_.Merge(other.sums_);
}

std::vector<double> FeatureSums::Sums() const {
  MOE_CHECK(sums_.is_finished());
  std::vector<double> values;
  values.reserve(static_cast<size_t>(sums_.num_columns()));
  for (int64_t c = 0; c < sums_.num_columns(); ++c) {
    values.push_back(sums_.SumAsDouble(0, c));
  }
  return values;
}

FeatureSums::Options FeatureSums::options() const {
  return {
      sums_.num_columns(),
      &sums_.kind() == &kFeatureAbsoluteKind ? Term::kAbsolute : Term::kValue,
      sums_.record().fraction_bits[0]};
}

absl::StatusOr<FeatureSums> FeatureSums::Parse(absl::string_view bytes) {
  const std::array<const ChunkedSumsKind*, 2> kinds = {&kFeatureValueKind,
                                                       &kFeatureAbsoluteKind};
  MOE_ASSIGN_OR_RETURN(ChunkedSums sums, ChunkedSums::Parse(bytes, kinds));
  if (sums.num_groups() != 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "malformed feature sums: expected 1 group, found ", sums.num_groups()));
  }
  return FeatureSums(std::move(sums));
}

}  // namespace moe::kernels
