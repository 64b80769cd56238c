// How many tokens each expert of a model gets.

#ifndef MOE_EVALUATE_EXPERT_LOAD_H_
#define MOE_EVALUATE_EXPERT_LOAD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "moe/base/json.h"
#include "moe/model/layer/expert_routing.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/walk/walk_tap.h"

namespace moe {

// Of one layer: for each expert, how many tokens chose it. Empty where the
// block has no experts. Their sum is top_k times the number of tokens.
struct ExpertLoad {
  int64_t layer = 0;
  std::vector<int64_t> mlp;
  std::vector<int64_t> attention;
};

class ExpertLoadTap : public WalkTap {
 public:
  absl::Status OnRouting(const TapContext& context, DecoderBlock block,
                         const std::vector<ExpertTokens>& experts) override;

  // Of the layers that have experts, ascending.
  const std::vector<ExpertLoad>& loads() const { return loads_; }

 private:
  std::vector<ExpertLoad> loads_;
};

// [{"layer": 0, "mlp": [12, 20], "attention": [16, 16]}, ...], without what a
// layer does not have.
Json ExpertLoadToJson(const std::vector<ExpertLoad>& loads);

// A line for each layer's MLP and attention with experts, or nothing:
//   expert load, tokens
//     layer  0 MLP        12 20  (largest 1.25 of the mean)
std::string FormatExpertLoad(const std::vector<ExpertLoad>& loads);

}  // namespace moe

#endif  // MOE_EVALUATE_EXPERT_LOAD_H_
