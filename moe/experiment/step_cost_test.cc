#include "moe/experiment/step_cost.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/progress.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/text_proto.h"

namespace moe::experiment {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr absl::string_view kSpec = R"pb(
  name: "chain"
  model: "tiny"
  data: "stories"
  datasets {
    name: "all"
    file: "text.jsonl"
    batch { max_steps: 4 }
  }
  steps {
    name: "router"
    hidden_clustering {
      dataset: "all"
      options { num_experts: 3 max_iter: 5 n_init: 2 }
    }
  }
  steps {
    name: "scores"
    neuron_importance { dataset: "all" gate_weights: "router" }
  }
  steps {
    name: "neurons"
    split_residual {
      importance_scores: "scores"
      options { num_experts_moe: 3 num_experts_residual: 1 }
    }
  }
  steps {
    name: "mlp"
    convert_mlp {
      gate_weights: "router"
      neuron_indices: "neurons"
      options { kind: RESIDUAL num_experts: 3 top_k: 1 scale_factor: 1 }
    }
  }
  steps {
    name: "attention"
    convert_attention {
      checkpoint: "mlp"
      options { top_k_attn: 1 scale_factor_attn: 1 num_moe_contract_layers: 1 }
    }
  }
  steps {
    name: "dense"
    evaluate { dataset: "all" }
  }
  steps {
    name: "after"
    evaluate { checkpoint: "attention" dataset: "all" }
  }
  steps {
    name: "reference"
    hidden_distribution { dataset: "all" }
  }
  steps {
    name: "aligned"
    align { checkpoint: "attention" distribution: "reference" dataset: "all" }
  }
  steps {
    name: "energy"
    energy_split {
      dataset: "all"
      options { num_experts: 3 num_shared_neurons: 2 top_k: 2 iterations: 5 }
    }
  }
  steps {
    name: "by_energy"
    convert_mlp {
      gate_weights: "energy"
      neuron_indices: "energy"
      options { kind: RESIDUAL top_k: 2 scale_factor: 2 }
    }
  }
  steps {
    name: "energy_after"
    evaluate { checkpoint: "by_energy" dataset: "all" }
  }
  steps {
    name: "rates"
    activation_rate_split {
      dataset: "all"
      options {
        num_experts: 3
        num_shared_neurons: 2
        top_k: 2
        activated_neurons: 6
        iterations: 5
      }
    }
  }
  steps {
    name: "refitted"
    reconstruct { checkpoint: "by_energy" dataset: "all" }
  }
  steps {
    name: "refitted_after"
    evaluate { checkpoint: "refitted" dataset: "all" }
  }
  steps {
    name: "narrow"
    remove_neurons {
      dataset: "all"
      options { num_neurons: 2 }
    }
  }
  steps {
    name: "narrow_after"
    evaluate { checkpoint: "narrow" dataset: "all" }
  }
)pb";

ExperimentSpec Spec() {
  ExperimentSpec spec;
  EXPECT_THAT(ParseTextProto(kSpec, "spec", spec), IsOk());
  return spec;
}

// H = 4, I = 8, L = 4, V = 10, Q = 4, keys 2 of 2 heads; 7 tokens in sequences
// of 3 and 4.
std::vector<steps::StepCost> Costs() {
  steps::ModelSize model;
  model.config.vocab_size = 10;
  model.config.hidden_size = 4;
  model.config.intermediate_size = 8;
  model.config.num_hidden_layers = 4;
  model.config.num_attention_heads = 4;
  model.config.num_key_value_heads = 2;
  model.config.head_dim = 1;
  model.stored_bytes = 1000;
  return CostsOfSteps(Spec(), model, {{"all", {7, 25}}});
}

// A layer has 96 weights in the MLP (3 * 4 * 8) and 48 in attention
// (2 * 4 * (4 + 2)).
constexpr double kForward = 2.0 * 7 * 4 * (96 + 48) + 2.0 * 4 * 4 * 25;
constexpr double kHead = 2.0 * 7 * 10 * 4;

TEST(CostsOfStepsTest, CountsOperations) {
  const std::vector<steps::StepCost> costs = Costs();
  ASSERT_EQ(costs.size(), 17);
  // 2 T E H L max_iter n_init
  EXPECT_EQ(costs[0].flops, kForward + 2.0 * 7 * 3 * 4 * 4 * 5 * 2);
  EXPECT_EQ(costs[1].flops, 4 * kForward + 3 * kHead);
  EXPECT_EQ(costs[2].flops, 0.0);
  EXPECT_EQ(costs[3].flops, 0.0);
  EXPECT_EQ(costs[5].flops, kForward + kHead);
  // The MLP has the residual expert and one of three: 2 of 4. Attention has one
  // of two experts in two layers and all in the two at the ends: 3 of 4.
  EXPECT_EQ(costs[6].flops,
            2.0 * 7 * 4 * (96 * 0.5 + 48 * 0.75) + 2.0 * 4 * 4 * 25 + kHead);
  EXPECT_EQ(costs[7].flops, kForward);
  EXPECT_EQ(costs[8].flops, costs[6].flops - kHead);
  // T L (H^2 + iterations (4 E H + (k + 1) I))
  EXPECT_EQ(costs[9].flops,
            kForward + 7.0 * 4 * (4 * 4 + 5 * (4 * 3 * 4 + 3 * 8)));
  // Two shared neurons and two experts of two: 6 of 8.
  EXPECT_DOUBLE_EQ(costs[11].flops,
                   2.0 * 7 * 4 * (96 * 0.75 + 48) + 2.0 * 4 * 4 * 25 + kHead);
  // T L E (2 H + iterations K_a)
  EXPECT_EQ(costs[12].flops, kForward + 7.0 * 4 * 3 * (2 * 4 + 5 * 6));
  // Two forwards of that, and T L (I^2 + 2 I H).
  EXPECT_DOUBLE_EQ(costs[13].flops, kForward + 2 * (costs[11].flops - kHead) +
                                        7.0 * 4 * (8 * 8 + (2 + 4) * 8 * 4));
  EXPECT_EQ(costs[14].flops, costs[11].flops);
  EXPECT_EQ(costs[15].flops, kForward);
  // Two neurons of 8.
  EXPECT_DOUBLE_EQ(costs[16].flops,
                   2.0 * 7 * 4 * (96 * 0.25 + 48) + 2.0 * 4 * 4 * 25 + kHead);
}

TEST(CostsOfStepsTest, CountsBytes) {
  const std::vector<steps::StepCost> costs = Costs();
  EXPECT_EQ(costs[0].read_bytes, 1000);
  EXPECT_EQ(costs[0].written_bytes, 4 * 3 * 4 * 4);  // L E H floats
  // Two layers' weights and two hidden states, as floats.
  EXPECT_EQ(costs[0].memory_bytes, 2 * (96 + 48) * 4 + 2 * 7 * 4 * 4);
  EXPECT_EQ(costs[1].read_bytes, 2000);
  EXPECT_EQ(costs[1].written_bytes, 4 * 3 * (8 * 4 + 8));  // L C (I floats, N)
  EXPECT_EQ(costs[1].memory_bytes, costs[0].memory_bytes + 3 * 7 * 4 * 4);
  EXPECT_EQ(costs[2].read_bytes, costs[1].written_bytes);
  EXPECT_EQ(costs[2].written_bytes, 4 * 8 * 8);  // L I int64
  EXPECT_EQ(costs[3].written_bytes, 1000);
  EXPECT_EQ(costs[5].written_bytes, 0);
  // Both blocks of each layer have mean and variance, and a number.
  EXPECT_EQ(costs[7].written_bytes, 4 * 2 * (2 * 4 * 8 + 8));
  EXPECT_EQ(costs[8].read_bytes, 2 * 1000 + costs[7].written_bytes);
  EXPECT_EQ(costs[8].written_bytes, 1000 + 4 * 2 * 2 * 4 * 4);
  EXPECT_EQ(costs[8].memory_bytes, costs[0].memory_bytes);
  // Routers and indices; the inputs and energies of a layer's tokens.
  EXPECT_EQ(costs[9].written_bytes, 4 * 3 * 4 * 4 + 4 * 8 * 8);
  EXPECT_EQ(costs[9].memory_bytes, costs[0].memory_bytes + 7 * (4 + 8) * 4);
  EXPECT_EQ(costs[12].written_bytes, costs[9].written_bytes);
  // The inputs, what each token activates, twice, and that by expert.
  EXPECT_EQ(costs[12].memory_bytes,
            costs[0].memory_bytes + 7 * (4 * 4 + 6 * (4 + 8) + 3 * 4));
  // The walk and the conversion; the energies of a layer's tokens.
  EXPECT_EQ(costs[15].read_bytes, 2000);
  EXPECT_EQ(costs[15].written_bytes, 1000);
  EXPECT_EQ(costs[15].memory_bytes, costs[0].memory_bytes + 7 * 8 * 4);
}

TEST(EstimateStepsTest, MeasuresModelAndData) {
  base::Progress progress(base::Progress::Style::kSilent, {});
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::vector<steps::StepCost> costs,
      EstimateSteps(Spec(), {"testdata/llama_gqa_bf16", "testdata/stories"},
                    progress));
  ASSERT_EQ(costs.size(), 17);
  EXPECT_EQ(costs[0].name, "router");
  EXPECT_EQ(costs[0].read_bytes, 1841448);
  EXPECT_EQ(costs[0].written_bytes, 4 * 3 * 128 * 4);
  EXPECT_THAT(
      EstimateSteps(Spec(), {"testdata/moe/vanilla", "testdata/stories"},
                    progress)
          .status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("found a Mixture of Experts")));
}

TEST(FormatCostsTest, AddsUpButForMemory) {
  steps::StepCost a = {"a", 1e12, 1 << 20, 2 << 20, 3 << 20};
  steps::StepCost b = {"b", 1e12, 1 << 20, 2 << 20, 1 << 20};
  EXPECT_THAT(
      FormatCosts({a, b}),
      AllOf(HasSubstr("step"),
            HasSubstr("all                         2e+12     2.00 MiB     "
                      "4.00 MiB     3.00 MiB\n")));
}

}  // namespace
}  // namespace moe::experiment
