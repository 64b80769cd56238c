#include "moe/split/neuron_importance.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/philox.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/importance_scores.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/kernels/sums/feature_sums.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/layer/checkpoint_weights.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/shard_options.pb.h"
#include "moe/model/walk/testing/walk_fixture.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_tap.h"
#include "moe/text/dataset/token_batches.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::split {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::kernels::testing::Digest;
using ::moe::kernels::testing::FewKernelMachines;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::model::testing::FixtureNames;
using ::moe::model::testing::FixturePath;
using ::moe::model::testing::GoldenRows;
using ::moe::model::testing::Goldens;
using ::moe::model::testing::GoldenSequences;
using ::moe::model::testing::Int64sOf;
using ::moe::model::testing::SmallestBudget;
using ::moe::model::testing::WalkMachine;
using ::testing::HasSubstr;
using ::testing::ValuesIn;

checkpoint::GateWeights RandomGates(const checkpoint::LlamaConfig& config,
                                    int64_t num_clusters) {
  checkpoint::GateWeights gates;
  base::RandomStream stream(1, "gates");
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    base::Matrix<float> gate(num_clusters, config.hidden_size);
    for (float& value : gate.values()) value = stream.UniformSymmetric(1.0f);
    gates.layers.push_back(std::move(gate));
  }
  return gates;
}

// [layer]: x_t of all tokens, by a walk down.
std::vector<std::vector<float>> MlpInputs(
    model::DenseModel& model, const text::TokenSequences& sequences) {
  class Tap : public model::WalkTap {
   public:
    absl::Status OnMlpInput(const model::TapContext& context,
                            base::MatrixView<const float> rows) override {
      inputs.resize(static_cast<size_t>(context.layer) + 1);
      for (int64_t r = 0; r < rows.rows; ++r) {
        inputs.back().insert(inputs.back().end(), rows.Row(r).begin(),
                             rows.Row(r).end());
      }
      return absl::OkStatus();
    }
    std::vector<std::vector<float>> inputs;
  };
  Tap tap;
  WalkMachine machine;
  MOE_EXPECT_OK(
      model::WalkForward(model, sequences, {}, &tap, machine.resources())
          .status());
  return tap.inputs;
}

// argmax_e x . gate_e in double; -1 where two are so close that floats may
// decide otherwise.
int64_t ClusterOf(absl::Span<const float> x, const base::Matrix<float>& gate) {
  std::vector<double> products;
  for (int64_t e = 0; e < gate.rows(); ++e) {
    products.push_back(0.0);
    for (size_t i = 0; i < x.size(); ++i) {
      products.back() += double{x[i]} * gate.Row(e)[i];
    }
  }
  const auto best = std::max_element(products.begin(), products.end());
  std::vector<double> sorted = products;
  std::sort(sorted.rbegin(), sorted.rend());
  return sorted.size() > 1 && sorted[0] - sorted[1] < 1e-3
             ? -1
             : best - products.begin();
}

// The formula, in double, over autograd's activations and gradients.
struct Table {
  std::vector<double> sums;  // [num_clusters, I]
  std::vector<int64_t> counts;
};
Table ScoresOfGoldens(absl::Span<const float> activation,
                      absl::Span<const float> gradient,
                      absl::Span<const int64_t> clusters,
                      int64_t num_clusters) {
  const size_t cols = activation.size() / clusters.size();
  Table table{std::vector<double>(static_cast<size_t>(num_clusters) * cols),
              std::vector<int64_t>(static_cast<size_t>(num_clusters))};
  for (size_t t = 0; t < clusters.size(); ++t) {
    const auto c = static_cast<size_t>(clusters[t]);
    ++table.counts[c];
    for (size_t n = 0; n < cols; ++n) {
      table.sums[c * cols + n] +=
          std::fabs(double{gradient[t * cols + n]} * activation[t * cols + n]);
    }
  }
  for (size_t i = 0; i < table.sums.size(); ++i) {
    table.sums[i] /=
        static_cast<double>(std::max<int64_t>(1, table.counts[i / cols]));
  }
  return table;
}

// As a share of the largest score of the layer.
double LargestError(const base::Matrix<float>& got,
                    absl::Span<const double> want) {
  double error = 0.0, largest = 0.0;
  for (size_t i = 0; i < want.size(); ++i) {
    error = std::max(error, std::fabs(got.values()[i] - want[i]));
    largest = std::max(largest, want[i]);
  }
  return got.values().size() == want.size() ? error / largest : INFINITY;
}

// The golden sequences under the labels of that prefix.
text::TokenSequences Labelled(const checkpoint::HostTensors& goldens,
                              const checkpoint::HostTensors& gradients,
                              const std::string& prefix) {
  const text::TokenSequences plain = GoldenSequences(goldens);
  text::TokenSequences sequences;
  for (int64_t s = 0; s < 3; ++s) {
    sequences.Append(
        plain.input_ids(s),
        Int64sOf(gradients.at(absl::StrCat(prefix, "seq.", s, ".labels"))));
  }
  return sequences;
}

std::vector<float> GoldenGradients(const checkpoint::HostTensors& gradients,
                                   const std::string& prefix, size_t layer) {
  std::vector<float> rows;
  for (const int s : {0, 1, 2}) {
    const std::vector<float> part = model::ToFloats(gradients.at(
        absl::StrCat(prefix, "seq.", s, ".activation_gradient.", layer)));
    rows.insert(rows.end(), part.begin(), part.end());
  }
  return rows;
}

void CompareWithAutograd(const std::string& name, const std::string& prefix) {
  constexpr int64_t kNumClusters = 5;
  const checkpoint::HostTensors gradients =
      Goldens(absl::StrCat(name, "_gradients"));
  const text::TokenSequences sequences =
      Labelled(Goldens(name), gradients, prefix);
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(model::DenseModel model,
                           model::DenseModel::Open(FixturePath(name)));
  const checkpoint::GateWeights gates =
      RandomGates(model.config(), kNumClusters);
  const text::TokenBatches batches(sequences, /*batch_size=*/3);
  MOE_ASSERT_OK_AND_ASSIGN(const ImportanceSums sums,
                           SumNeuronImportance(model, {batches, gates, {}}, {},
                                               machine.resources()));
  const checkpoint::ImportanceScores scores = sums.Scores();
  const auto inputs = MlpInputs(model, sequences);
  ASSERT_EQ(scores.layers.size(), inputs.size());
  const auto hidden_size = static_cast<size_t>(model.config().hidden_size);
  for (size_t layer = 0; layer < inputs.size(); ++layer) {
    std::vector<int64_t> clusters;
    for (size_t at = 0; at < inputs[layer].size(); at += hidden_size) {
      clusters.push_back(
          ClusterOf(absl::MakeConstSpan(inputs[layer]).subspan(at, hidden_size),
                    gates.layers[layer]));
      ASSERT_GE(clusters.back(), 0) << "draw other gates";
    }
    const Table want = ScoresOfGoldens(
        GoldenRows(gradients, absl::StrCat("activation.", layer)),
        GoldenGradients(gradients, prefix, layer), clusters, kNumClusters);
    EXPECT_EQ(*scores.layers[layer].token_count, want.counts);
    // The bar is 1e-4.
    EXPECT_LT(LargestError(scores.layers[layer].scores, want.sums), 2e-5)
        << name << ", " << prefix << layer;
  }
}

TEST(NeuronImportanceTest, IsThatOfAutograd) {
  for (const std::string& name : FixtureNames()) {
    CompareWithAutograd(name, "");
    CompareWithAutograd(name, "masked.");
  }
}

// 40 sequences of 2 to 48 tokens, 979 in all: 8 chunks. Every third label of
// every other sequence is ignored.
text::TokenSequences ManySequences(const std::string& name) {
  const text::TokenSequences three = GoldenSequences(Goldens(name));
  const auto ids = three.input_ids(2);
  text::TokenSequences many;
  for (size_t s = 0; s < 40; ++s) {
    const size_t length = 2 + (s * 17) % 47;
    const auto part = ids.subspan((s * 5) % (ids.size() - length + 1), length);
    std::vector<int32_t> labels(part.begin(), part.end());
    for (size_t t = 2; s % 2 == 1 && t < length; t += 3) labels[t] = -100;
    many.Append(part, labels);
  }
  return many;
}

absl::StatusOr<ImportanceSums> TrySum(const text::TokenBatches& batches,
                                      const ShardOptions& shard,
                                      const model::WalkResources& resources) {
  const std::string name = "llama_headdim_f16";
  absl::StatusOr<model::DenseModel> model =
      model::DenseModel::Open(FixturePath(name));
  if (!model.ok()) return model.status();
  const checkpoint::GateWeights gates = RandomGates(model->config(), 4);
  return SumNeuronImportance(*model, {batches, gates, shard}, {}, resources);
}

text::TokenBatches ManyBatches() {
  return text::TokenBatches(ManySequences("llama_headdim_f16"),
                            /*batch_size=*/4);
}

ImportanceSums Sum(const text::TokenBatches& batches,
                   const ShardOptions& shard = {}) {
  WalkMachine machine;
  return TrySum(batches, shard, machine.resources()).value();
}

std::string DigestOf(const ImportanceSums& sums) {
  std::vector<float> all;
  for (const checkpoint::LayerImportanceScores& layer : sums.Scores().layers) {
    all.insert(all.end(), layer.scores.values().begin(),
               layer.scores.values().end());
  }
  return Digest<float>(all);
}

using ImportanceBitsTest = ::moe::kernels::testing::KernelTest;

TEST_P(ImportanceBitsTest, AreTheSameOnEveryMachine) {
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(
      const ImportanceSums sums,
      TrySum(ManyBatches(), {}, {machine.budget, pool(), machine.progress}));
  EXPECT_EQ(sums.num_tokens(), 979);
  // Computed on the first machine: pins the bits everywhere.
  EXPECT_EQ(DigestOf(sums), "ddaf403f86819a33");
}

INSTANTIATE_TEST_SUITE_P(All, ImportanceBitsTest, ValuesIn(FewKernelMachines()),
                         KernelMachineName);

TEST(ImportanceMemoryTest, BitsAreTheSameFromTheSmallestBudgetToUnlimited) {
  const text::TokenBatches batches = ManyBatches();
  const ImportanceSums want = Sum(batches);
  const auto run = [&](int64_t budget_bytes) {
    WalkMachine machine(2, budget_bytes);
    return TrySum(batches, {}, machine.resources()).status();
  };
  const int64_t smallest = SmallestBudget(run);
  for (const int64_t budget : {smallest, smallest * 3 / 2, smallest * 4}) {
    WalkMachine machine(2, budget);
    MOE_ASSERT_OK_AND_ASSIGN(const ImportanceSums got,
                             TrySum(batches, {}, machine.resources()));
    EXPECT_EQ(got.ToRecords(), want.ToRecords());
  }
}

TEST(ImportanceOrderTest, OfSequencesAndBatchesDoesNotMatter) {
  const text::TokenSequences many = ManySequences("llama_headdim_f16");
  const ImportanceSums want = Sum(text::TokenBatches(many, 4));
  text::TokenSequences turned;
  for (int64_t b = 36; b >= 0; b -= 4) {
    for (const int64_t s : {b + 2, b, b + 3, b + 1}) {
      turned.Append(many.input_ids(s), many.labels(s));
    }
  }
  EXPECT_EQ(Sum(text::TokenBatches(turned, 4)).ToRecords(), want.ToRecords());
  // Other batches are another loss.
  EXPECT_NE(Sum(text::TokenBatches(many, 5)).ToRecords(), want.ToRecords());
}

TEST(ImportanceShardsTest, MergedInAnyOrderAreOneRun) {
  const text::TokenBatches batches = ManyBatches();
  const ImportanceSums want = Sum(batches);
  for (const int64_t num_shards : {1, 2, 5, 8, 11}) {
    std::vector<int64_t> order;
    for (int64_t i = 0; i < num_shards; ++i) order.push_back(i);
    base::RandomStream stream(static_cast<uint64_t>(num_shards), "order");
    base::Shuffle(stream, absl::MakeSpan(order));
    ImportanceSums merged(want.shape());
    for (const int64_t i : order) {
      ShardOptions shard;
      shard.set_num_shards(num_shards);
      shard.set_shard(i);
      MOE_ASSERT_OK_AND_ASSIGN(
          const ImportanceSums part,
          ImportanceSums::FromRecords(Sum(batches, shard).ToRecords()));
      MOE_ASSERT_OK(merged.Merge(part));
    }
    EXPECT_EQ(merged.ToRecords(), want.ToRecords()) << num_shards;
  }
}

TEST(ImportanceErrorsTest, GatesOfAnotherModelAreRefused) {
  // Refused before anything is held: there is no memory to hold it in.
  WalkMachine machine(2, /*budget_bytes=*/0);
  MOE_ASSERT_OK_AND_ASSIGN(
      model::DenseModel model,
      model::DenseModel::Open(FixturePath("llama_headdim_f16")));
  const text::TokenBatches batches = ManyBatches();
  const checkpoint::GateWeights good = RandomGates(model.config(), 4);
  const auto status_of = [&](const checkpoint::GateWeights& gates,
                             const ShardOptions& shard) {
    return SumNeuronImportance(model, {batches, gates, shard}, {},
                               machine.resources())
        .status();
  };
  checkpoint::GateWeights gates = good;
  gates.layers.pop_back();
  const auto refused = [](const char* text) {
    return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(text));
  };
  EXPECT_THAT(status_of(gates, {}), refused("gate weights"));
  gates = good;
  gates.layers[1] = base::Matrix<float>(4, 95);
  EXPECT_THAT(status_of(gates, {}), refused("layers.1"));
  gates = good;
  gates.layers[2].values()[7] = NAN;
  EXPECT_THAT(status_of(gates, {}), refused("layers.2"));
  for (base::Matrix<float>& gate : gates.layers)
    gate = base::Matrix<float>(0, 96);
  EXPECT_THAT(status_of(gates, {}),
              refused("num_experts: expected 1 to 1024, found 0"));
  ShardOptions shard;
  shard.set_shard(1);
  EXPECT_THAT(status_of(good, shard),
              refused("shard: expected 0 to 0, found 1"));
}

using ::testing::ElementsAre;

constexpr ImportanceSums::Shape kShape = {
    .num_layers = 2, .num_clusters = 3, .intermediate_size = 2};

// Two tokens from `first` on, in clusters 0 and 2.
ImportanceSums TwoTokens(int64_t first) {
  base::ThreadPool pool(1);
  ImportanceSums sums(kShape);
  const std::vector<float> products = {-1.0f, 2.0f, 0.5f, -0.25f};
  const std::vector<int32_t> clusters = {0, 2};
  for (int64_t i = 0; i < 2; ++i) {
    MOE_EXPECT_OK(sums.layer(i).Add(
        first, base::MatrixView<const float>(products.data(), 2, 2), clusters,
        /*weights=*/{}, pool));
  }
  const std::vector<float> losses = {3.0f, 1.0f, 0.0f, 0.0f};
  MOE_EXPECT_OK(sums.loss().Add(
      first, base::MatrixView<const float>(losses.data(), 2, 2), pool));
  MOE_EXPECT_OK(sums.Finish());
  return sums;
}

TEST(ImportanceSumsTest, ScoresAreMeansOfMagnitudes) {
  ImportanceSums sums(kShape);
  EXPECT_EQ(sums.shape(), kShape);
  EXPECT_EQ(sums.MeanLoss(), 0.0);
  for (const int64_t first : {128, 0, 256}) {
    MOE_ASSERT_OK(sums.Merge(TwoTokens(first)));
  }
  EXPECT_EQ(sums.num_tokens(), 6);
  const checkpoint::ImportanceScores scores = sums.Scores();
  ASSERT_EQ(scores.layers.size(), 2u);
  for (const checkpoint::LayerImportanceScores& layer : scores.layers) {
    EXPECT_THAT(layer.scores.Row(0), ElementsAre(1.0f, 2.0f));
    EXPECT_THAT(layer.scores.Row(1), ElementsAre(0.0f, 0.0f));
    EXPECT_THAT(layer.scores.Row(2), ElementsAre(0.5f, 0.25f));
    EXPECT_THAT(*layer.token_count, ElementsAre(3, 0, 3));
  }
  EXPECT_EQ(sums.NumPredictedTokens(), 3);
  EXPECT_EQ(sums.MeanLoss(), 3.0);
}

TEST(ImportanceSumsTest, AreTheSameBehindRecords) {
  ImportanceSums sums = TwoTokens(128);
  const ImportanceSums::Records records = sums.ToRecords();
  EXPECT_EQ(records.size(), 3u);
  MOE_ASSERT_OK_AND_ASSIGN(const ImportanceSums read,
                           ImportanceSums::FromRecords(records));
  EXPECT_EQ(read.shape(), kShape);
  EXPECT_EQ(read.ToRecords(), records);
  EXPECT_EQ(read.Scores(), sums.Scores());
}

TEST(ImportanceSumsTest, TheSameTokensTwiceAreRefused) {
  ImportanceSums sums = TwoTokens(0);
  EXPECT_THAT(
      sums.Merge(TwoTokens(0)),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("layers.0")));
  EXPECT_THAT(sums.Merge(ImportanceSums({1, 3, 2})),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("sums: expected 2 layers, found 1")));
}

void ExpectRefused(const ImportanceSums::Records& records, const char* text) {
  EXPECT_THAT(ImportanceSums::FromRecords(records).status().message(),
              HasSubstr(text));
}

TEST(ImportanceSumsTest, RecordsThatAreNoneAreRefused) {
  const ImportanceSums::Records good = TwoTokens(0).ToRecords();
  ImportanceSums::Records bad = good;
  bad.erase("loss");
  ExpectRefused(bad, "sums: expected \"loss\"");
  bad = good;
  bad.erase("layers.0");
  ExpectRefused(bad, "sums: expected \"layers.0\"");
  bad = good;
  bad["layers.1"].back() ^= 1;
  ExpectRefused(bad, "layers.1");
  bad = good;
  bad["layers.1"] = good.at("loss");
  ExpectRefused(bad, "layers.1");
  bad = good;
  bad["loss"] = kernels::FeatureSums({.num_features = 2}).Serialize();
  ExpectRefused(
      bad, "layers.0: expected sums of 0 tokens, as the loss has, found 2");
  bad = good;
  bad["loss"] = good.at("layers.0");
  ExpectRefused(bad, "loss");
  bad = good;
  bad["more"] = good.at("layers.0");
  ExpectRefused(bad, "sums: expected \"layers.2\"");
  bad = {{"loss", good.at("loss")}};
  ExpectRefused(bad, "found 0 layers");
  // Layers of two shapes.
  bad = good;
  bad["layers.1"] = ImportanceSums({1, 3, 4}).ToRecords().at("layers.0");
  EXPECT_FALSE(ImportanceSums::FromRecords(bad).ok());
}

TEST(ImportanceReportTest, NamesEmptyClusters) {
  base::ThreadPool pool(1);
  ImportanceSums sums({1, 3, 2});
  const std::vector<float> products = {-1.0f, 2.0f};
  const std::vector<int32_t> clusters = {1};
  MOE_ASSERT_OK(
      sums.layer(0).Add(0, base::MatrixView<const float>(products.data(), 1, 2),
                        clusters, {}, pool));
  const std::vector<float> losses = {1.5f, 1.0f};
  MOE_ASSERT_OK(sums.loss().Add(
      0, base::MatrixView<const float>(losses.data(), 1, 2), pool));
  MOE_ASSERT_OK(sums.Finish());
  EXPECT_EQ(ImportanceReportToJson(sums, sums.Scores()).dump(),
            R"({"num_clusters":3,"loss":1.5,"num_predicted_tokens":1,)"
            R"("layers":[{"layer":0,"token_counts":[0,1,0],)"
            R"("empty_clusters":[0,2],"mean_score":0.5,"max_score":2.0}]})");
  const std::string table = FormatImportanceReport(sums, sums.Scores());
  EXPECT_THAT(table, HasSubstr("1.500000"));
  EXPECT_THAT(table, HasSubstr("0..1"));
}

}  // namespace

}  // namespace moe::split
