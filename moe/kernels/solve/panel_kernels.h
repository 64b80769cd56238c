// The vector code of moe/kernels/solve: products with a panel of 16 columns,
// and the triangles of 16 x 16 on the diagonal.
//
// Every element is a chain of fused multiply-adds in double in ascending k, on
// every SIMD target. A chain starts at the value in memory and ends there, so
// it may be continued.

#ifndef MOE_KERNELS_SOLVE_PANEL_KERNELS_H_
#define MOE_KERNELS_SOLVE_PANEL_KERNELS_H_

#include <cstdint>
#include <limits>

namespace moe::kernels::internal {

// The columns of a panel: a multiple of every target's tile. A panel is
// [depth, 16]: step k of the chains of 16 columns.
inline constexpr int64_t kPanelColumns = 16;

// The most steps of a panel. It is 24 KiB then, and stays in the first-level
// cache together with the rows of a tile, 22 KiB. Measured on 48 KiB: 2 to 5 %
// faster than 128 or 256 steps.
inline constexpr int64_t kMaxDepth = 192;

// Rows that are multiplied with panels are 25 cache lines apart: an odd number,
// so that they do not compete for a few sets of the first-level cache.
inline constexpr int64_t kRowStride = kMaxDepth + 8;

// c[r, j] = fma(a[r, k], panel[k, j], c[r, j]) for k = 0 ... depth - 1.
struct PanelProduct {
  const double* a;  // [rows, depth], rows kRowStride apart
  const double* panel;
  int64_t depth;  // At most kMaxDepth.
  double* c;      // [rows, cols], rows c_stride apart
  int64_t c_stride;
  int64_t rows;
  int64_t cols;  // At most kPanelColumns.
  // Elements with j > r + diagonal are neither read nor written.
  int64_t diagonal = std::numeric_limits<int32_t>::max();
};

// Forward substitution of rows with a triangle t of at most 16 x 16: for
// s = 0 ... size - 1
//   y_s = values[r, s] / t[s, s], and then
//   values[r, j] = fma(-y_s, t[s, j], values[r, j]) for j > s
// Leaves y in `values` and -y in `negated`. Columns from `size` on of `values`
// are scratch.
struct TriangleSolve {
  const double* triangle;  // In a panel: row s is t[s, ...].
  int64_t size;
  double* values;   // [rows, 16], rows kRowStride apart
  double* negated;  // The same.
  int64_t rows;
};

// The Cholesky factor of the lower triangle of `values` [size, 16], at most
// 16 x 16, where it stays. Its transpose goes into `triangle` [16, 16], whose
// other elements must be 0.
struct TriangleFactor {
  double* values;  // Rows kRowStride apart. Scratch above the diagonal.
  int64_t size;
  double* triangle;
};

// The functions of the active SIMD target.
struct PanelKernels {
  void (*add_product)(const PanelProduct&);
  void (*solve)(const TriangleSolve&);
  // Returns the first pivot that is not positive and finite, and leaves it in
  // `values`; or -1.
  int64_t (*factor)(const TriangleFactor&);
};
PanelKernels ChoosePanelKernels();

}  // namespace moe::kernels::internal

#endif  // MOE_KERNELS_SOLVE_PANEL_KERNELS_H_
