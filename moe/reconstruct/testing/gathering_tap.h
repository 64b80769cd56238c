// A tap that keeps all that a layer's energies are made of.

#ifndef MOE_RECONSTRUCT_TESTING_GATHERING_TAP_H_
#define MOE_RECONSTRUCT_TESTING_GATHERING_TAP_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "moe/base/matrix_view.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/walk/walk_tap.h"

namespace moe::reconstruct::testing {

class GatheringTap : public model::WalkTap {
 public:
  absl::Status OnLayerStart(int64_t) override {
    layers.emplace_back();
    return absl::OkStatus();
  }
  absl::Status OnMlpInput(const model::TapContext&,
                          base::MatrixView<const float> rows) override {
    Append(rows, layers.back().inputs);
    return absl::OkStatus();
  }
  absl::Status OnFeatures(const model::TapContext&,
                          const model::BlockFeatures& features) override {
    if (features.block == model::DecoderBlock::kMlp) {
      Append(features.features, layers.back().activations);
    }
    return absl::OkStatus();
  }
  absl::Status OnLayerOutput(const model::TapContext&,
                             base::MatrixView<const float> rows) override {
    for (int64_t r = 0; r < rows.rows; ++r) {
      double norm = 0.0;
      for (const float x : rows.Row(r)) norm += double{x} * double{x};
      layers.back().norms.push_back(norm);
    }
    return absl::OkStatus();
  }

  // One token after another.
  struct Layer {
    std::vector<float> inputs, activations;
    std::vector<double> norms;  // Squared, of the states after the layer.
  };
  std::vector<Layer> layers;

 private:
  static void Append(base::MatrixView<const float> rows,
                     std::vector<float>& to) {
    for (int64_t r = 0; r < rows.rows; ++r) {
      to.insert(to.end(), rows.Row(r).begin(), rows.Row(r).end());
    }
  }
};

}  // namespace moe::reconstruct::testing

#endif  // MOE_RECONSTRUCT_TESTING_GATHERING_TAP_H_
