// The mean and the variance of each feature over tokens.
//
// The formula n S2 - S1^2 loses all digits in double if the deviation is small
// beside the mean. Here S1, the sum of x, and S2, the sum of x^2, have more
// bits than a double: pairs of doubles inside a chunk, integers across chunks.
// The formula is taken between integers, and only its result is rounded. On 1e7
// floats of mean 1e4 and deviation 1e-2 the variance is right to 1e-12.
//
// feature_sums.h says how tokens are added, merged and finished.

#ifndef MOE_KERNELS_SUMS_MOMENTS_H_
#define MOE_KERNELS_SUMS_MOMENTS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/sums/chunked_sums.h"

namespace moe::kernels {

class Moments {
 public:
  // For the sum of x: range 2^59, about 5.8e17; resolution 2^-68, about 3e-21.
  static constexpr int kSumFractionBits = 68;
  // For the sum of x^2: range 2^55, about 3.6e16 (1e9 tokens with 3.6e7 each,
  // or a magnitude of 6000); resolution 2^-72, about 2e-22. With these two,
  // n S2 and S1^2 fit 256 bits in the same unit, for every n.
  static constexpr int kSquareFractionBits = 72;

  // At most 2^31 features.
  explicit Moments(int64_t num_features);

  // Adds the tokens [first_token, first_token + num_tokens). `rows` is
  // [num_tokens, num_features]. Takes 17 operations in double for each number.
  //
  // InvalidArgument, without a change, if the rules of feature_sums.h do not
  // allow these tokens now. InvalidArgument, with the first such token and
  // feature, if a number is NaN or infinite, and OutOfRange if a sum leaves its
  // range: the object is then not valid, and every later call returns the same
  // error.
  absl::Status Add(int64_t first_token, base::MatrixView<const float> rows,
                   base::ThreadPool& pool);

  // As for FeatureSums.
  absl::Status Finish();
  absl::Status Merge(const Moments& other);

  int64_t num_features() const { return sums_.num_columns(); }
  int64_t num_tokens() const { return sums_.num_tokens(); }

  // [num_features]: S1 / n, rounded once. Only after Finish, and with at least
  // one token.
  std::vector<double> Means() const;

  // [num_features]: (n S2 - S1^2) / n^2, the variance of the population,
  // rounded once. Before that, the rounding of full chunks to integers has
  // moved it by at most 2^-74 (1 + |mean|), about 5e-23. It is 0 if it would be
  // negative. Only after Finish, and with at least one token.
  std::vector<double> Variances() const;

  // The bytes that sums_record.h describes. After Finish only. Parse has the
  // errors of ParseSumsRecord, and InvalidArgument for another kind of sums or
  // a sum of squares below 0.
  std::string Serialize() const { return sums_.Serialize(); }
  static absl::StatusOr<Moments> Parse(absl::string_view bytes);

 private:
  explicit Moments(internal::ChunkedSums sums) : sums_(std::move(sums)) {}

  internal::ChunkedSums sums_;
};

}  // namespace moe::kernels

#endif  // MOE_KERNELS_SUMS_MOMENTS_H_
