#include "moe/reconstruct/reconstruct_model.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
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
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/layer/checkpoint_weights.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/testing/walk_fixture.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_tap.h"
#include "moe/model/walk/weighted_sequences.h"
#include "moe/reconstruct/block_features.h"
#include "moe/reconstruct/reconstruct_options.pb.h"
#include "moe/reconstruct/reconstructed_checkpoint.h"
#include "moe/reconstruct/routed_energy.h"
#include "moe/reconstruct/testing/converted_case.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::reconstruct {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::moe::kernels::testing::Digest;
using ::moe::kernels::testing::FewKernelMachines;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::model::testing::RelativeError;
using ::moe::model::testing::SmallestBudget;
using ::moe::model::testing::WalkMachine;
using ::moe::reconstruct::testing::ConvertedCase;
using ::moe::reconstruct::testing::DrawnSequences;
using ::moe::reconstruct::testing::kDenseBf16;
using ::moe::reconstruct::testing::kDenseF32;
using ::moe::reconstruct::testing::WriteConverted;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ValuesIn;

struct Paths {
  std::string dense = kDenseF32;
  std::string converted;
};

absl::StatusOr<Reconstruction> Reconstruct(
    const Paths& paths, const text::TokenSequences& sequences,
    const ReconstructOptions& options, const model::WalkResources& resources,
    const model::WalkOptions& walk_options = {}) {
  MOE_ASSIGN_OR_RETURN(model::Model dense, model::Model::Open(paths.dense));
  MOE_ASSIGN_OR_RETURN(model::Model converted,
                       model::Model::Open(paths.converted));
  return ReconstructModel({dense, converted, sequences, options}, walk_options,
                          resources);
}

// Reconstructs and writes to `to`.
absl::StatusOr<Reconstruction> ReconstructTo(const std::string& to,
                                             const Paths& paths,
                                             const ReconstructOptions& options,
                                             int64_t num_sequences = 24) {
  WalkMachine machine;
  MOE_ASSIGN_OR_RETURN(Reconstruction made,
                       Reconstruct(paths, DrawnSequences(num_sequences),
                                   options, machine.resources()));
  MOE_ASSIGN_OR_RETURN(const checkpoint::Checkpoint from,
                       checkpoint::Checkpoint::Open(paths.converted));
  MOE_RETURN_IF_ERROR(
      WriteReconstructedCheckpoint(from, made.weights, {to},
                                   {machine.pool, machine.progress})
          .status());
  return made;
}

std::vector<float> WeightOf(const std::string& directory,
                            const checkpoint::TensorName& name) {
  const checkpoint::Checkpoint checkpoint =
      checkpoint::Checkpoint::Open(directory).value();
  return model::ToFloats(model::ReadWeight(checkpoint, name).value());
}

// A digest of all matrices of a model of 3 layers.
std::string DigestOf(const Reconstruction& made, const std::string& directory) {
  const checkpoint::Checkpoint checkpoint =
      checkpoint::Checkpoint::Open(directory).value();
  std::string all;
  for (int64_t layer = 0; layer < 3; ++layer) {
    for (const model::DecoderBlock block :
         {model::DecoderBlock::kAttention, model::DecoderBlock::kMlp}) {
      for (const OutputMatrix& matrix :
           LayoutOfBlock(checkpoint, layer, block).matrices) {
        if (!made.weights.Has(matrix.name)) continue;
        all += made.weights.Read(matrix.name).value();
      }
    }
  }
  return Digest<char>(all);
}

// What the report says of all blocks, to the bit.
std::vector<double> NumbersOf(const Reconstruction& made) {
  std::vector<double> numbers;
  for (const RefittedBlock& block : made.blocks) {
    numbers.push_back(block.error_before);
    numbers.push_back(block.error_after);
    const RoutedEnergy energy = block.energy.value_or(RoutedEnergy());
    numbers.insert(numbers.end(), {energy.captured, energy.oracle,
                                   energy.routed, energy.shared});
  }
  return numbers;
}

using ReconstructionBitsTest = ::moe::kernels::testing::KernelTest;

TEST_P(ReconstructionBitsTest, AreTheSameOnEveryMachine) {
  const TempDirectory directory;
  const std::string path = directory.Path("converted");
  WriteConverted({}, path);
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(
      const Reconstruction made,
      Reconstruct({kDenseF32, path}, DrawnSequences(), {},
                  {machine.budget, pool(), machine.progress}));
  // Computed on the first machine: pins the bits everywhere.
  EXPECT_EQ(DigestOf(made, path), "cc8d63e419b9b581");
  EXPECT_EQ(Digest<double>(NumbersOf(made)), "0ecdd0a7934e5a6d");
}

INSTANTIATE_TEST_SUITE_P(All, ReconstructionBitsTest,
                         ValuesIn(FewKernelMachines()), KernelMachineName);

class ReconstructModelTest : public ::testing::Test {
 protected:
  Paths Convert(const ConvertedCase& c, absl::string_view name = "converted") {
    const std::string path = directory_.Path(name);
    WriteConverted(c, path);
    return {c.dense, path};
  }

  const TempDirectory directory_;
};

TEST_F(ReconstructModelTest, BudgetGroupsAndOrderOfSequencesChangeNoBit) {
  const Paths paths = Convert({});
  const text::TokenSequences sequences = DrawnSequences();
  text::TokenSequences turned;
  for (int64_t s = sequences.num_sequences() - 1; s >= 0; --s) {
    turned.Append(sequences.input_ids(s), sequences.labels(s));
  }
  WalkMachine unlimited;
  MOE_ASSERT_OK_AND_ASSIGN(
      const Reconstruction want,
      Reconstruct(paths, sequences, {}, unlimited.resources()));
  model::WalkOptions few;
  few.tokens_at_once = 50;
  MOE_ASSERT_OK_AND_ASSIGN(
      const Reconstruction got,
      Reconstruct(paths, turned, {}, unlimited.resources(), few));
  EXPECT_EQ(DigestOf(got, paths.converted), DigestOf(want, paths.converted));
  EXPECT_EQ(NumbersOf(got), NumbersOf(want));
  const int64_t smallest = SmallestBudget([&](int64_t budget_bytes) {
    WalkMachine machine(2, budget_bytes);
    return Reconstruct(paths, sequences, {}, machine.resources()).status();
  });
  for (const int64_t budget : {smallest, smallest * 2}) {
    WalkMachine machine(2, budget);
    MOE_ASSERT_OK_AND_ASSIGN(
        const Reconstruction spilled,
        Reconstruct(paths, sequences, {}, machine.resources()));
    EXPECT_EQ(DigestOf(spilled, paths.converted),
              DigestOf(want, paths.converted));
    EXPECT_EQ(NumbersOf(spilled), NumbersOf(want));
  }
}

// With a ridge so large that no weight moves, the errors before are those of
// the model as it is.
TEST_F(ReconstructModelTest, GoesOnWithTheModelThatIsWritten) {
  const Paths paths = Convert({.dense = kDenseBf16});
  const std::string made_path = directory_.Path("made");
  MOE_ASSERT_OK_AND_ASSIGN(const Reconstruction made,
                           ReconstructTo(made_path, paths, {}));
  ReconstructOptions fixed;
  fixed.set_ridge(1e30);
  fixed.set_ridge_attention(1e30);
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(
      const Reconstruction again,
      Reconstruct({paths.dense, made_path}, DrawnSequences(), fixed,
                  machine.resources()));
  ASSERT_EQ(made.blocks.size(), again.blocks.size());
  ASSERT_EQ(made.blocks.size(), 7u);
  for (size_t i = 0; i < made.blocks.size(); ++i) {
    EXPECT_EQ(made.blocks[i].error_after, again.blocks[i].error_before);
    EXPECT_EQ(again.blocks[i].error_after, again.blocks[i].error_before);
    EXPECT_LT(made.blocks[i].error_after, made.blocks[i].error_before);
  }
}

// Half the scale factor halves the experts' output, and twice the weights are
// the dense model.
TEST_F(ReconstructModelTest, AllExpertsWithoutARidgeAreTheDenseModel) {
  const Paths paths = Convert({.residual = false,
                               .num_experts = 4,
                               .top_k = 4,
                               .scale_factor = 2.0,
                               .flat = true});
  ReconstructOptions options;
  options.set_ridge(0.0);
  options.set_ridge_attention(1e30);
  const std::string made_path = directory_.Path("made");
  MOE_ASSERT_OK_AND_ASSIGN(const Reconstruction made,
                           ReconstructTo(made_path, paths, options, 60));
  for (int64_t layer = 0; layer < 3; ++layer) {
    for (int64_t e = 0; e < 4; ++e) {
      const checkpoint::TensorName name = {checkpoint::TensorKind::kExpertDown,
                                           layer, e};
      std::vector<float> want = WeightOf(paths.converted, name);
      for (float& value : want) value *= 2.0f;
      EXPECT_LT(RelativeError(WeightOf(made_path, name), want), 1e-4)
          << layer << " " << e;
    }
  }
  for (const RefittedBlock& block : made.blocks) {
    EXPECT_LT(block.error_after, 1e-4) << block.layer;
  }
}

// ---- The first block against the formula ----

// What the walks show of the MLP of layer 0.
struct FirstMlp {
  base::Matrix<double> features;
  std::vector<double> wanted, weights;
};

class Capture : public model::WalkTap {
 public:
  Capture(const BlockLayout& layout, int64_t num_tokens)
      : layout_(layout),
        features(base::Matrix<double>::Zeros(num_tokens, layout.num_features)) {
  }

  absl::Status OnFeatures(const model::TapContext& context,
                          const model::BlockFeatures& part) override {
    if (context.layer != 0 || part.block != model::DecoderBlock::kMlp) {
      return absl::OkStatus();
    }
    const size_t matrix = part.expert >= 0 ? static_cast<size_t>(part.expert)
                                           : layout_.matrices.size() - 1;
    for (int64_t i = 0; i < part.features.rows; ++i) {
      const auto at = static_cast<size_t>(i);
      const int64_t row =
          context.group.first_token +
          (part.expert >= 0 ? part.rows[at] : part.first_row + i);
      const double weight = part.expert >= 0 ? part.weights[at] : 1.0;
      for (int64_t j = 0; j < part.features.cols; ++j) {
        features.Row(row)[static_cast<size_t>(
            layout_.matrices[matrix].first_column + j)] =
            weight * part.features.RowData(i)[j];
      }
    }
    return absl::OkStatus();
  }
  absl::Status OnMlpOutput(const model::TapContext& context,
                           base::MatrixView<float> output) override {
    if (context.layer == 0) {
      outputs.insert(outputs.end(), output.data,
                     output.data + output.rows * output.cols);
    }
    return absl::OkStatus();
  }

 private:
  const BlockLayout& layout_;

 public:
  base::Matrix<double> features;
  std::vector<float> outputs;  // [T, H]
};

// Solves x A = b for symmetric positive definite A in long double.
std::vector<double> SolveRow(const std::vector<std::vector<long double>>& a,
                             std::vector<long double> b) {
  std::vector<std::vector<long double>> m = a;
  const size_t n = b.size();
  for (size_t k = 0; k < n; ++k) {
    for (size_t i = k + 1; i < n; ++i) {
      const long double factor = m[i][k] / m[k][k];
      for (size_t j = k; j < n; ++j) m[i][j] -= factor * m[k][j];
      b[i] -= factor * b[k];
    }
  }
  std::vector<double> x(n);
  for (size_t k = n; k-- > 0;) {
    long double sum = b[k];
    for (size_t j = k + 1; j < n; ++j) sum -= m[k][j] * x[j];
    x[k] = static_cast<double>(sum / m[k][k]);
  }
  return x;
}

// sum_t w_t a_ti b_tj
template <typename A, typename B>
long double WeightedSum(const std::vector<long double>& weights, const A& a,
                        const B& b) {
  long double sum = 0.0L;
  for (size_t t = 0; t < weights.size(); ++t) sum += weights[t] * a(t) * b(t);
  return sum;
}

// The weights 1 / (mean square + eps) with mean 1 of rows [T, H].
std::vector<long double> PlainWeights(const std::vector<float>& rows,
                                      size_t num_features, double epsilon) {
  std::vector<long double> weights;
  long double sum = 0.0L;
  for (size_t t = 0; t * num_features < rows.size(); ++t) {
    long double square = 0.0L;
    for (size_t i = 0; i < num_features; ++i) {
      square +=
          std::pow(static_cast<long double>(rows[t * num_features + i]), 2.0L);
    }
    weights.push_back(
        1.0L / (square / static_cast<long double>(num_features) + epsilon));
    sum += weights.back();
  }
  for (long double& weight : weights) {
    weight *= static_cast<long double>(weights.size()) / sum;
  }
  return weights;
}

// A model in F32 of one layer's hidden states: those behind layer 0.
class HiddenAfterFirst : public model::WalkTap {
 public:
  absl::Status OnAttentionOutput(const model::TapContext& context,
                                 base::MatrixView<float> output) override {
    return Keep(context, output, attention);
  }
  absl::Status OnMlpOutput(const model::TapContext& context,
                           base::MatrixView<float> output) override {
    return Keep(context, output, mlp);
  }
  std::vector<float> attention, mlp;

 private:
  static absl::Status Keep(const model::TapContext& context,
                           base::MatrixView<float> output,
                           std::vector<float>& to) {
    if (context.layer == 0) {
      to.insert(to.end(), output.data, output.data + output.rows * output.cols);
    }
    return absl::OkStatus();
  }
};

TEST_F(ReconstructModelTest, TheFirstBlockIsTheFormula) {
  const Paths paths = Convert({});
  const text::TokenSequences sequences =
      model::InCanonicalOrder(DrawnSequences(30));
  const auto num_tokens = static_cast<size_t>(sequences.num_tokens());
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(model::Model dense, model::Model::Open(paths.dense));
  MOE_ASSERT_OK_AND_ASSIGN(model::Model converted,
                           model::Model::Open(paths.converted));
  const BlockLayout layout =
      LayoutOfBlock(converted.checkpoint(), 0, model::DecoderBlock::kMlp);
  Capture capture(layout, sequences.num_tokens());
  MOE_ASSERT_OK(model::WalkForward(converted, sequences, {}, &capture,
                                   machine.resources()));
  HiddenAfterFirst hidden;
  MOE_ASSERT_OK(
      model::WalkForward(dense, sequences, {}, &hidden, machine.resources()));
  // The residual stream is not shown: embedding + attention + MLP.
  const std::vector<float> embedding =
      WeightOf(kDenseF32, {checkpoint::TensorKind::kEmbedding});
  const size_t h = 64, n = static_cast<size_t>(layout.num_features);
  std::vector<float> end(num_tokens * h);
  for (size_t t = 0; t < num_tokens; ++t) {
    for (size_t i = 0; i < h; ++i) {
      const float x =
          embedding[static_cast<size_t>(sequences.input_ids()[t]) * h + i];
      end[t * h + i] =
          (x + hidden.attention[t * h + i]) + hidden.mlp[t * h + i];
    }
  }
  const std::vector<long double> weights =
      PlainWeights(end, h, dense.config().rms_norm_eps);
  const auto feature = [&](size_t j) {
    return [&, j](size_t t) -> long double {
      return capture.features.Row(static_cast<int64_t>(t))[j];
    };
  };
  std::vector<std::vector<long double>> gram(n, std::vector<long double>(n));
  long double trace = 0.0L;
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) {
      gram[i][j] = WeightedSum(weights, feature(i), feature(j));
    }
    trace += gram[i][i];
  }
  for (size_t i = 0; i < n; ++i) gram[i][i] += 0.15L * trace / n;

  const std::string made_path = directory_.Path("made");
  MOE_ASSERT_OK(ReconstructTo(made_path, paths, {}, 30));
  // Some rows of the matrices side by side.
  for (const size_t row : {size_t{0}, size_t{17}, size_t{63}}) {
    std::vector<long double> products(n);
    for (size_t j = 0; j < n; ++j) {
      products[j] = WeightedSum(weights, feature(j), [&](size_t t) {
        return static_cast<long double>(hidden.mlp[t * h + row]) -
               capture.outputs[t * h + row];
      });
    }
    const std::vector<double> change = SolveRow(gram, products);
    std::vector<float> got, want;
    for (const OutputMatrix& matrix : layout.matrices) {
      const auto cols = static_cast<size_t>(matrix.num_columns);
      const std::vector<float> before = WeightOf(paths.converted, matrix.name);
      const std::vector<float> after = WeightOf(made_path, matrix.name);
      for (size_t j = 0; j < cols; ++j) {
        got.push_back(after[row * cols + j]);
        want.push_back(static_cast<float>(
            before[row * cols + j] +
            change[static_cast<size_t>(matrix.first_column) + j]));
      }
    }
    EXPECT_LT(RelativeError(got, want), 1e-6) << row;
  }
}

// ---- Which blocks, and errors ----

TEST_F(ReconstructModelTest, RefitsTheNamedPartsWhereAnythingDiffers) {
  const Paths paths = Convert({.num_contract = 1});
  WalkMachine machine;
  const auto blocks = [&](const std::string& parts) {
    ReconstructOptions options;
    options.set_parts(parts);
    const Reconstruction made =
        Reconstruct(paths, DrawnSequences(), options, machine.resources())
            .value();
    std::string text;
    for (const RefittedBlock& block : made.blocks) {
      absl::StrAppend(&text, block.layer, " ", block.part, " ",
                      block.num_features, "; ");
    }
    return text;
  };
  EXPECT_EQ(blocks("mlp,attention"), "1 mlp 160; 2 attention 64; 2 mlp 160; ");
  EXPECT_EQ(blocks("mlp"), "1 mlp 160; 2 mlp 160; ");
  EXPECT_EQ(blocks("attention"), "2 attention 64; ");
}

TEST_F(ReconstructModelTest, TheDenseBlockIsAnotherTarget) {
  const Paths paths = Convert({});
  ReconstructOptions options;
  options.set_target(ReconstructOptions::DENSE_BLOCK);
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(
      const Reconstruction stream,
      Reconstruct(paths, DrawnSequences(), {}, machine.resources()));
  MOE_ASSERT_OK_AND_ASSIGN(
      const Reconstruction block,
      Reconstruct(paths, DrawnSequences(), options, machine.resources()));
  // The first MLP has the same input and, but for a rounding, the same target.
  EXPECT_NEAR(block.blocks[0].error_after, stream.blocks[0].error_after, 1e-5);
  // Dense attention gives what the dense attention gives.
  ASSERT_EQ(block.blocks.size(), 3u);
  for (const RefittedBlock& mlp : block.blocks) {
    EXPECT_EQ(mlp.part, "mlp");
    EXPECT_LT(mlp.error_after, mlp.error_before);
  }
  EXPECT_EQ(stream.blocks[1].part, "attention");
  EXPECT_GT(stream.blocks[1].error_before, 0.0);
}

TEST_F(ReconstructModelTest, NamesWhatIsWrong) {
  const Paths paths = Convert({});
  WalkMachine machine;
  const auto run = [&](const Paths& of, const ReconstructOptions& options,
                       int64_t num_sequences) {
    return Reconstruct(of, DrawnSequences(num_sequences), options,
                       machine.resources())
        .status();
  };
  ReconstructOptions options;
  options.set_parts("mlp,router");
  EXPECT_THAT(run(paths, options, 3),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("parts: expected mlp, attention, or "
                                 "mlp,attention, found \"mlp,router\"")));
  options.set_parts("mlp");
  options.set_ridge(0.0);
  EXPECT_THAT(run(paths, options, 2),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("layer 0: mlp: expected at least 160 "
                                       "tokens"),
                             HasSubstr("or a ridge above 0"))));
  EXPECT_THAT(run({kDenseBf16, paths.converted}, {}, 3),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(paths.converted), HasSubstr(kDenseBf16),
                             HasSubstr("hidden_size 64 beside 128"))));
}

TEST_F(ReconstructModelTest, RefusesTheDenseModelItself) {
  WalkMachine machine;
  EXPECT_THAT(Reconstruct({kDenseF32, kDenseF32}, DrawnSequences(), {},
                          machine.resources())
                  .status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(kDenseF32),
                             HasSubstr("found a dense one with all 160"))));
}

}  // namespace
}  // namespace moe::reconstruct
