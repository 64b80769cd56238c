#include "moe/kernels/sums/moments.h"

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
#include "moe/kernels/sums/wide_integer.h"

namespace moe::kernels {
namespace {

using internal::ChunkedSums;
using internal::ChunkedSumsKind;

// The groups of the sums.
constexpr int64_t kSumGroup = 0;
constexpr int64_t kSquareGroup = 1;

// n S2 is in units of 2^-kSquareFractionBits, S1^2 in the square of S1's.
static_assert(2 * Moments::kSumFractionBits - Moments::kSquareFractionBits ==
              64);

std::string MomentSumName(int64_t group, int64_t column,
                          int64_t /*num_columns*/) {
  return absl::StrCat(
      group == kSumGroup ? "the sum of " : "the sum of squares of ",
      internal::FeatureName(column));
}

constexpr ChunkedSumsKind kMomentKind = {3, ChunkTerm::kMoments, false,
                                         &MomentSumName};

std::vector<int32_t> MomentFractionBits() {
  return {Moments::kSumFractionBits, Moments::kSquareFractionBits};
}

double Mean(Int128 sum, int64_t num_tokens) {
  const double magnitude = QuotientToDouble(Uint256::Of(Magnitude(sum)),
                                            static_cast<Uint128>(num_tokens),
                                            -Moments::kSumFractionBits);
  return sum < 0 ? -magnitude : magnitude;
}

double Variance(Int128 sum, Int128 square_sum, int64_t num_tokens) {
  const Uint128 n = static_cast<Uint128>(num_tokens);
  const Uint128 magnitude = Magnitude(sum);
  const Uint256 mean_part = Multiply(magnitude, magnitude);
  const Uint256 square_part =
      ShiftLeftBy64(Multiply(n, static_cast<Uint128>(square_sum)));
  if (Compare(square_part, mean_part) <= 0) return 0.0;
  return QuotientToDouble(Subtract(square_part, mean_part), n * n,
                          -2 * Moments::kSumFractionBits);
}

}  // namespace

Moments::Moments(int64_t num_features)
    : sums_(kMomentKind, MomentFractionBits(), num_features) {}

absl::Status Moments::Add(int64_t first_token,
                          base::MatrixView<const float> rows,
                          base::ThreadPool& pool) {
  return sums_.Add({first_token, rows, {}, {}}, pool);
}

absl::Status Moments::Finish() { return sums_.Finish(); }

absl::Status Moments::Merge(const Moments& other) {
  return sums_.Merge(other.sums_);
}

std::vector<double> Moments::Means() const {
  MOE_CHECK(sums_.is_finished() && num_tokens() > 0);
  std::vector<double> means;
  means.reserve(static_cast<size_t>(num_features()));
  for (int64_t c = 0; c < num_features(); ++c) {
    means.push_back(Mean(sums_.sum(kSumGroup, c), num_tokens()));
  }
  return means;
}

std::vector<double> Moments::Variances() const {
  MOE_CHECK(sums_.is_finished() && num_tokens() > 0);
  std::vector<double> variances;
  variances.reserve(static_cast<size_t>(num_features()));
  for (int64_t c = 0; c < num_features(); ++c) {
    variances.push_back(Variance(sums_.sum(kSumGroup, c),
                                 sums_.sum(kSquareGroup, c), num_tokens()));
  }
  return variances;
}

absl::StatusOr<Moments> Moments::Parse(absl::string_view bytes) {
  const std::array<const ChunkedSumsKind*, 1> kinds = {&kMomentKind};
  MOE_ASSIGN_OR_RETURN(ChunkedSums sums, ChunkedSums::Parse(bytes, kinds));
  if (sums.record().fraction_bits != MomentFractionBits()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "malformed moments: expected 2 groups with ", kSumFractionBits, " and ",
        kSquareFractionBits, " fraction bits, found others"));
  }
  for (int64_t c = 0; c < sums.num_columns(); ++c) {
    if (sums.sum(kSquareGroup, c) < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("malformed moments: ",
                       MomentSumName(kSquareGroup, c, sums.num_columns()),
                       ": expected 0 or more, found less"));
    }
  }
  return Moments(std::move(sums));
}

}  // namespace moe::kernels
