// The energy split of a layer in the plainest form: one thread, one number at a
// time, every assignment tried. For a dozen neurons.

#ifndef MOE_RECONSTRUCT_TESTING_ENERGY_REFERENCE_H_
#define MOE_RECONSTRUCT_TESTING_ENERGY_REFERENCE_H_

#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "moe/base/matrix.h"
#include "moe/reconstruct/energy_split_options.pb.h"

namespace moe::reconstruct::reference {

// What a layer is split by.
struct EnergyCase {
  base::Matrix<float> inputs;        // x [T, H]; H is at most 256.
  base::Matrix<float> activations;   // h [T, I]
  std::vector<float> weights;        // w [T]
  std::vector<double> column_norms;  // |d_n|^2 [I]
  base::Matrix<float> start;         // [E, H]
};

struct EnergyCaseSize {
  int64_t num_tokens = 0;
  int64_t hidden_size = 0;
  int64_t num_neurons = 0;
  int64_t num_experts = 0;
};

// Drawn by `name`: some directions of x decide about some neurons.
EnergyCase DrawEnergyCase(const EnergyCaseSize& size, absl::string_view name);

struct EnergyResult {
  base::Matrix<float> router;  // [E, H]
  base::Matrix<int64_t> experts;
  std::vector<int64_t> shared;
  std::vector<double> captured;
  int64_t best_iteration = 0;
  double oracle = 0.0;
  std::vector<int64_t> loads;
  double routed_total = 0.0;
  double shared_total = 0.0;
};

// As SplitLayerByEnergy, with experts ranked by their logits.
EnergyResult SplitByEnergy(const EnergyCase& layer,
                           const EnergySplitOptions& options,
                           int64_t expert_size);

}  // namespace moe::reconstruct::reference

#endif  // MOE_RECONSTRUCT_TESTING_ENERGY_REFERENCE_H_
