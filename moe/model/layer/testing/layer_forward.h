// A decoder layer's forward, with rows of its own for the blocks' outputs.

#ifndef MOE_MODEL_LAYER_TESTING_LAYER_FORWARD_H_
#define MOE_MODEL_LAYER_TESTING_LAYER_FORWARD_H_

#include "absl/status/status.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/model/layer/decoder_layer.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/layer_batch.h"

namespace moe::model::testing {

// All stages of DecoderLayerForward. y [T, H] may be batch.hidden.
inline absl::Status ForwardLayer(const DecoderLayer& layer,
                                 const LayerBatch& batch, const LayerTaps& taps,
                                 base::MatrixView<float> y,
                                 base::ThreadPool& pool) {
  base::Matrix<float> output(y.rows, y.cols);
  base::Matrix<float> residual(layer.weights->has_residual() ? y.rows : 0,
                               y.cols);
  LayerForward forward;
  forward.attention = {output.view(), {}};
  forward.mlp = {output.view(), residual.view()};
  forward.hidden = y;
  return DecoderLayerForward(layer, batch, taps, forward, pool);
}

}  // namespace moe::model::testing

#endif  // MOE_MODEL_LAYER_TESTING_LAYER_FORWARD_H_
