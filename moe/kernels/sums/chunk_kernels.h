// The sums inside a chunk: chains of double additions down the columns of a few
// rows, the vectorised part of sums over tokens.
//
// Each column is summed by itself, row after row, so that the bits do not
// depend on how columns are put into vectors.

#ifndef MOE_KERNELS_SUMS_CHUNK_KERNELS_H_
#define MOE_KERNELS_SUMS_CHUNK_KERNELS_H_

#include <cstdint>

namespace moe {

// What a row adds to a column's doubles.
enum class ChunkTerm {
  kValue,             // sum += x
  kAbsolute,          // sum += |x|
  kWeighted,          // sum += w x
  kWeightedAbsolute,  // sum += w |x|
  kMoments,           // (sum, error) += x and (sum, error) += x^2, four doubles
};

// x is float, made double; its product with a float weight, and its square, are
// exact there. kMoments adds with TwoSum (Knuth): `error` is the sum, in the
// same order, of what each addition to `sum` rounds off, so that sum + error
// has about twice the bits of a double.
struct ChunkRows {
  // num_rows pointers, each to num_cols floats.
  const float* const* rows = nullptr;
  // num_rows weights for the weighted terms; else unused.
  const float* weights = nullptr;
  int64_t num_rows = 0;
  int64_t num_cols = 0;
};

// Adds the rows, in ascending order, to `sums`: double p of column c is
// sums[p * sums_stride + c]. NaN and infinity in a row make the column's first
// double NaN or infinite for good: no sum of 128 finite terms is either.
void AddChunkRows(ChunkTerm term, const ChunkRows& chunk, double* sums,
                  int64_t sums_stride);

}  // namespace moe

#endif  // MOE_KERNELS_SUMS_CHUNK_KERNELS_H_
