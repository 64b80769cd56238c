// How far the elements of two tensors of one type and shape are apart.

#ifndef MOE_EVALUATE_ELEMENT_DIFF_H_
#define MOE_EVALUATE_ELEMENT_DIFF_H_

#include <array>
#include <cstdint>

#include "absl/types/span.h"
#include "moe/checkpoint/dtype.h"
#include "moe/evaluate/diff_options.pb.h"

namespace moe::evaluate {

// Whether elements of the type are compared as numbers: BF16, F16, F32, F64.
// Elements of all other types are the same or differ.
bool IsComparedAsNumber(checkpoint::Dtype dtype);

// The distance of two numbers is how many representable numbers lie between
// them, the second included: 0 for equal ones, zeros of both signs among them,
// and 1 for neighbours.
//
// Bucket 0 counts the distance 0; bucket i > 0 the distances from 2^(i-1) to
// 2^i - 1. Only elements whose bits differ, and of finite ones only, are
// counted.
using UlpHistogram = std::array<int64_t, 65>;

struct ElementDiff {
  int64_t num_elements = 0;
  int64_t num_different = 0;     // Their bits differ.
  int64_t num_failed = 0;        // And no tolerance lets them pass.
  int64_t first_different = -1;  // Position, counted row by row.

  // The rest is for types compared as numbers, and counts elements that differ.
  int64_t num_not_finite = 0;  // NaN or infinite in A or B.
  // Over the finite elements: max |a - b|, the first place that has it (-1
  // where there is no finite one), and what stands there.
  double max_abs_diff = 0.0;
  int64_t max_abs_diff_at = -1;
  double a_at_max = 0.0;
  double b_at_max = 0.0;
  uint64_t max_ulp = 0;
  UlpHistogram ulp_histogram = {};

  // Over the elements that are finite in A and B: sum (a - b)^2 and sum a^2, in
  // F64, added up in the order of the elements.
  double sum_squared_diff = 0.0;
  double sum_squared_a = 0.0;

  // |A - B| / |A| in the Frobenius norm; 0 if both are 0, infinity if only |A|
  // is.
  double RelativeNorm() const;
};

// Adds the next elements of a tensor to `diff`. `a` and `b` are as many bytes,
// little-endian, without alignment. Given piece by piece or at once, the result
// is the same to the bit. Differences are taken in F64, which holds every
// number of the narrower types exactly. `options` must be valid.
void AccumulateDiff(checkpoint::Dtype dtype, absl::Span<const char> a,
                    absl::Span<const char> b, const DiffOptions& options,
                    ElementDiff& diff);

}  // namespace moe::evaluate

#endif  // MOE_EVALUATE_ELEMENT_DIFF_H_
