// The features of a block: the inputs of its last products, of all experts side
// by side, times the routing weights of their experts. The block's output is
// linear in them:
//
//   output_t = W phi_t (+ biases),   W = [W_1 | W_2 | ...] the matrices of all
//                                    experts side by side
//
// with phi_t 0 in the columns of experts that token t has not chosen.

#ifndef MOE_RECONSTRUCT_BLOCK_FEATURES_H_
#define MOE_RECONSTRUCT_BLOCK_FEATURES_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/model/layer/layer_batch.h"

namespace moe::reconstruct {

// A matrix [H, num_columns] of a block, and the place of its features.
struct OutputMatrix {
  checkpoint::TensorName name;
  int64_t first_column = 0;
  int64_t num_columns = 0;
};

struct BlockLayout {
  // The experts in ascending order, then the matrix for every token.
  std::vector<OutputMatrix> matrices;
  int64_t num_features = 0;
  // Whether a router chooses among matrices.
  bool has_experts = false;
};

// The matrices of a block of layer `layer`: o_proj, or down_proj and w2.
BlockLayout LayoutOfBlock(const checkpoint::Checkpoint& checkpoint,
                          int64_t layer, model::DecoderBlock block);

// The bytes of the matrices of all blocks, as they are stored.
int64_t OutputMatrixBytes(const checkpoint::Checkpoint& checkpoint);

// The matrix of a checkpoint plus its columns of `change`, [H, num_features],
// rounded once to the type that it is stored in. InvalidArgument, with tensor
// and element, if that type cannot hold a sum; the errors of ReadWeight.
absl::StatusOr<checkpoint::HostTensor> AddChange(
    const checkpoint::Checkpoint& checkpoint, const OutputMatrix& matrix,
    base::MatrixView<const double> change);

// The features of a batch, gathered part by part.
class FeatureRows {
 public:
  explicit FeatureRows(const BlockLayout& layout) : layout_(layout) {}

  // Clears `num_rows` rows.
  void Start(int64_t num_rows, base::ThreadPool& pool);
  // For LayerTaps::features. A feature times its routing weight is a product in
  // float32.
  void Add(const model::BlockFeatures& part, base::ThreadPool& pool);
  // [num_rows, num_features]
  base::MatrixView<const float> rows() const {
    return values_.view().Rows(0, rows_);
  }

 private:
  const BlockLayout& layout_;
  int64_t rows_ = 0;
  base::Matrix<float> values_;
};

}  // namespace moe::reconstruct

#endif  // MOE_RECONSTRUCT_BLOCK_FEATURES_H_
