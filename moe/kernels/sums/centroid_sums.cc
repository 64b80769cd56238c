#include "moe/kernels/sums/centroid_sums.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
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

constexpr int64_t kMaxClusters = int64_t{1} << 24;

// The weights are the last column.
std::string CentroidSumName(int64_t group, int64_t column,
                            int64_t num_columns) {
  return absl::StrCat(
      "cluster ", group, ": the sum of ",
      column == num_columns - 1 ? "weights" : internal::FeatureName(column));
}

constexpr ChunkedSumsKind kCentroidValueKind = {4, ChunkTerm::kValue, true,
                                                &CentroidSumName};
constexpr ChunkedSumsKind kCentroidAbsoluteKind = {5, ChunkTerm::kAbsolute,
                                                   true, &CentroidSumName};

const ChunkedSumsKind& CentroidKindOf(CentroidSums::Term term) {
  return term == CentroidSums::Term::kAbsolute ? kCentroidAbsoluteKind
                                               : kCentroidValueKind;
}

std::vector<int32_t> CentroidFractionBits(
    const CentroidSums::Options& options) {
  MOE_CHECK(0 <= options.num_clusters && options.num_clusters <= kMaxClusters);
  MOE_CHECK(options.num_features >= 0);
  return std::vector<int32_t>(static_cast<size_t>(options.num_clusters),
                              options.fraction_bits);
}

absl::Status CheckTokens(int64_t first_token,
                         absl::Span<const int32_t> clusters,
                         absl::Span<const float> weights,
                         int64_t num_clusters) {
  for (size_t i = 0; i < clusters.size(); ++i) {
    const int64_t row = static_cast<int64_t>(i);
    if (clusters[i] < 0 || clusters[i] >= num_clusters) {
      return absl::InvalidArgumentError(
          absl::StrCat("row ", row, " of the tokens from ", first_token,
                       " on: cluster: expected 0 to ", num_clusters - 1,
                       ", found ", clusters[i]));
    }
    if (!weights.empty() && !std::isfinite(weights[i])) {
      return absl::InvalidArgumentError(absl::StrCat(
          "row ", row, " of the tokens from ", first_token,
          " on: weight: expected a finite number, found ", weights[i]));
    }
  }
  return absl::OkStatus();
}

}  // namespace

CentroidSums::CentroidSums(const Options& options)
    : sums_(CentroidKindOf(options.term), CentroidFractionBits(options),
            options.num_features + 1) {}

absl::Status CentroidSums::Add(int64_t first_token,
                               base::MatrixView<const float> rows,
                               absl::Span<const int32_t> clusters,
                               absl::Span<const float> weights,
                               base::ThreadPool& pool) {
  MOE_CHECK(static_cast<int64_t>(clusters.size()) == rows.rows);
  MOE_CHECK(weights.empty() || weights.size() == clusters.size());
  MOE_RETURN_IF_ERROR(
      CheckTokens(first_token, clusters, weights, num_clusters()));
  return sums_.Add({first_token, rows, clusters, weights}, pool);
}

absl::Status CentroidSums::Regroup(const CentroidTokens& tokens,
                                   absl::Span<const int32_t> old_clusters,
                                   base::ThreadPool& pool) {
  const auto [first_token, rows, clusters, weights] = tokens;
  const auto num_tokens = static_cast<size_t>(rows.rows);
  MOE_CHECK(clusters.size() == num_tokens && old_clusters.size() == num_tokens);
  MOE_CHECK(weights.empty() || weights.size() == num_tokens);
  MOE_RETURN_IF_ERROR(
      CheckTokens(first_token, old_clusters, weights, num_clusters()));
  MOE_RETURN_IF_ERROR(
      CheckTokens(first_token, clusters, weights, num_clusters()));
  return sums_.Regroup({first_token, rows, clusters, weights}, old_clusters,
                       pool);
}

absl::Status CentroidSums::Finish() { return sums_.Finish(); }

absl::Status CentroidSums::Merge(const CentroidSums& other) {
  return sums_.Merge(other.sums_);
}

std::vector<double> CentroidSums::Sums() const {
  MOE_CHECK(sums_.is_finished());
  std::vector<double> values;
  values.reserve(static_cast<size_t>(num_clusters() * num_features()));
  for (int64_t k = 0; k < num_clusters(); ++k) {
    for (int64_t c = 0; c < num_features(); ++c) {
      values.push_back(sums_.SumAsDouble(k, c));
    }
  }
  return values;
}

std::vector<double> CentroidSums::Weights() const {
  MOE_CHECK(sums_.is_finished());
  std::vector<double> values;
  values.reserve(static_cast<size_t>(num_clusters()));
  for (int64_t k = 0; k < num_clusters(); ++k) {
    values.push_back(sums_.SumAsDouble(k, num_features()));
  }
  return values;
}

std::vector<int64_t> CentroidSums::Counts() const {
  MOE_CHECK(sums_.is_finished());
  return sums_.record().counts;
}

absl::StatusOr<CentroidSums> CentroidSums::Parse(absl::string_view bytes) {
  const std::array<const ChunkedSumsKind*, 2> kinds = {&kCentroidValueKind,
                                                       &kCentroidAbsoluteKind};
  MOE_ASSIGN_OR_RETURN(ChunkedSums sums, ChunkedSums::Parse(bytes, kinds));
  const std::vector<int32_t>& bits = sums.record().fraction_bits;
  if (sums.num_columns() < 1 || sums.num_groups() > kMaxClusters) {
    return absl::InvalidArgumentError(
        absl::StrCat("malformed centroid sums: expected at most ", kMaxClusters,
                     " clusters and at least 1 column, found [",
                     sums.num_groups(), ", ", sums.num_columns(), "]"));
  }
  for (const int32_t group_bits : bits) {
    if (group_bits != bits[0]) {
      return absl::InvalidArgumentError(absl::StrCat(
          "malformed centroid sums: expected the same fraction bits in all "
          "clusters, found ",
          bits[0], " and ", group_bits));
    }
  }
  return CentroidSums(std::move(sums));
}

}  // namespace moe::kernels
