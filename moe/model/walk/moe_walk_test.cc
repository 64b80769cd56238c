#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/kernels/simd/matrix_view.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/layer/expert_routing.h"
#include "moe/model/layer/float_matrix.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/layer/linear.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/output_head.h"
#include "moe/model/walk/testing/walk_fixture.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_tap.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe {
namespace {

using ::moe::testing::Digest;
using ::moe::testing::EightSequences;
using ::moe::testing::FewKernelMachines;
using ::moe::testing::GoldenRows;
using ::moe::testing::GoldenSequences;
using ::moe::testing::Int64sOf;
using ::moe::testing::KernelMachineName;
using ::moe::testing::MoeFixtureNames;
using ::moe::testing::MoeFixturePath;
using ::moe::testing::MoeGoldens;
using ::moe::testing::RelativeError;
using ::moe::testing::SmallestBudget;
using ::moe::testing::WalkMachine;
using ::testing::ValuesIn;

std::vector<float> ValuesOf(MatrixView<const float> rows) {
  std::vector<float> values;
  for (int64_t r = 0; r < rows.rows; ++r) {
    values.insert(values.end(), rows.Row(r).begin(), rows.Row(r).end());
  }
  return values;
}

std::vector<float> AllRows(HiddenStates& states) {
  FloatMatrix buffer;
  return ValuesOf(states.Load(0, states.num_tokens(), buffer).value());
}

// How many tokens chose each expert, by layer and block; and the walk's
// outputs, added to the embedding one after the other.
class LoadTap : public WalkTap {
 public:
  absl::Status OnRouting(const TapContext& context, DecoderBlock block,
                         const std::vector<ExpertTokens>& experts) override {
    std::vector<int32_t>& load = loads[LoadName(context.layer, block)];
    load.resize(experts.size());
    for (size_t e = 0; e < experts.size(); ++e) {
      load[e] += static_cast<int32_t>(experts[e].rows.size());
    }
    return absl::OkStatus();
  }

  static std::string LoadName(int64_t layer, DecoderBlock block) {
    return absl::StrCat(
        block == DecoderBlock::kMlp ? "load." : "attention_load.", layer);
  }

  std::map<std::string, std::vector<int32_t>> loads;
};

TEST(MoeWalkTest, IsTheTravellingModelCode) {
  for (const std::string& name : MoeFixtureNames()) {
    SCOPED_TRACE(name);
    const HostTensors goldens = MoeGoldens(name);
    WalkMachine machine;
    MOE_ASSERT_OK_AND_ASSIGN(Model model, Model::Open(MoeFixturePath(name)));
    LoadTap tap;
    MOE_ASSERT_OK_AND_ASSIGN(HiddenStates hidden,
                             WalkForward(model, GoldenSequences(goldens), {},
                                         &tap, machine.resources()));
    const std::string last =
        absl::StrCat("hidden.", model.config().num_hidden_layers);
    EXPECT_LT(RelativeError(AllRows(hidden), GoldenRows(goldens, last)), 5e-6);
    std::map<std::string, std::vector<int32_t>> loads;
    for (const auto& [tensor, values] : goldens) {
      if (tensor.find("load.") == std::string::npos) continue;
      loads[tensor] = Int64sOf(values);
    }
    EXPECT_EQ(tap.loads, loads);
    MOE_ASSERT_OK_AND_ASSIGN(OutputHead head,
                             OutputHead::Create(model, LayerPasses::kForward,
                                                machine.budget, machine.pool));
    const std::vector<float> want = GoldenRows(goldens, "logits");
    FloatMatrix buffer;
    MOE_ASSERT_OK_AND_ASSIGN(const MatrixView<float> rows,
                             hidden.Load(0, hidden.num_tokens(), buffer));
    MOE_ASSERT_OK(head.Logits(rows, [&](int64_t first_row,
                                        MatrixView<float> logits) {
      const std::vector<float> got = ValuesOf(logits);
      const auto first = static_cast<size_t>(first_row * logits.cols);
      double worst = 0.0;
      for (size_t i = 0; i < got.size(); ++i) {
        worst = std::max(worst, std::fabs(double{got[i]} - want[first + i]));
      }
      // The bar is 2e-4.
      EXPECT_LT(worst, 5e-5);
      RecordProperty(name, absl::StrCat(worst));
      return absl::OkStatus();
    }));
  }
}

}  // namespace
}  // namespace moe
