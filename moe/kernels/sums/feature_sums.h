// The sum of each feature over tokens, for example importance scores.
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
// Tokens are numbered over the whole data set and cut into chunks of 128: chunk
// c is the tokens [128 c, 128 c + 128). In a chunk, a sum is a chain of double
// additions in ascending order of the tokens, from +0. The result is rounded to
// the nearest multiple of 2^-fraction_bits, ties to even, and added to an
// integer of 128 bits. Integer sums do not depend on their order. So the result
// depends on the tokens alone: not on batches, threads or SIMD targets, nor on
// which worker took which chunk, nor on the order of merges.
//
// Rules for the caller: one worker gets all tokens of a chunk, in ascending
// order and without a gap. A call of Add starts at a chunk's border or
// continues where the last call ended; it may end anywhere. If a chunk is open
// when Add starts another chunk or Finish is called, it is closed as it is and
// takes no more tokens. This is right at the end of the data set, or where the
// data have a gap up to the chunk's end. A chunk that is added twice or merged
// twice is an error, never a wrong sum.
//
// A sum that leaves its range, |sum| < 2^(127 - fraction_bits), is an error.
// Where numbers of both signs cancel, the order of merges decides whether a sum
// leaves the range on the way. The bits never depend on it.

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

namespace moe::kernels {

// Range 2^47, about 1.4e14; resolution 2^-80, about 8e-25. This is enough for
// 1e9 tokens with scores of 1e5 each, and for scores of 1e-12, of which the
// rounding of a chunk changes only the last bits.
inline constexpr int kScoreFractionBits = 80;

class FeatureSums {
 public:
  enum class Term { kValue, kAbsolute };  // Sums x, or |x|.

  struct Options {
    int64_t num_features = 0;  // At most 2^31.
    Term term = Term::kValue;
    int fraction_bits = kScoreFractionBits;  // In [0, 127].
  };

  explicit FeatureSums(const Options& options);

  // Adds the tokens [first_token, first_token + num_tokens). `rows` is
  // [num_tokens, num_features]. Takes an addition in double for each number,
  // and one of integers for every 128; bound by reading the rows.
  //
  // InvalidArgument, without a change, if the rules above do not allow these
  // tokens now. InvalidArgument, with the first such token and feature, if a
  // number is NaN or infinite, and OutOfRange if a sum leaves its range: the
  // object is then not valid, and every later call returns the same error.
  absl::Status Add(int64_t first_token, base::MatrixView<const float> rows,
                   base::ThreadPool& pool);

  // Closes the open chunk, if there is one. OutOfRange as above.
  absl::Status Finish();

  // Adds the sums of other chunks. FailedPrecondition if either object has an
  // open chunk; InvalidArgument, without a change, if the options differ or
  // both have tokens of the same chunk; OutOfRange as above.
  absl::Status Merge(const FeatureSums& other);

  // The number of tokens added.
  int64_t num_tokens() const { return sums_.num_tokens(); }

  // [num_features]: each is the integer sum rounded once. After Finish only.
  std::vector<double> Sums() const;

  // The bytes that sums_record.h describes. After Finish only. Parse has the
  // errors of ParseSumsRecord, and InvalidArgument for another kind of sums.
  std::string Serialize() const { return sums_.Serialize(); }
  static absl::StatusOr<FeatureSums> Parse(absl::string_view bytes);

  Options options() const;

 private:
  explicit FeatureSums(internal::ChunkedSums sums) : sums_(std::move(sums)) {}

  internal::ChunkedSums sums_;
};

}  // namespace moe::kernels

#endif  // MOE_KERNELS_SUMS_FEATURE_SUMS_H_
