#include "moe/split/neuron_split.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/matrix.h"
#include "moe/base/options/options.h"
#include "moe/base/philox.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/importance_scores.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/split/split_options.pb.h"
#include "moe/split/testing/neuron_split_reference.h"

namespace moe::split {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A table, and what experts there are to be.
struct Case {
  checkpoint::ImportanceScores scores;  // One layer.
  int64_t num_experts = 0;
  int64_t num_residual = 0;  // For residual splits.
  int64_t expert_size = 0;
  bool share_neurons = false;
  SplitCriterion::Value criterion = SplitCriterion::MAX;

  const base::Matrix<float>& table() const { return scores.layers[0].scores; }
};

float DrawScore(base::RandomStream& stream, uint64_t num_values) {
  if (num_values == 0) return stream.UniformSymmetric(1.0f);
  const auto value = static_cast<float>(stream.UniformInt(num_values));
  return value == 0.0f && stream.UniformInt(2) == 0 ? -0.0f : value;
}

// `most_neurons` bounds the cost of the reference.
Case DrawCase(base::RandomStream& stream, int64_t most_experts,
              int64_t most_neurons) {
  Case c;
  const auto below = [&](int64_t bound) {
    return static_cast<int64_t>(
        stream.UniformInt(static_cast<uint64_t>(bound)));
  };
  c.num_experts = 2 + below(most_experts - 1);
  c.num_residual = 1 + below(3);
  c.share_neurons = below(2) == 0;
  c.criterion = below(2) == 0 ? SplitCriterion::MAX : SplitCriterion::MIN;
  const int64_t parts = c.num_experts + c.num_residual;
  const int64_t most_size = std::max<int64_t>(1, most_neurons / parts);
  c.expert_size = 1 + below(most_size);
  int64_t num_neurons = parts * c.expert_size;
  if (c.share_neurons) {
    const int64_t least = (c.num_residual + 1) * c.expert_size;
    num_neurons = least + below(2 * c.num_experts * c.expert_size);
  }
  // Few values, many ties.
  constexpr uint64_t kNumValues[] = {0, 1, 2, 5, 40};
  const uint64_t num_values = kNumValues[stream.UniformInt(5)];
  base::Matrix<float> table(c.num_experts, num_neurons);
  for (float& score : table.values()) score = DrawScore(stream, num_values);
  c.scores.layers.push_back({std::move(table), {}});
  return c;
}

VanillaSplitOptions VanillaOf(const Case& c) {
  VanillaSplitOptions options;
  options.set_num_experts(c.num_experts);
  options.set_criterion(c.criterion);
  options.set_share_neurons(c.share_neurons);
  if (c.share_neurons) options.set_expert_size(c.expert_size);
  return options;
}

ResidualSplitOptions ResidualOf(const Case& c) {
  ResidualSplitOptions options;
  options.set_num_experts_moe(c.num_experts);
  options.set_num_experts_residual(c.num_residual);
  options.set_criterion(c.criterion);
  options.set_share_neurons(c.share_neurons);
  if (c.share_neurons) options.set_expert_size(c.expert_size);
  return options;
}

// All neurons of the layer, once each, in ascending order.
std::vector<int64_t> Sorted(const checkpoint::LayerNeuronIndices& layer) {
  std::vector<int64_t> all(layer.experts.values().begin(),
                           layer.experts.values().end());
  if (layer.residual.has_value()) {
    all.insert(all.end(), layer.residual->begin(), layer.residual->end());
  }
  std::sort(all.begin(), all.end());
  return all;
}

std::vector<int64_t> UpTo(int64_t count) {
  std::vector<int64_t> all(static_cast<size_t>(count));
  std::iota(all.begin(), all.end(), int64_t{0});
  return all;
}

void ExpectPartition(const Case& c, const checkpoint::NeuronIndices& indices,
                     bool residual) {
  if (!c.share_neurons) {
    EXPECT_EQ(Sorted(indices.layers[0]), UpTo(c.table().cols()));
  }
  checkpoint::NeuronIndicesShape shape;
  shape.num_layers = 1;
  shape.num_experts = c.num_experts;
  shape.intermediate_size = c.table().cols();
  shape.residual = residual;
  shape.shared = c.share_neurons;
  MOE_EXPECT_OK(checkpoint::ValidateNeuronIndices(indices, shape, "the split"));
}

// False to end the test at the first failure.
bool VanillaIsTheReference(Case c, base::ThreadPool& pool) {
  // The residual's neurons are too many here, unless they are shared.
  if (!c.share_neurons) {
    base::Matrix<float>& table = c.scores.layers[0].scores;
    const int64_t cols = c.num_experts * c.expert_size;
    table = base::Matrix<float>(
        table.rows(), cols,
        table.values().first(static_cast<size_t>(table.rows() * cols)));
  }
  const VanillaSplitOptions options = VanillaOf(c);
  const absl::StatusOr<NeuronSplit> got = SplitNeurons(c.scores, options, pool);
  MOE_EXPECT_OK(got);
  if (!got.ok()) return false;
  EXPECT_EQ(got->indices.layers[0],
            reference::SplitNeurons(c.table(), options, c.expert_size));
  ExpectPartition(c, got->indices, /*residual=*/false);
  return !::testing::Test::HasFailure();
}

bool ResidualIsTheReference(const Case& c, base::ThreadPool& pool) {
  const ResidualSplitOptions options = ResidualOf(c);
  const absl::StatusOr<NeuronSplit> got =
      SplitNeuronsWithResidual(c.scores, options, pool);
  MOE_EXPECT_OK(got);
  if (!got.ok()) return false;
  EXPECT_EQ(got->indices.layers[0], reference::SplitNeuronsWithResidual(
                                        c.table(), options, c.expert_size));
  ExpectPartition(c, got->indices, /*residual=*/true);
  return !::testing::Test::HasFailure();
}

void CompareWithReference(int64_t num_cases, int64_t most_experts,
                          int64_t most_neurons) {
  base::ThreadPool pool(2);
  for (int64_t i = 0; i < num_cases; ++i) {
    SCOPED_TRACE(i);
    base::RandomStream stream(static_cast<uint64_t>(i), "neuron_split_test");
    const Case c = DrawCase(stream, most_experts, most_neurons);
    if (!VanillaIsTheReference(c, pool)) return;
    if (!ResidualIsTheReference(c, pool)) return;
  }
}

TEST(NeuronSplitTest, TensOfThousandsOfSmallTables) {
  CompareWithReference(20000, 6, 40);
}

TEST(NeuronSplitTest, ManyExperts) { CompareWithReference(300, 64, 300); }

TEST(NeuronSplitTest, LargeTables) { CompareWithReference(12, 16, 2000); }

TEST(NeuronSplitTest, ManyExpertsAndNeurons) {
  CompareWithReference(2, 64, 2000);
}

TEST(NeuronSplitTest, LayersDoNotDependOnEachOtherOrOnThreads) {
  base::RandomStream stream(1, "layers");
  checkpoint::ImportanceScores scores;
  for (int i = 0; i < 5; ++i) {
    base::Matrix<float> table(4, 64);
    for (float& score : table.values()) score = DrawScore(stream, 9);
    scores.layers.push_back({std::move(table), {}});
  }
  VanillaSplitOptions options;
  options.set_num_experts(4);
  base::ThreadPool one(1), seven(7);
  MOE_ASSERT_OK_AND_ASSIGN(const NeuronSplit all,
                           SplitNeurons(scores, options, one));
  MOE_ASSERT_OK_AND_ASSIGN(const NeuronSplit threaded,
                           SplitNeurons(scores, options, seven));
  EXPECT_EQ(all.indices, threaded.indices);
  EXPECT_EQ(all.overlaps, threaded.overlaps);
  for (size_t i = 0; i < scores.layers.size(); ++i) {
    MOE_ASSERT_OK_AND_ASSIGN(const NeuronSplit alone,
                             SplitNeurons({{scores.layers[i]}}, options, one));
    EXPECT_EQ(alone.indices.layers[0], all.indices.layers[i]);
  }
}

checkpoint::ImportanceScores Zeros(int64_t num_layers, int64_t rows,
                                   int64_t cols) {
  checkpoint::ImportanceScores scores;
  for (int64_t i = 0; i < num_layers; ++i) {
    scores.layers.push_back({base::Matrix<float>::Zeros(rows, cols), {}});
  }
  return scores;
}

auto Refuses(const char* text) {
  return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(text));
}

TEST(NeuronSplitTest, ScoresThatDoNotFitAreRefused) {
  base::ThreadPool pool(1);
  VanillaSplitOptions options;
  options.set_num_experts(4);
  EXPECT_THAT(SplitNeurons(Zeros(2, 3, 8), options, pool),
              Refuses("expected num_clusters 4, found 3"));
  EXPECT_THAT(SplitNeurons(Zeros(2, 4, 10), options, pool),
              Refuses("expected a multiple of 4 experts"));
  for (const float bad : {NAN, INFINITY}) {
    checkpoint::ImportanceScores scores = Zeros(2, 4, 8);
    scores.layers[1].scores.Row(2)[5] = bad;
    EXPECT_THAT(SplitNeurons(scores, options, pool), Refuses("layers.1[2, 5]"));
  }
  checkpoint::ImportanceScores ragged = Zeros(2, 4, 8);
  ragged.layers[1] = Zeros(1, 4, 12).layers[0];
  EXPECT_THAT(SplitNeurons(ragged, options, pool), Refuses("layers.1"));
  EXPECT_FALSE(SplitNeurons({}, options, pool).ok());
  options.set_num_experts(0);
  EXPECT_THAT(SplitNeurons(Zeros(1, 4, 8), options, pool),
              Refuses("num_experts: expected 1 to 1024, found 0"));

  ResidualSplitOptions residual;
  residual.set_num_experts_moe(3);
  residual.set_num_experts_residual(1);
  EXPECT_THAT(SplitNeuronsWithResidual(Zeros(1, 4, 8), residual, pool),
              Refuses("expected num_clusters 3, found 4"));
  EXPECT_THAT(SplitNeuronsWithResidual(Zeros(1, 3, 9), residual, pool),
              Refuses("expected a multiple of 4 experts"));
  residual.set_share_neurons(true);
  residual.set_expert_size(10);
  EXPECT_THAT(SplitNeuronsWithResidual(Zeros(1, 3, 9), residual, pool),
              Refuses(", found 10"));
}

TEST(NaiveSplitTest, SequentialIsInOrder) {
  NaiveSplitOptions options;
  options.set_num_experts(3);
  MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::NeuronIndices indices,
                           SplitNeuronsNaively({2, 6}, options));
  ASSERT_EQ(indices.layers.size(), 2u);
  EXPECT_EQ(indices.layers[0], indices.layers[1]);
  EXPECT_THAT(indices.layers[0].experts.values(),
              ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(SplitNeuronsNaively({2, 7}, options),
              Refuses("expected a multiple of 3 experts, found 7"));
}

TEST(NaiveSplitTest, RandomIsAPartitionBySeedAndLayer) {
  NaiveSplitOptions options;
  options.set_method(NaiveSplitOptions::RANDOM);
  options.set_num_experts(4);
  options.set_seed(11);
  MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::NeuronIndices indices,
                           SplitNeuronsNaively({3, 400}, options));
  for (const checkpoint::LayerNeuronIndices& layer : indices.layers) {
    EXPECT_EQ(Sorted(layer), UpTo(400));
    for (int64_t e = 0; e < 4; ++e) {
      const auto row = layer.experts.Row(e);
      EXPECT_TRUE(std::is_sorted(row.begin(), row.end()));
    }
  }
  EXPECT_NE(indices.layers[0], indices.layers[1]);
  MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::NeuronIndices fewer,
                           SplitNeuronsNaively({2, 400}, options));
  EXPECT_EQ(fewer.layers[1], indices.layers[1]);
  options.set_seed(12);
  MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::NeuronIndices other,
                           SplitNeuronsNaively({3, 400}, options));
  EXPECT_NE(other.layers[0], indices.layers[0]);
}

using ::moe::base::testing::IsOkAndHolds;

VanillaSplitOptions Vanilla(int64_t num_experts) {
  VanillaSplitOptions options;
  options.set_num_experts(num_experts);
  return options;
}

ResidualSplitOptions Residual(int64_t num_moe, int64_t num_residual) {
  ResidualSplitOptions options;
  options.set_num_experts_moe(num_moe);
  options.set_num_experts_residual(num_residual);
  return options;
}

TEST(SplitOptionsTest, VanillaNamesTheField) {
  MOE_EXPECT_OK(base::CheckOptions(Vanilla(1)));
  MOE_EXPECT_OK(base::CheckOptions(Vanilla(1024)));
  EXPECT_THAT(base::CheckOptions(Vanilla(0)),
              Refuses("num_experts: expected 1 to 1024, found 0"));
  VanillaSplitOptions options = Vanilla(8);
  options.set_expert_size(0);
  EXPECT_THAT(base::CheckOptions(options),
              Refuses("expert_size: expected 1 or more, found 0"));
  options = Vanilla(8);
  options.set_criterion(static_cast<SplitCriterion::Value>(7));
  EXPECT_THAT(base::CheckOptions(options),
              Refuses("criterion: expected max, min, found 7"));
}

TEST(SplitOptionsTest, ResidualNamesTheField) {
  MOE_EXPECT_OK(base::CheckOptions(Residual(7, 1)));
  EXPECT_THAT(base::CheckOptions(Residual(0, 1)),
              Refuses("num_experts_moe: expected 1 to 1024, found 0"));
  EXPECT_THAT(base::CheckOptions(Residual(7, 0)),
              Refuses("num_experts_residual: expected 1 to 1024, found 0"));
  ResidualSplitOptions options = Residual(7, 1);
  options.set_expert_size(-3);
  EXPECT_THAT(base::CheckOptions(options),
              Refuses("expert_size: expected 1 or more, found -3"));
}

TEST(SplitOptionsTest, NaiveNamesTheField) {
  NaiveSplitOptions options;
  options.set_num_experts(8);
  MOE_EXPECT_OK(base::CheckOptions(options));
  options.set_seed(-1);
  EXPECT_THAT(base::CheckOptions(options),
              Refuses("seed: expected 0 or more, found -1"));
  options.set_seed(0);
  options.set_num_experts(1025);
  EXPECT_THAT(base::CheckOptions(options), Refuses("num_experts"));
}

TEST(SplitOptionsTest, ExpertsOfOneSizeTakeAllNeurons) {
  EXPECT_THAT(ExpertSize(Vanilla(8), 1536), IsOkAndHolds(192));
  EXPECT_THAT(ExpertSize(Residual(7, 1), 1536), IsOkAndHolds(192));
  EXPECT_THAT(
      ExpertSize(Vanilla(7), 1536),
      Refuses(
          "intermediate size: expected a multiple of 7 experts, found 1536"));
  EXPECT_THAT(ExpertSize(Residual(8, 1), 1536),
              Refuses("expected a multiple of 9 experts"));
  EXPECT_THAT(ExpertSize(Vanilla(8), 0),
              Refuses("expected a multiple of 8 experts, found 0"));
  VanillaSplitOptions options = Vanilla(8);
  options.set_expert_size(192);
  EXPECT_THAT(ExpertSize(options, 1536), IsOkAndHolds(192));
  options.set_expert_size(100);
  EXPECT_THAT(ExpertSize(options, 1536), Refuses("set share_neurons"));
  // 8 times it is 1536 in 64 bits.
  options.set_expert_size((int64_t{1} << 61) + 192);
  EXPECT_THAT(ExpertSize(options, 1536), Refuses("expected 1 to the inter"));
}

TEST(SplitOptionsTest, SharedExpertsHaveAnySizeThereAreNeuronsFor) {
  VanillaSplitOptions options = Vanilla(7);
  options.set_share_neurons(true);
  EXPECT_THAT(ExpertSize(options, 1536), IsOkAndHolds(219));
  options.set_expert_size(1536);
  EXPECT_THAT(ExpertSize(options, 1536), IsOkAndHolds(1536));
  options.set_expert_size(1537);
  EXPECT_THAT(ExpertSize(options, 1536), Refuses("1 to the intermediate size"));
  EXPECT_THAT(ExpertSize(Vanilla(8), 7),
              Refuses("expected a multiple of 8 experts, found 7"));

  ResidualSplitOptions residual = Residual(7, 3);
  residual.set_share_neurons(true);
  residual.set_expert_size(384);  // 3 * 384 + 384 = 1536
  EXPECT_THAT(ExpertSize(residual, 1536), IsOkAndHolds(384));
  residual.set_expert_size(385);
  EXPECT_THAT(ExpertSize(residual, 1536), Refuses("expected 1 to 384"));
  residual.set_expert_size(std::numeric_limits<int64_t>::max());
  EXPECT_THAT(ExpertSize(residual, 1536), Refuses(", found 9223"));
}

TEST(SplitReportTest, ResidualSplit) {
  ResidualSplitOptions options;
  options.set_num_experts_moe(2);
  options.set_num_experts_residual(1);
  options.set_criterion(SplitCriterion::MIN);
  NeuronSplit split;
  split.indices.layers.push_back(
      {base::Matrix<int64_t>(2, 2, {0, 1, 2, 3}), std::vector<int64_t>{4, 5}});
  split.overlaps.push_back({{3, 2, 1}, {2, 4, 0}, {0, 1, 1}});
  const base::Json json = SplitReportToJson(options, split);
  EXPECT_EQ(json.dump(),
            R"({"options":{"num_experts_moe":2,"num_experts_residual":1,)"
            R"("criterion":"min","share_neurons":false},)"
            R"("layers":[{"layer":0,"expert_size":2,"residual_size":2,)"
            R"("wanted":[3,2,1],"taken":[2,4,0],"residual_wanted":[0,1,1]}]})");
  const std::string table = FormatSplitReport(split);
  EXPECT_THAT(table, HasSubstr("3/2/1, 2 at most"));
  EXPECT_THAT(table, HasSubstr("2/4/0, 1 at most"));
  EXPECT_THAT(table, HasSubstr("1.50 experts"));
}

TEST(SplitReportTest, VanillaSplit) {
  VanillaSplitOptions options;
  options.set_num_experts(2);
  options.set_share_neurons(true);
  NeuronSplit split;
  split.indices.layers.push_back({base::Matrix<int64_t>(2, 1, {1, 1}), {}});
  split.overlaps.push_back({{1, 0, 1}, {1, 0, 1}, {}});
  EXPECT_EQ(SplitReportToJson(options, split).dump(),
            R"({"options":{"num_experts":2,"criterion":"max",)"
            R"("share_neurons":true},"layers":[{"layer":0,"expert_size":1,)"
            R"("wanted":[1,0,1],"taken":[1,0,1]}]})");
  EXPECT_THAT(FormatSplitReport(split), HasSubstr("1/0/1, 2 at most"));
}

TEST(SplitReportTest, NaiveSplit) {
  NaiveSplitOptions options;
  options.set_num_experts(2);
  checkpoint::NeuronIndices indices;
  indices.layers.push_back({base::Matrix<int64_t>::Zeros(2, 3), {}});
  EXPECT_EQ(SplitReportToJson(options, indices).dump(),
            R"({"options":{"method":"sequential","num_experts":2},)"
            R"("layers":[{"layer":0,"expert_size":3}]})");
  options.set_method(NaiveSplitOptions::RANDOM);
  options.set_seed(4);
  EXPECT_EQ(SplitReportToJson(options, indices)["options"].dump(),
            R"({"method":"random","num_experts":2,"seed":4})");
}

}  // namespace

}  // namespace moe::split
