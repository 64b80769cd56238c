// The sums inside a chunk: chains of double additions down the columns of a few
// rows. This is the vectorised part of sums over tokens.
//
// Each column is summed on its own, row after row, so that the bits do not
// depend on how columns are put into vectors.

#ifndef MOE_KERNELS_SUMS_CHUNK_KERNELS_H_
#define MOE_KERNELS_SUMS_CHUNK_KERNELS_H_

#include <cstdint>

namespace moe::kernels {

// What a row adds to a column's doubles.
enum class ChunkTerm {
  kValue,             // sum += x
  kAbsolute,          // sum += |x|
  kWeighted,          // sum += w x
  kWeightedAbsolute,  // sum += w |x|
  kMoments,           // (sum, error) += x and (sum, error) += x^2, four doubles
};

// x is a float, converted to double. Its product with a float weight and its
// square are exact in double. kMoments adds with TwoSum (Knuth): `error` is the
// sum, in the same order, of the rounding errors of `sum`, so that sum + error
// has about twice the bits of a double.
struct ChunkRows {
  // num_rows pointers, each to num_cols floats.
  const float* const* rows = nullptr;
  // num_rows weights. Only the weighted terms use them.
  const float* weights = nullptr;
  int64_t num_rows = 0;
  int64_t num_cols = 0;
};

// Adds the rows, in ascending order, to `sums`: double p of column c is sums[p
// * sums_stride + c]. NaN or infinity in a row makes the first double of the
// column NaN or infinite, and it stays so. No sum of 128 finite terms is NaN or
// infinite.
void AddChunkRows(ChunkTerm term, const ChunkRows& chunk, double* sums,
                  int64_t sums_stride);

}  // namespace moe::kernels

#endif  // MOE_KERNELS_SUMS_CHUNK_KERNELS_H_
