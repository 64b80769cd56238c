#include "moe/reconstruct/energy_layer.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/base/thread_pool.h"
#include "moe/gates/balanced_kmeans.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/reconstruct/energy_split_options.pb.h"
#include "moe/reconstruct/energy_sums.h"
#include "moe/reconstruct/testing/energy_reference.h"

namespace moe::reconstruct {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::kernels::testing::BitsEqual;
using ::moe::kernels::testing::FewKernelMachines;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::reconstruct::reference::DrawEnergyCase;
using ::moe::reconstruct::reference::EnergyCase;
using ::moe::reconstruct::reference::EnergyResult;
using ::testing::HasSubstr;
using ::testing::ValuesIn;

EnergySplitOptions Options(int64_t num_experts, int64_t num_shared,
                           int64_t top_k) {
  EnergySplitOptions options;
  options.set_num_experts(num_experts);
  options.set_num_shared_neurons(num_shared);
  options.set_top_k(top_k);
  options.set_iterations(4);
  return options;
}

absl::StatusOr<EnergyLayer> Split(const EnergyCase& layer,
                                  const EnergySplitOptions& options,
                                  base::MemoryBudget& budget,
                                  const std::string& directory,
                                  base::ThreadPool& pool) {
  const auto rows = [&](const base::Matrix<float>& values)
      -> absl::StatusOr<model::HiddenStates> {
    MOE_ASSIGN_OR_RETURN(model::HiddenStates states,
                         model::HiddenStates::Create(
                             values.rows(), values.cols(), budget, directory));
    base::Matrix<float> buffer;
    MOE_RETURN_IF_ERROR(states.StoreCopy(0, values.view(), buffer));
    return states;
  };
  MOE_ASSIGN_OR_RETURN(model::HiddenStates inputs, rows(layer.inputs));
  MOE_ASSIGN_OR_RETURN(model::HiddenStates energies, rows(layer.activations));
  MOE_ASSIGN_OR_RETURN(
      const std::vector<double> totals,
      TakeEnergies(energies, layer.weights, layer.column_norms, pool));
  const int64_t expert_size =
      (layer.activations.cols() - options.num_shared_neurons()) /
      options.num_experts();
  return SplitLayerByEnergy({inputs, energies, layer.weights, totals},
                            layer.start.view(), options, expert_size, pool);
}

absl::StatusOr<EnergyLayer> Split(const EnergyCase& layer,
                                  const EnergySplitOptions& options) {
  base::MemoryBudget unlimited;
  base::ThreadPool pool(2);
  return Split(layer, options, unlimited, "", pool);
}

// Bit for bit what trying every assignment, one number at a time, gives.
TEST(SplitLayerByEnergyTest, IsThePlainMethod) {
  struct Case {
    int64_t num_neurons, num_experts, num_shared, top_k;
    double ridge;
  };
  const Case cases[] = {{14, 3, 2, 1, 0.1}, {12, 3, 3, 2, 0.5},
                        {8, 4, 0, 2, 0.1},  {10, 2, 4, 1, 0.0},
                        {9, 1, 2, 1, 0.1},  {8, 8, 0, 3, 0.2}};
  for (const Case& c : cases) {
    for (const int draw : {0, 1, 2, 3}) {
      SCOPED_TRACE(absl::StrCat(c.num_neurons, " neurons, ", c.num_experts,
                                " experts, draw ", draw));
      const EnergyCase layer = DrawEnergyCase(
          {60, 7, c.num_neurons, c.num_experts}, absl::StrCat("layer ", draw));
      EnergySplitOptions options =
          Options(c.num_experts, c.num_shared, c.top_k);
      options.set_ridge(c.ridge);
      options.set_router_spread(0.5);
      MOE_ASSERT_OK_AND_ASSIGN(const EnergyLayer got, Split(layer, options));
      const EnergyResult want = reference::SplitByEnergy(
          layer, options, (c.num_neurons - c.num_shared) / c.num_experts);
      EXPECT_TRUE(BitsEqual<float>(got.router.values(), want.router.values()));
      EXPECT_EQ(got.indices.experts, want.experts);
      EXPECT_EQ(got.indices.residual.has_value(), c.num_shared > 0);
      EXPECT_EQ(got.indices.residual.value_or(std::vector<int64_t>()),
                want.shared);
      EXPECT_TRUE(BitsEqual<double>(got.captured, want.captured));
      EXPECT_EQ(got.best_iteration, want.best_iteration);
      EXPECT_EQ(got.oracle, want.oracle);
      EXPECT_EQ(got.loads, want.loads);
      EXPECT_EQ(got.routed, want.routed_total);
      EXPECT_EQ(got.shared, want.shared_total);
    }
  }
}

TEST(SplitLayerByEnergyTest, CapturesMostInTheBestIteration) {
  for (const int draw : {0, 1, 2, 3, 4}) {
    const EnergyCase layer =
        DrawEnergyCase({900, 20, 96, 10}, absl::StrCat("large ", draw));
    EnergySplitOptions options = Options(10, 16, 3);
    options.set_iterations(8);
    MOE_ASSERT_OK_AND_ASSIGN(const EnergyLayer got, Split(layer, options));
    ASSERT_EQ(got.captured.size(), 8u);
    const double best = got.captured[static_cast<size_t>(got.best_iteration)];
    EXPECT_EQ(best,
              *std::max_element(got.captured.begin(), got.captured.end()));
    EXPECT_EQ(std::find(got.captured.begin(), got.captured.end(), best) -
                  got.captured.begin(),
              got.best_iteration);
    EXPECT_GE(best, got.captured.front());
    EXPECT_LE(best, got.oracle);
    EXPECT_LE(got.oracle, got.routed * (1 + 1e-6));
    int64_t chosen = 0;
    for (const int64_t load : got.loads) chosen += load;
    EXPECT_EQ(chosen, 3 * 900);
    // The drawn inputs decide, so routing captures more than chance.
    EXPECT_GT(best, 1.1 * 0.3 * got.routed);
  }
}

TEST(SplitLayerByEnergyTest, TakesEachNeuronOnceInOrder) {
  const EnergyCase layer = DrawEnergyCase({200, 8, 50, 6}, "each once");
  MOE_ASSERT_OK_AND_ASSIGN(const EnergyLayer got,
                           Split(layer, Options(6, 8, 2)));
  std::set<int64_t> seen(got.indices.residual->begin(),
                         got.indices.residual->end());
  EXPECT_EQ(seen.size(), 8u);
  EXPECT_TRUE(std::is_sorted(got.indices.residual->begin(),
                             got.indices.residual->end()));
  ASSERT_EQ(got.indices.experts.rows(), 6);
  ASSERT_EQ(got.indices.experts.cols(), 7);
  for (int64_t e = 0; e < 6; ++e) {
    const absl::Span<const int64_t> neurons = got.indices.experts.Row(e);
    EXPECT_TRUE(std::is_sorted(neurons.begin(), neurons.end()));
    seen.insert(neurons.begin(), neurons.end());
  }
  EXPECT_EQ(seen.size(), 50u);
  EXPECT_EQ(*seen.begin(), 0);
  EXPECT_EQ(*seen.rbegin(), 49);
}

TEST(SplitLayerByEnergyTest, APowerOfTwoScalesTheRouterAlone) {
  const EnergyCase layer = DrawEnergyCase({300, 8, 48, 6}, "scale");
  EnergySplitOptions options = Options(6, 0, 2);
  options.set_router_spread(1.0);
  MOE_ASSERT_OK_AND_ASSIGN(const EnergyLayer whole, Split(layer, options));
  options.set_router_spread(0x1p-8);
  MOE_ASSERT_OK_AND_ASSIGN(const EnergyLayer scaled, Split(layer, options));
  for (size_t i = 0; i < whole.router.values().size(); ++i) {
    EXPECT_EQ(scaled.router.values()[i], whole.router.values()[i] * 0x1p-8f);
  }
  EXPECT_EQ(scaled.indices, whole.indices);
}

TEST(SplitLayerByEnergyTest, SaysWhatTheRidgeIsFor) {
  const EnergyCase layer = DrawEnergyCase({10, 16, 12, 3}, "few tokens");
  EnergySplitOptions options = Options(3, 0, 1);
  options.set_ridge(0.0);
  EXPECT_THAT(
      Split(layer, options).status(),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("raise ridge")));
}

TEST(StartRouterTest, ClustersStridedTokens) {
  constexpr int64_t kTokens = 13000;
  base::MemoryBudget budget;
  base::ThreadPool pool(2);
  base::Matrix<float> x(kTokens, 3);
  for (int64_t t = 0; t < kTokens; ++t) {
    // Three directions; what lies between the strides is a fourth.
    const bool is_point =
        t == (t * 6000 + kTokens - 1) / kTokens * kTokens / 6000;
    for (int64_t i = 0; i < 3; ++i) {
      x.view().RowData(t)[i] = !is_point ? -1.0f : t % 3 == i ? 2.0f : 0.0f;
    }
  }
  MOE_ASSERT_OK_AND_ASSIGN(model::HiddenStates inputs,
                           model::HiddenStates::Create(kTokens, 3, budget, ""));
  base::Matrix<float> buffer;
  MOE_ASSERT_OK(inputs.StoreCopy(0, x.view(), buffer));
  const EnergySplitOptions options = Options(3, 0, 1);
  EXPECT_EQ(NumStartTokens(kTokens), 6000);
  MOE_ASSERT_OK_AND_ASSIGN(const gates::ClusteringMemory memory,
                           gates::ClusteringMemory::Reserve(
                               {6000, 3, 2}, StartClustering(options), budget));
  MOE_ASSERT_OK_AND_ASSIGN(
      const base::Matrix<float> router,
      StartRouter(inputs, options, "a stream", {memory, budget, "", pool}));
  std::set<std::vector<float>> rows;
  for (int64_t e = 0; e < 3; ++e) {
    rows.insert({router.Row(e).begin(), router.Row(e).end()});
  }
  EXPECT_EQ(rows,
            (std::set<std::vector<float>>{{2, 0, 0}, {0, 2, 0}, {0, 0, 2}}));
}

using EnergyLayerBitsTest = ::moe::kernels::testing::KernelTest;

TEST_P(EnergyLayerBitsTest, AreThoseOfOneThreadInMemory) {
  const base::testing::TempDirectory directory;
  const EnergyCase layer = DrawEnergyCase({1300, 40, 150, 9}, "bits");
  const EnergySplitOptions options = Options(9, 15, 2);
  EnergyLayer want;
  kernels::testing::OnScalar([&](base::ThreadPool& one) {
    base::MemoryBudget unlimited;
    want = Split(layer, options, unlimited, "", one).value();
  });
  base::MemoryBudget unlimited, nothing(0);
  for (base::MemoryBudget* const budget : {&unlimited, &nothing}) {
    MOE_ASSERT_OK_AND_ASSIGN(
        const EnergyLayer got,
        Split(layer, options, *budget, directory.path(), pool()));
    EXPECT_TRUE(BitsEqual<float>(got.router.values(), want.router.values()));
    EXPECT_EQ(got.indices, want.indices);
    EXPECT_TRUE(BitsEqual<double>(got.captured, want.captured));
    EXPECT_EQ(got.oracle, want.oracle);
  }
}

INSTANTIATE_TEST_SUITE_P(All, EnergyLayerBitsTest,
                         ValuesIn(FewKernelMachines()), KernelMachineName);

}  // namespace
}  // namespace moe::reconstruct
