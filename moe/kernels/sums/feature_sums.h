// The sum of each feature over tokens: importance scores, for one.
//
//   FeatureSums scores({.num_features = 11008,
//                       .term = FeatureSums::Term::kAbsolute});
//   MOE_RETURN_IF_ERROR(scores.Add(first_token, rows, pool));  // Many times.
//   MOE_RETURN_IF_ERROR(scores.Finish());
//   MOE_RETURN_IF_ERROR(scores.Merge(scores_of_another_shard));
//   const std::vector<double> sums = scores.Sums();
//
// How sums over tokens work, here and in Moments and CentroidSums:
//
// Tokens are numbered over the whole data set, and cut into chunks of 128:
// chunk c is the tokens [128 c, 128 c + 128). In a chunk, a sum is a chain of
// double additions in ascending order of the tokens, from +0. Its result is
// rounded to the nearest multiple of 2^-fraction_bits, ties to even, and added
// to an integer of 128 bits. Integers do not mind the order; so the result
// depends on the tokens alone, not on batches, threads, SIMD targets, nor on
// how many workers took which chunks and in which order theirs are merged.
//
// What that asks of the caller: a chunk is given to one worker, in ascending
// order of its tokens, without a gap. A call of Add starts at a chunk's border,
// or goes on where the call before ended; it may end anywhere. A chunk that is
// open when Add starts another, or when Finish is called, is closed as it is,
// and takes no more tokens: right at the end of the data set, or where the data
// have a gap up to the chunk's end. It is an error, never a wrong sum, if a
// chunk is given twice or merged twice.
//
// A sum that leaves its range, |sum| < 2^(127 - fraction_bits), is an error,
// though whether one is met on the way, where numbers of both signs cancel, can
// depend on the order of merges. Bits never do.

#ifndef MOE_KERNELS_SUMS_FEATURE_SUMS_H_
#define MOE_KERNELS_SUMS_FEATURE_SUMS_H_

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

namespace moe {

// Range 2^47, about 1.4e14, resolution 2^-80, about 8e-25: scores of 1e-12, of
// which a chunk's rounding changes the last bits at most, and 1e9 tokens with
// 1e5 each.
inline constexpr int kScoreFractionBits = 80;

class FeatureSums {
 public:
  enum class Term { kValue, kAbsolute };  // Sum of x, or of |x|.

  struct Options {
    int64_t num_features = 0;  // At most 2^31.
    Term term = Term::kValue;
    int fraction_bits = kScoreFractionBits;  // In [0, 127].
  };

  explicit FeatureSums(const Options& options);

  // Adds the tokens [first_token, first_token + num_tokens). `rows` is
  // [num_tokens, num_features]. One addition in double for each number, and for
  // every 128 one of integers; bound by reading the rows.
  //
  // InvalidArgument, and nothing changed, if the tokens may not come now, as
  // told above. InvalidArgument if a number is NaN or infinite, naming the
  // first such token and feature, and OutOfRange if a sum leaves its range: the
  // object is then of no use, and every later call returns the same error.
  absl::Status Add(int64_t first_token, MatrixView<const float> rows,
                   ThreadPool& pool);

  // Closes the open chunk, if there is one. OutOfRange as above.
  absl::Status Finish();

  // Adds the sums of other chunks. FailedPrecondition if either has an open
  // chunk; InvalidArgument, and nothing changed, if the options differ or both
  // have tokens of the same chunk; OutOfRange as above.
  absl::Status Merge(const FeatureSums& other);

  // The number of tokens given.
  int64_t num_tokens() const { return sums_.num_tokens(); }

  // [num_features], each the integer sum rounded once. After Finish only.
  std::vector<double> Sums() const;

  // The form in sums_record.h. After Finish only. Parse's errors are those of
  // ParseSumsRecord, and InvalidArgument for another kind of sums.
  std::string Serialize() const { return sums_.Serialize(); }
  static absl::StatusOr<FeatureSums> Parse(absl::string_view bytes);

  Options options() const;

 private:
  explicit FeatureSums(internal::ChunkedSums sums) : sums_(std::move(sums)) {}

  internal::ChunkedSums sums_;
};

}  // namespace moe

#endif  // MOE_KERNELS_SUMS_FEATURE_SUMS_H_
