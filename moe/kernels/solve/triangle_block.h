// A block on the diagonal of a triangular matrix: substitution with it, and its
// factorization. What lies beside the block is a product (chain_product.h).
//
// Steps are the order in which the unknowns of the block are found. Step s
// divides by t[s, s], and subtracts t[s, j] times its unknown from those of
// later steps j. Forward substitution with L has t[s, j] = L[j, s]; backward
// substitution numbers the unknowns from the last, which makes it the same.

#ifndef MOE_KERNELS_SOLVE_TRIANGLE_BLOCK_H_
#define MOE_KERNELS_SOLVE_TRIANGLE_BLOCK_H_

#include <cstdint>

#include "moe/base/aligned_buffer.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/solve/panel_kernels.h"

namespace moe::kernels::internal {

// The unknowns of a block: in which order they are found, and where they are.
enum class StepOrder { kAscending, kDescending };

// The block's rows and columns [begin, end) of a lower triangle.
struct BlockRange {
  int64_t begin;
  int64_t end;
  StepOrder order;

  int64_t size() const { return end - begin; }
  // The row, column or unknown of a step.
  int64_t Index(int64_t step) const {
    return order == StepOrder::kAscending ? begin + step : end - 1 - step;
  }
};

class TriangleBlock {
 public:
  // Blocks are as wide as this, and the last is narrower.
  static constexpr int64_t kMaxSize = kMaxDepth;

  explicit TriangleBlock(base::ThreadPool& pool) : pool_(pool) {}

  // Reads the block of the factor.
  void Load(base::MatrixView<const double> factor, const BlockRange& range);

  // Factors the block of `a` in place by s_ij and L_ij of CholeskyFactor, for
  // k within the block, and keeps it as Load would. Returns the first pivot
  // that is not positive and finite, where `a` then holds what was found, or
  // -1. The order must be ascending.
  int64_t Factor(base::MatrixView<double> a, const BlockRange& range);

  // Finds the block's unknowns in all rows of `right_sides`, in place.
  void Solve(base::MatrixView<double> right_sides) const;

 private:
  // The 16 steps from 16 p on, as columns of a panel of all steps.
  double* Panel(int64_t p) { return panels_.data() + p * kPanelSize; }
  const double* Panel(int64_t p) const {
    return panels_.data() + p * kPanelSize;
  }
  int64_t PanelWidth(int64_t p) const;
  void Clear(const BlockRange& range);
  // Substitutes in rows that start at the block's first step; `num_panels`
  // panels of it.
  void SolveRows(int64_t rows, int64_t num_panels, double* values,
                 double* negated) const;
  // Factors the rows of panel p, with the panels before it.
  int64_t FactorRows(int64_t p, double* values, double* negated);

  static constexpr int64_t kPanelSize = kMaxSize * kPanelColumns;

  base::ThreadPool& pool_;
  const PanelKernels kernels_ = ChoosePanelKernels();
  BlockRange range_ = {0, 0, StepOrder::kAscending};
  base::AlignedBuffer<double> panels_{kMaxSize / kPanelColumns * kPanelSize};
};

}  // namespace moe::kernels::internal

#endif  // MOE_KERNELS_SOLVE_TRIANGLE_BLOCK_H_
