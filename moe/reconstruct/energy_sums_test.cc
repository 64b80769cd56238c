#include "moe/reconstruct/energy_sums.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/rows/distances.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/walk/hidden_states.h"

namespace moe::reconstruct {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::kernels::testing::BitsEqual;
using ::moe::kernels::testing::TestMatrix;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

base::Matrix<float> Floats(int64_t rows, int64_t cols,
                           std::vector<float> values) {
  return base::Matrix<float>(rows, cols, values);
}

TEST(SquaredColumnNormsTest, AddsToTheSums) {
  base::ThreadPool pool(2);
  const base::Matrix<float> x = Floats(2, 3, {1, -2, 3, 4, 0, -5});
  std::vector<double> columns = {100, 0, 0};
  AddSquaredColumnNorms(x.view(), absl::MakeSpan(columns), pool);
  EXPECT_THAT(columns, ElementsAre(117, 4, 34));
}

TEST(TakeEnergiesTest, WeighsSquares) {
  base::ThreadPool pool(2);
  base::MemoryBudget budget;
  MOE_ASSERT_OK_AND_ASSIGN(model::HiddenStates h,
                           model::HiddenStates::Create(2, 2, budget, ""));
  base::Matrix<float> buffer;
  const base::Matrix<float> values = Floats(2, 2, {1, -2, 3, 0.5});
  MOE_ASSERT_OK(h.StoreCopy(0, values.view(), buffer));
  MOE_ASSERT_OK_AND_ASSIGN(const std::vector<double> totals,
                           TakeEnergies(h, {2.0f, 0.5f}, {10.0, 4.0}, pool));
  MOE_ASSERT_OK_AND_ASSIGN(const base::MatrixView<float> v,
                           h.Load(0, 2, buffer));
  EXPECT_THAT(v.Row(0), ElementsAre(20, 32));   // 2 * 10 * 1, 2 * 4 * 4
  EXPECT_THAT(v.Row(1), ElementsAre(45, 0.5));  // 0.5 * 10 * 9, 0.5 * 4 / 4
  EXPECT_THAT(totals, ElementsAre(65, 32.5));
}

TEST(TakeEnergiesTest, NamesANeuronBeyondTheRange) {
  base::ThreadPool pool(1);
  base::MemoryBudget budget;
  MOE_ASSERT_OK_AND_ASSIGN(model::HiddenStates h,
                           model::HiddenStates::Create(1, 2, budget, ""));
  base::Matrix<float> buffer;
  for (const float value : {1e25f, std::nanf("")}) {
    const base::Matrix<float> values = Floats(1, 2, {1, value});
    MOE_ASSERT_OK(h.StoreCopy(0, values.view(), buffer));
    EXPECT_THAT(TakeEnergies(h, {1.0f}, {1.0, 1.0}, pool).status(),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("energy of neuron 1: expected finite")));
  }
}

TEST(AddAffinityTest, AddsATokenToItsExperts) {
  base::ThreadPool pool(2);
  const base::Matrix<float> energies = Floats(3, 2, {1, 2, 10, 20, 100, 200});
  const std::vector<int32_t> chosen = {0, 2, 2, 1, 0, 1};
  base::Matrix<double> affinity = base::Matrix<double>::Zeros(3, 2);
  affinity.Row(1)[0] = 1000;
  AddAffinity(energies.view(),
              base::MatrixView<const int32_t>(chosen.data(), 3, 2), affinity,
              pool);
  EXPECT_THAT(affinity.Row(0), ElementsAre(101, 202));
  EXPECT_THAT(affinity.Row(1), ElementsAre(1110, 220));
  EXPECT_THAT(affinity.Row(2), ElementsAre(11, 22));
}

TEST(SumByExpertTest, AddsItsNeurons) {
  base::ThreadPool pool(2);
  const base::Matrix<float> energies =
      Floats(2, 5, {1, 2, 4, 8, 16, 3, 5, 7, 9, 11});
  const base::Matrix<int64_t> experts(2, 2, std::vector<int64_t>{0, 4, 1, 3});
  base::Matrix<float> sums(2, 2);
  SumByExpert(energies.view(), experts, sums.view(), pool);
  EXPECT_THAT(sums.values(), ElementsAre(17, 10, 14, 14));
}

TEST(RouterTargetsTest, AreRootsLessTheirMean) {
  base::ThreadPool pool(2);
  const base::Matrix<float> sums = Floats(2, 3, {1, 4, 9, 0, 0, 36});
  base::Matrix<float> targets(2, 3);
  RouterTargets(sums.view(), targets.view(), pool);
  EXPECT_THAT(targets.values(), ElementsAre(-1, 0, 1, -2, -2, 4));
}

double Chosen(const base::Matrix<float>& sums,
              const std::vector<int32_t>& chosen, double sum = 0.0) {
  AddChosenEnergy(sums.view(),
                  base::MatrixView<const int32_t>(
                      chosen.data(), sums.rows(),
                      static_cast<int64_t>(chosen.size()) / sums.rows()),
                  sum);
  return sum;
}

TEST(AddChosenEnergyTest, AddsWhatIsChosen) {
  // 100 + (1 + 9) + (3 + 2)
  EXPECT_EQ(Chosen(Floats(2, 3, {1, 4, 9, 2, 3, 36}), {0, 2, 1, 0}, 100.0),
            115);
}

// 2^-53 is lost behind 1 but not before it: the order of a choice does not
// matter, as the largest goes first.
TEST(AddChosenEnergyTest, DoesNotDependOnTheOrderOfAChoice) {
  const base::Matrix<float> sums = Floats(1, 3, {0x1p-53f, 1, 0x1p-53f});
  for (const std::vector<int32_t>& chosen :
       {std::vector<int32_t>{0, 1, 2}, {1, 2, 0}, {2, 0, 1}}) {
    EXPECT_EQ(Chosen(sums, chosen), 1);
  }
}

// The energies of the expert's neurons, made and added.
base::Matrix<float> SumsOfEnergies(base::MatrixView<const float> activations,
                                   const std::vector<float>& weights,
                                   const std::vector<double>& norms,
                                   base::ThreadPool& pool) {
  base::MemoryBudget budget;
  model::HiddenStates h = model::HiddenStates::Create(
                              activations.rows, activations.cols, budget, "")
                              .value();
  base::Matrix<float> buffer, sums(activations.rows, 1);
  EXPECT_TRUE(h.StoreCopy(0, activations, buffer).ok());
  EXPECT_TRUE(TakeEnergies(h, weights, norms, pool).ok());
  base::Matrix<int64_t> expert(1, activations.cols);
  std::iota(expert.values().begin(), expert.values().end(), int64_t{0});
  SumByExpert(h.Load(0, activations.rows, buffer).value(), expert, sums.view(),
              pool);
  return sums;
}

TEST(SumEnergiesTest, IsTheSumOfTheEnergies) {
  constexpr int64_t kTokens = 700, kNeurons = 37;
  base::ThreadPool pool(3);
  const TestMatrix h =
      TestMatrix(kTokens, kNeurons, /*misalignment=*/1, /*padding=*/2)
          .Fill("activations");
  std::vector<double> norms(kNeurons);
  AddSquaredColumnNorms(h.view(), absl::MakeSpan(norms), pool);
  std::vector<float> weights(kTokens);
  for (size_t t = 0; t < weights.size(); ++t) {
    weights[t] = 0.3f + 0.001f * static_cast<float>(t);
  }
  // One column of three.
  TestMatrix sums(kTokens, 3);
  SumEnergies(h.view(), weights, norms,
              base::MatrixView<float>(sums.view().data + 1, kTokens, 1, 3),
              pool);
  const base::Matrix<float> want =
      SumsOfEnergies(h.view(), weights, norms, pool);
  for (int64_t t = 0; t < kTokens; ++t) {
    EXPECT_TRUE(BitsEqual<float>(sums.view().Row(t),
                                 {0.0f, want.view().RowData(t)[0], 0.0f}))
        << t;
  }
}

// Everything that the sums make of 1100 tokens, 300 neurons and 7 experts, with
// the tokens in calls of `rows_at_once`.
std::vector<double> AllSums(base::ThreadPool& pool, base::MemoryBudget& budget,
                            const std::string& directory,
                            int64_t rows_at_once) {
  constexpr int64_t kTokens = 1100, kNeurons = 300, kExperts = 7, kTopK = 3;
  const TestMatrix drawn = TestMatrix(kTokens, kNeurons).Fill("activations");
  model::HiddenStates h =
      model::HiddenStates::Create(kTokens, kNeurons, budget, directory).value();
  base::Matrix<float> buffer;
  EXPECT_TRUE(h.StoreCopy(0, drawn.view(), buffer).ok());
  std::vector<double> row_norms(kTokens), column_norms(kNeurons);
  kernels::SquaredNorms(drawn.view(), absl::MakeSpan(row_norms), pool);
  AddSquaredColumnNorms(drawn.view(), absl::MakeSpan(column_norms), pool);
  const std::vector<float> weights(row_norms.begin(), row_norms.end());
  std::vector<double> all =
      TakeEnergies(h, weights, column_norms, pool).value();
  base::Matrix<int32_t> chosen(kTokens, kTopK);
  for (int64_t i = 0; i < kTokens * kTopK; ++i) {
    chosen.values()[static_cast<size_t>(i)] =
        static_cast<int32_t>((i / kTopK * 5 + i % kTopK) % kExperts);
  }
  base::Matrix<int64_t> experts(kExperts, 40);
  for (int64_t i = 0; i < kExperts * 40; ++i) {
    experts.values()[static_cast<size_t>(i)] = i * 11 % kNeurons;
  }
  base::Matrix<double> affinity =
      base::Matrix<double>::Zeros(kExperts, kNeurons);
  base::Matrix<float> sums(kTokens, kExperts), targets(kTokens, kExperts);
  const auto add = [&](int64_t first,
                       base::MatrixView<const float> rows) -> absl::Status {
    const int64_t last = first + rows.rows;
    AddAffinity(rows, chosen.view().Rows(first, last), affinity, pool);
    SumByExpert(rows, experts, sums.view().Rows(first, last), pool);
    return absl::OkStatus();
  };
  EXPECT_TRUE(h.ForEachBlock(rows_at_once, buffer, add).ok());
  RouterTargets(sums.view(), targets.view(), pool);
  all.insert(all.end(), affinity.values().begin(), affinity.values().end());
  all.insert(all.end(), targets.values().begin(), targets.values().end());
  all.push_back(0.0);
  for (int64_t first = 0; first < kTokens; first += rows_at_once) {
    const int64_t last = std::min(first + rows_at_once, kTokens);
    AddChosenEnergy(sums.view().Rows(first, last),
                    chosen.view().Rows(first, last), all.back());
  }
  return all;
}

TEST(EnergySumsTest, BitsDependOnNoMachine) {
  const base::testing::TempDirectory directory;
  base::ThreadPool one(1);
  base::MemoryBudget unlimited;
  const std::vector<double> want =
      AllSums(one, unlimited, directory.path(), 1100);
  for (const int num_threads : {1, 2, 3, 7}) {
    base::ThreadPool pool(num_threads);
    base::MemoryBudget nothing(0);
    for (const int64_t rows_at_once : {1, 100, 512}) {
      EXPECT_TRUE(BitsEqual<double>(
          AllSums(pool, nothing, directory.path(), rows_at_once), want))
          << num_threads << " threads, " << rows_at_once << " rows";
    }
  }
}

}  // namespace
}  // namespace moe::reconstruct
