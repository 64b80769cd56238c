#include "moe/align/hidden_distribution.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/align/testing/alignment_case.h"
#include "moe/base/json.h"
#include "moe/base/matrix_view.h"
#include "moe/base/philox.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/checkpoint/artifact/layer_parts.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/kernels/sums/moments.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/shard_options.pb.h"
#include "moe/model/walk/testing/walk_fixture.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_tap.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::align {
namespace {

using ::moe::align::testing::ManySequences;
using ::moe::base::testing::StatusIs;
using ::moe::kernels::testing::Digest;
using ::moe::kernels::testing::FewKernelMachines;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::model::testing::EightSequences;
using ::moe::model::testing::FixtureNames;
using ::moe::model::testing::FixturePath;
using ::moe::model::testing::Goldens;
using ::moe::model::testing::MoeFixtureNames;
using ::moe::model::testing::MoeFixturePath;
using ::moe::model::testing::MoeGoldens;
using ::moe::model::testing::SmallestBudget;
using ::moe::model::testing::WalkMachine;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ValuesIn;

struct Case {
  std::string path;
  text::TokenSequences sequences;
};

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (const std::string& name : FixtureNames()) {
    cases.push_back({FixturePath(name), EightSequences(Goldens(name))});
  }
  for (const std::string& name : MoeFixtureNames()) {
    cases.push_back({MoeFixturePath(name), EightSequences(MoeGoldens(name))});
  }
  return cases;
}

// Every output, as rows of doubles by layer and part.
class OutputTap : public model::WalkTap {
 public:
  absl::Status OnAttentionOutput(const model::TapContext& context,
                                 base::MatrixView<float> output) override {
    return Keep(context.layer, "attn", output);
  }
  absl::Status OnMlpOutput(const model::TapContext& context,
                           base::MatrixView<float> output) override {
    return Keep(context.layer, "mlp", output);
  }

  std::map<std::pair<int64_t, std::string>, std::vector<std::vector<double>>>
      rows;

 private:
  absl::Status Keep(int64_t layer, const std::string& part,
                    base::MatrixView<const float> output) {
    for (int64_t t = 0; t < output.rows; ++t) {
      const auto row = output.Row(t);
      rows[{layer, part}].emplace_back(row.begin(), row.end());
    }
    return absl::OkStatus();
  }
};

// By the definition, in two passes.
checkpoint::FeatureMoments MomentsByDefinition(
    const std::vector<std::vector<double>>& rows) {
  const auto n = static_cast<double>(rows.size());
  checkpoint::FeatureMoments moments;
  moments.number = static_cast<int64_t>(rows.size());
  for (size_t i = 0; i < rows[0].size(); ++i) {
    double mean = 0.0, variance = 0.0;
    for (const auto& row : rows) mean += row[i] / n;
    for (const auto& row : rows) variance += std::pow(row[i] - mean, 2) / n;
    moments.mean.push_back(mean);
    moments.variance.push_back(variance);
  }
  return moments;
}

void ExpectNear(const checkpoint::FeatureMoments& got,
                const checkpoint::FeatureMoments& want) {
  EXPECT_EQ(got.number, want.number);
  ASSERT_EQ(got.mean.size(), want.mean.size());
  ASSERT_EQ(got.variance.size(), want.variance.size());
  for (size_t i = 0; i < want.mean.size(); ++i) {
    const double deviation = std::sqrt(want.variance[i]);
    EXPECT_NEAR(got.mean[i], want.mean[i], 1e-13 * (1 + deviation));
    EXPECT_NEAR(got.variance[i], want.variance[i], 1e-12 * want.variance[i]);
  }
}

TEST(HiddenDistributionTest, IsMeanAndVarianceOfEveryBlock) {
  for (const Case& c : AllCases()) {
    SCOPED_TRACE(c.path);
    WalkMachine machine;
    MOE_ASSERT_OK_AND_ASSIGN(model::Model model, model::Model::Open(c.path));
    MOE_ASSERT_OK_AND_ASSIGN(
        const DistributionSums sums,
        SumHiddenDistribution(model, c.sequences, {}, {}, machine.resources()));
    MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Distribution got,
                             sums.ToDistribution());
    MOE_EXPECT_OK(checkpoint::ValidateDistribution(
        got, {model.config().num_hidden_layers, model.config().hidden_size},
        c.path));
    OutputTap tap;
    MOE_ASSERT_OK(
        model::WalkForward(model, c.sequences, {}, &tap, machine.resources())
            .status());
    for (size_t i = 0; i < got.layers.size(); ++i) {
      for (const auto& [part, moments] : got.layers[i].Named()) {
        const auto layer = static_cast<int64_t>(i);
        ExpectNear(
            moments->value(),
            MomentsByDefinition(tap.rows.at({layer, std::string(part)})));
      }
    }
  }
}

absl::StatusOr<DistributionSums> TrySum(
    const text::TokenSequences& sequences, const ShardOptions& shard,
    const model::WalkResources& resources,
    const model::WalkOptions& options = {}) {
  MOE_ASSIGN_OR_RETURN(model::Model model,
                       model::Model::Open(MoeFixturePath("biases")));
  return SumHiddenDistribution(model, sequences, shard, options, resources);
}

DistributionSums Sum(const text::TokenSequences& sequences,
                     const ShardOptions& shard = {},
                     const model::WalkOptions& options = {}) {
  WalkMachine machine;
  return TrySum(sequences, shard, machine.resources(), options).value();
}

std::string DigestOf(const DistributionSums& sums) {
  std::vector<double> all;
  const checkpoint::Distribution distribution = sums.ToDistribution().value();
  for (const checkpoint::LayerParts<checkpoint::FeatureMoments>& layer :
       distribution.layers) {
    for (const auto& [part, moments] : layer.Named()) {
      const checkpoint::FeatureMoments& m = moments->value();
      all.insert(all.end(), m.mean.begin(), m.mean.end());
      all.insert(all.end(), m.variance.begin(), m.variance.end());
    }
  }
  return Digest<double>(all);
}

using DistributionBitsTest = ::moe::kernels::testing::KernelTest;

TEST_P(DistributionBitsTest, AreTheSameOnEveryMachine) {
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(const DistributionSums sums,
                           TrySum(ManySequences("biases"), {},
                                  {machine.budget, pool(), machine.progress}));
  EXPECT_EQ(sums.num_tokens(), 979);
  // Computed on the first machine: pins the bits everywhere.
  EXPECT_EQ(DigestOf(sums), "2984d4d055e463e7");
}

INSTANTIATE_TEST_SUITE_P(All, DistributionBitsTest,
                         ValuesIn(FewKernelMachines()), KernelMachineName);

TEST(DistributionMemoryTest, BitsAreTheSameFromTheSmallestBudgetToUnlimited) {
  const text::TokenSequences sequences = ManySequences("biases");
  const DistributionSums want = Sum(sequences);
  const int64_t smallest = SmallestBudget([&](int64_t budget_bytes) {
    WalkMachine machine(2, budget_bytes);
    return TrySum(sequences, {}, machine.resources()).status();
  });
  for (const int64_t budget : {smallest, smallest * 3 / 2, smallest * 4}) {
    WalkMachine machine(2, budget);
    MOE_ASSERT_OK_AND_ASSIGN(const DistributionSums got,
                             TrySum(sequences, {}, machine.resources()));
    EXPECT_EQ(got.ToRecords(), want.ToRecords());
  }
}

TEST(DistributionOrderTest, OfSequencesAndGroupsDoesNotMatter) {
  const text::TokenSequences many = ManySequences("biases");
  const DistributionSums want = Sum(many);
  text::TokenSequences turned;
  for (int64_t s = many.num_sequences() - 1; s >= 0; --s) {
    turned.Append(many.input_ids(s), many.labels(s));
  }
  EXPECT_EQ(Sum(turned).ToRecords(), want.ToRecords());
  model::WalkOptions options;
  options.tokens_at_once = 70;
  EXPECT_EQ(Sum(many, {}, options).ToRecords(), want.ToRecords());
}

TEST(DistributionShardsTest, MergedInAnyOrderAreOneRun) {
  const text::TokenSequences sequences = ManySequences("biases");
  const DistributionSums want = Sum(sequences);
  for (const int64_t num_shards : {1, 2, 5, 8, 11}) {
    std::vector<int64_t> order;
    for (int64_t i = 0; i < num_shards; ++i) order.push_back(i);
    base::RandomStream stream(static_cast<uint64_t>(num_shards), "order");
    base::Shuffle(stream, absl::MakeSpan(order));
    DistributionSums merged(want.shape());
    for (const int64_t i : order) {
      ShardOptions shard;
      shard.set_num_shards(num_shards);
      shard.set_shard(i);
      MOE_ASSERT_OK_AND_ASSIGN(
          const DistributionSums part,
          DistributionSums::FromRecords(Sum(sequences, shard).ToRecords()));
      MOE_ASSERT_OK(merged.Merge(part));
    }
    EXPECT_EQ(merged.ToRecords(), want.ToRecords()) << num_shards;
  }
}

TEST(DistributionErrorsTest, NoTokensAreRefused) {
  // Refused before anything is held: there is no memory to hold it in.
  WalkMachine machine(2, /*budget_bytes=*/0);
  EXPECT_THAT(
      TrySum(text::TokenSequences(), {}, machine.resources()).status(),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no sequence")));
  ShardOptions shard;
  shard.set_shard(1);
  EXPECT_THAT(
      TrySum(ManySequences("biases"), shard, machine.resources()).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("shard: expected 0 to 0, found 1")));
}

// Two layers, one feature: every block gets the tokens of a chunk, times
// the block's number from 1 on.
DistributionSums SumsOf(const std::vector<float>& tokens, int64_t chunk) {
  base::ThreadPool pool(1);
  DistributionSums sums({2, 1});
  float factor = 0.0f;
  for (const int64_t layer : {0, 1}) {
    for (kernels::Moments* const block :
         {&sums.attention(layer), &sums.mlp(layer)}) {
      factor += 1.0f;
      std::vector<float> rows = tokens;
      for (float& x : rows) x *= factor;
      EXPECT_TRUE(
          block
              ->Add(128 * chunk,
                    base::MatrixView<const float>(
                        rows.data(), static_cast<int64_t>(rows.size()), 1),
                    pool)
              .ok());
    }
  }
  EXPECT_TRUE(sums.Finish().ok());
  return sums;
}

TEST(DistributionSumsTest, AreThoseOfEveryBlock) {
  MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Distribution distribution,
                           SumsOf({1.0f, 3.0f}, 0).ToDistribution());
  ASSERT_EQ(distribution.layers.size(), 2u);
  EXPECT_EQ(distribution.layers[0].attn,
            (checkpoint::FeatureMoments{2, {2.0}, {1.0}}));
  EXPECT_EQ(distribution.layers[0].mlp,
            (checkpoint::FeatureMoments{2, {4.0}, {4.0}}));
  EXPECT_EQ(distribution.layers[1].attn,
            (checkpoint::FeatureMoments{2, {6.0}, {9.0}}));
  EXPECT_EQ(distribution.layers[1].mlp,
            (checkpoint::FeatureMoments{2, {8.0}, {16.0}}));
}

TEST(DistributionSumsTest, MergeAndRecords) {
  DistributionSums sums = SumsOf({1.0f, 3.0f}, 1);
  MOE_ASSERT_OK(sums.Merge(SumsOf({8.0f}, 0)));
  EXPECT_EQ(sums.num_tokens(), 3);
  MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Distribution distribution,
                           sums.ToDistribution());
  EXPECT_THAT(distribution.layers[0].attn->mean, ElementsAre(4.0));
  MOE_ASSERT_OK_AND_ASSIGN(const DistributionSums parsed,
                           DistributionSums::FromRecords(sums.ToRecords()));
  EXPECT_EQ(parsed.shape(), sums.shape());
  EXPECT_EQ(parsed.ToRecords(), sums.ToRecords());
  EXPECT_THAT(
      sums.Merge(SumsOf({8.0f}, 0)),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("layers.0.attn")));
  EXPECT_THAT(sums.Merge(DistributionSums({3, 1})),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("sums: expected 2 layers, found 3")));
}

TEST(DistributionSumsTest, NoTokensHaveNoDistribution) {
  EXPECT_THAT(DistributionSums({2, 1}).ToDistribution().status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("tokens: expected at least 1")));
}

TEST(DistributionSumsTest, RecordsThatDoNotFitAreRefusedByName) {
  const DistributionSums::Records good = SumsOf({1.0f}, 0).ToRecords();
  const auto refused = [](const DistributionSums::Records& records,
                          const char* what) {
    EXPECT_THAT(DistributionSums::FromRecords(records).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(what)));
  };
  refused({}, "sums: expected those of at least one layer");
  DistributionSums::Records records = good;
  records.erase("layers.1.mlp");
  refused(records, "sums: expected \"layers.1.mlp\", found 3");
  records = good;
  records.erase("layers.0.attn");
  refused(records, "sums: expected \"layers.0.attn\"");
  records = good;
  records["other"] = records["layers.0.mlp"];
  refused(records, "sums: expected \"layers.2.attn\"");
  records = good;
  records["layers.1.attn"] =
      SumsOf({1.0f, 2.0f}, 0).ToRecords().at("layers.1.attn");
  refused(records,
          "layers.1.attn: expected 1 features over 1 tokens, as layers.0.attn "
          "has, found 1 over 2");
  records = good;
  records["layers.0.mlp"] = "x";
  EXPECT_THAT(DistributionSums::FromRecords(records).status(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("layers.0.mlp")));
}

TEST(DistributionReportTest, SummarizesEveryBlock) {
  checkpoint::Distribution distribution;
  distribution.layers.resize(2);
  distribution.layers[0].attn = {7, {1.0, -3.0, 2.0}, {4.0, 0.0, 0.5}};
  distribution.layers[1].attn = {7, {0.0, 0.0, 0.0}, {1.0, 1.0, 1.0}};
  distribution.layers[1].mlp = {7, {0.5, 0.0, 0.0}, {1.0, 2.0, 1e-13}};
  const base::Json want = {{"hidden_size", 3},
                           {"blocks",
                            {{{"layer", 0},
                              {"part", "attn"},
                              {"num_tokens", 7},
                              {"largest_abs_mean", 3.0},
                              {"least_variance", 0.0},
                              {"largest_variance", 4.0},
                              {"num_dead_features", 1}},
                             {{"layer", 1},
                              {"part", "attn"},
                              {"num_tokens", 7},
                              {"largest_abs_mean", 0.0},
                              {"least_variance", 1.0},
                              {"largest_variance", 1.0},
                              {"num_dead_features", 0}},
                             {{"layer", 1},
                              {"part", "mlp"},
                              {"num_tokens", 7},
                              {"largest_abs_mean", 0.5},
                              {"least_variance", 1e-13},
                              {"largest_variance", 2.0},
                              {"num_dead_features", 1}}}}};
  EXPECT_EQ(DistributionReportToJson(distribution), want);
  EXPECT_THAT(FormatDistributionReport(distribution),
              HasSubstr("      1   mlp             0.5           1e-13"));
}

}  // namespace

}  // namespace moe::align
