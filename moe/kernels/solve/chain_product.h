// A matrix product in double whose elements are chains: the blocked loops that
// the sums, the factorization and the substitutions share.
//
// C[m, n] = fma(A[m, k], B[k, n], C[m, n]) for k = 0 ... depth - 1, as one
// chain. It starts at the value that C holds, and blocks of k follow one
// another in ascending order. So no block, tile, thread or SIMD target shows in
// the bits.
//
// A and B come from callbacks that convert, negate, transpose or reverse while
// they pack: nothing of the size of an operand is allocated.

#ifndef MOE_KERNELS_SOLVE_CHAIN_PRODUCT_H_
#define MOE_KERNELS_SOLVE_CHAIN_PRODUCT_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "moe/base/aligned_buffer.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/solve/panel_kernels.h"

namespace moe::kernels::internal {

// Rows of A or columns of B, [begin, end), and `depth` steps of k from `first`
// on.
struct PackRange {
  int64_t begin;
  int64_t end;
  int64_t first;
  int64_t depth;
};

struct ChainOperands {
  // out[(m - begin) * kRowStride + k - first] = A[m, k].
  absl::FunctionRef<void(const PackRange&, double* out)> pack_rows;
  // Panels of kPanelColumns columns, one after another, `begin` being the first
  // of a panel:
  //   out[(n - begin) / 16 * depth * 16 + (k - first) * 16 + (n - begin) % 16]
  //       = B[k, n]
  // The last panel may have columns from `end` on. They are not written and
  // reach no result.
  absl::FunctionRef<void(const PackRange&, double* out)> pack_columns;
  int64_t depth;
  base::MatrixView<double> c;
  // Only elements with n <= m are read and written.
  bool is_lower = false;
};

// Requests `count` doubles of a row that is packed soon. Rows are on pages of
// their own, to which the hardware's prefetching does not follow.
void RequestRow(const double* row, int64_t count);

// Rows between the one that is packed and the one that is requested.
inline constexpr int64_t kRowsAhead = 4;

// Holds the packed columns from call to call.
class ChainProduct {
 public:
  explicit ChainProduct(base::ThreadPool& pool) : pool_(pool) {}

  // Adds the product to C.
  void Add(const ChainOperands& operands);

 private:
  struct Block;

  void AddBlock(const Block& block);

  base::ThreadPool& pool_;
  const PanelKernels kernels_ = ChoosePanelKernels();
  base::AlignedBuffer<double> panels_;
};

}  // namespace moe::kernels::internal

#endif  // MOE_KERNELS_SOLVE_CHAIN_PRODUCT_H_
