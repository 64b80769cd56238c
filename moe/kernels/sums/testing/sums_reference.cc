#include "moe/kernels/sums/testing/sums_reference.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "moe/base/matrix_view.h"
#include "moe/kernels/sums/wide_integer.h"

namespace moe::kernels::reference {
namespace {

// Part of the contract. Repeated here, so that a change elsewhere shows.
constexpr int64_t kTokensPerChunk = 128;

Int128 ToInteger(double value, int fraction_bits) {
  return static_cast<Int128>(std::nearbyint(std::ldexp(value, fraction_bits)));
}

double ToDouble(Int128 sum, int fraction_bits) {
  return std::ldexp(static_cast<double>(sum), -fraction_bits);
}

// term(row) for the rows, which is added to the chunk's sum if is_in(row).
template <typename Term, typename IsIn>
Int128 SumOverChunks(int64_t num_rows, int64_t first_token, int fraction_bits,
                     Term term, IsIn is_in) {
  Int128 sum = 0;
  double chunk_sum = 0.0;
  for (int64_t r = 0; r < num_rows; ++r) {
    if (is_in(r)) chunk_sum += term(r);
    const bool ends_chunk = (first_token + r + 1) % kTokensPerChunk == 0;
    if (ends_chunk || r + 1 == num_rows) {
      sum += ToInteger(chunk_sum, fraction_bits);
      chunk_sum = 0.0;
    }
  }
  return sum;
}

// The same with a pair of doubles in each chunk.
template <typename Term>
Int128 PairSumOverChunks(int64_t num_rows, int64_t first_token,
                         int fraction_bits, Term term) {
  Int128 sum = 0;
  double chunk_sum = 0.0, error = 0.0;
  for (int64_t r = 0; r < num_rows; ++r) {
    const double x = term(r);
    const double total = chunk_sum + x;
    const double x_part = total - chunk_sum;
    error += (chunk_sum - (total - x_part)) + (x - x_part);
    chunk_sum = total;
    const bool ends_chunk = (first_token + r + 1) % kTokensPerChunk == 0;
    if (ends_chunk || r + 1 == num_rows) {
      sum += ToInteger(chunk_sum, fraction_bits);
      sum += ToInteger(error, fraction_bits);
      chunk_sum = 0.0;
      error = 0.0;
    }
  }
  return sum;
}

constexpr int kSumBits = 68;
constexpr int kSquareBits = 72;

}  // namespace

std::vector<double> FeatureSums(base::MatrixView<const float> rows,
                                int64_t first_token, bool is_absolute,
                                int fraction_bits) {
  std::vector<double> sums;
  for (int64_t c = 0; c < rows.cols; ++c) {
    const Int128 sum = SumOverChunks(
        rows.rows, first_token, fraction_bits,
        [&](int64_t r) {
          const double x = rows.RowData(r)[c];
          return is_absolute ? std::fabs(x) : x;
        },
        [](int64_t) { return true; });
    sums.push_back(ToDouble(sum, fraction_bits));
  }
  return sums;
}

MeanAndVariance Moments(base::MatrixView<const float> rows,
                        int64_t first_token) {
  MeanAndVariance result;
  const Uint128 n = static_cast<Uint128>(rows.rows);
  for (int64_t c = 0; c < rows.cols; ++c) {
    const auto x = [&](int64_t r) { return double{rows.RowData(r)[c]}; };
    const Int128 s1 = PairSumOverChunks(rows.rows, first_token, kSumBits, x);
    const Int128 s2 = PairSumOverChunks(rows.rows, first_token, kSquareBits,
                                        [&](int64_t r) { return x(r) * x(r); });
    const Uint128 magnitude = Magnitude(s1);
    const double mean = QuotientToDouble(Uint256::Of(magnitude), n, -kSumBits);
    result.means.push_back(s1 < 0 ? -mean : mean);
    const Uint256 square_part =
        ShiftLeftBy64(Multiply(n, static_cast<Uint128>(s2)));
    const Uint256 mean_part = Multiply(magnitude, magnitude);
    result.variances.push_back(
        Compare(square_part, mean_part) < 0
            ? 0.0
            : QuotientToDouble(Subtract(square_part, mean_part), n * n,
                               -2 * kSumBits));
  }
  return result;
}

ClusterSums CentroidSums(base::MatrixView<const float> rows,
                         int64_t first_token,
                         absl::Span<const int32_t> clusters,
                         absl::Span<const float> weights, int64_t num_clusters,
                         bool is_absolute, int fraction_bits) {
  ClusterSums result;
  const auto weight = [&](int64_t r) {
    return weights.empty() ? 1.0 : double{weights[static_cast<size_t>(r)]};
  };
  for (int64_t k = 0; k < num_clusters; ++k) {
    const auto is_in = [&](int64_t r) {
      return clusters[static_cast<size_t>(r)] == k;
    };
    const auto sum_of = [&](auto term) {
      return ToDouble(
          SumOverChunks(rows.rows, first_token, fraction_bits, term, is_in),
          fraction_bits);
    };
    for (int64_t c = 0; c < rows.cols; ++c) {
      result.sums.push_back(sum_of([&](int64_t r) {
        const double x = rows.RowData(r)[c];
        return weight(r) * (is_absolute ? std::fabs(x) : x);
      }));
    }
    result.weights.push_back(sum_of(weight));
    int64_t count = 0;
    for (int64_t r = 0; r < rows.rows; ++r) count += is_in(r) ? 1 : 0;
    result.counts.push_back(count);
  }
  return result;
}

}  // namespace moe::kernels::reference
