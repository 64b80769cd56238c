#include "moe/convert/new_weights.h"

#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/philox.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"
#include "moe/convert/piece_stream.h"

namespace moe::convert {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;

std::vector<float> Floats(checkpoint::Dtype dtype, const std::string& bytes) {
  std::vector<float> values(bytes.size() /
                            static_cast<size_t>(checkpoint::DtypeSize(dtype)));
  checkpoint::WeightsToFloat(dtype, bytes, absl::MakeSpan(values));
  return values;
}

checkpoint::TensorSpec Spec(checkpoint::Dtype dtype) {
  return {"router", dtype, {8, 64}};
}

RouterSource Drawn() { return {nullptr, /*seed=*/3, "test"}; }

TEST(DrawnRouterTest, IsUniformWithinTheBound) {
  const std::vector<float> values =
      Floats(checkpoint::Dtype::kF32,
             RouterBytes(Drawn(), 0, Spec(checkpoint::Dtype::kF32)));
  ASSERT_EQ(values.size(), 8 * 64);
  // 1 / sqrt(64)
  EXPECT_THAT(values, Each(AllOf(Ge(-0.125f), Le(0.125f))));
  double sum = 0.0, sum_of_squares = 0.0;
  for (const float value : values) {
    sum += value;
    sum_of_squares += double{value} * value;
  }
  // The variance is 0.125^2 / 3 = 0.0052; of 512 draws the mean's deviation is
  // 0.0032 and the variance's 0.0052 * sqrt(0.8 / 512) = 0.0002.
  EXPECT_NEAR(sum / 512, 0.0, 4 * 0.0032);
  EXPECT_NEAR(sum_of_squares / 512, 0.0052, 4 * 0.0002);
  EXPECT_EQ(std::set<float>(values.begin(), values.end()).size(), 512);
}

TEST(DrawnRouterTest, IsTheStreamRowByRow) {
  base::RandomStream stream(3, "test/layer/5");
  for (const float value :
       Floats(checkpoint::Dtype::kF32,
              RouterBytes(Drawn(), 5, Spec(checkpoint::Dtype::kF32)))) {
    ASSERT_EQ(value, stream.UniformSymmetric(0.125f));
  }
}

TEST(DrawnRouterTest, TypesRoundTheSameNumbers) {
  const std::vector<float> want =
      Floats(checkpoint::Dtype::kF32,
             RouterBytes(Drawn(), 0, Spec(checkpoint::Dtype::kF32)));
  const std::vector<float> got =
      Floats(checkpoint::Dtype::kBF16,
             RouterBytes(Drawn(), 0, Spec(checkpoint::Dtype::kBF16)));
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_EQ(got[i],
              checkpoint::Bf16ToFloat(checkpoint::FloatToBf16(want[i])));
  }
}

TEST(DrawnRouterTest, OtherSeedsLayersAndStepsAreOthers) {
  const checkpoint::TensorSpec spec = Spec(checkpoint::Dtype::kF16);
  RouterSource seed = Drawn(), step = Drawn();
  seed.seed = 4;
  step.step = "other";
  const std::string bytes = RouterBytes(Drawn(), 0, spec);
  EXPECT_EQ(RouterBytes(Drawn(), 0, spec), bytes);
  EXPECT_NE(RouterBytes(Drawn(), 1, spec), bytes);
  EXPECT_NE(RouterBytes(seed, 0, spec), bytes);
  EXPECT_NE(RouterBytes(step, 0, spec), bytes);
}

checkpoint::GateWeights Given(std::vector<float> values) {
  checkpoint::GateWeights gates;
  const auto num_rows = static_cast<int64_t>(values.size()) / 2;
  gates.layers.emplace_back(2, 2);
  gates.layers.emplace_back(num_rows, 2, std::move(values));
  return gates;
}

TEST(GivenRouterTest, TakesTheFirstRowsAndRoundsToNearestEven) {
  // 1 + 2^-8 is halfway between 1 and the next BF16.
  const checkpoint::GateWeights gates =
      Given({1.0f + 0x1p-8f, -0.5f, 1.0f + 0x1.8p-7f, 2.0f, 9.0f, 9.0f});
  const RouterSource source = {&gates, 0, ""};
  EXPECT_THAT(
      Floats(checkpoint::Dtype::kBF16,
             RouterBytes(source, 1, {"r", checkpoint::Dtype::kBF16, {2, 2}})),
      ElementsAre(1.0f, -0.5f, 1.0f + 0x1p-6f, 2.0f));
  RouterSource to_store = source;
  to_store.dtype = CheckpointForm::FLOAT32;
  to_store.num_experts = 3;
  to_store.hidden_size = 2;
  const Replacement router = RouterOf(to_store, 1, checkpoint::Dtype::kBF16);
  EXPECT_EQ(router.tensors[0].name,
            "model.layers.1.block_sparse_moe.gate.weight");
  const auto& piece = std::get<GeneratedPiece>(router.pieces[0]);
  EXPECT_EQ(piece.num_bytes, 24);
  EXPECT_EQ(Floats(checkpoint::Dtype::kF32, *piece.generate()),
            gates.layers[1].values());
}

TEST(RouterDtypeTest, IsThatOfTheWeightsOrFloat32) {
  RouterSource source;
  EXPECT_EQ(RouterSpec(source, 0, checkpoint::Dtype::kBF16).dtype,
            checkpoint::Dtype::kBF16);
  source.dtype = CheckpointForm::FLOAT32;
  EXPECT_EQ(RouterSpec(source, 0, checkpoint::Dtype::kBF16).dtype,
            checkpoint::Dtype::kF32);
}

TEST(CheckRouterFitsTest, NamesWhatIsBeyondTheType) {
  const checkpoint::GateWeights gates =
      Given({1.0f, 65504.0f, 2.0f, -65520.0f});
  MOE_EXPECT_OK(
      CheckRouterFits(gates, 1, {"r", checkpoint::Dtype::kBF16, {2, 2}}));
  MOE_EXPECT_OK(
      CheckRouterFits(gates, 1, {"r", checkpoint::Dtype::kF16, {1, 2}}));
  EXPECT_THAT(
      CheckRouterFits(gates, 1, {"r", checkpoint::Dtype::kF16, {2, 2}}),
      StatusIs(
          absl::StatusCode::kInvalidArgument,
          AllOf(HasSubstr("layers.1[1, 1]: expected a number in the range of "
                          "F16"),
                HasSubstr("found -65520"),
                HasSubstr("scale the gate weights down, or convert with "
                          "--router_dtype=float32"))));
}

absl::StatusOr<std::vector<float>> Divided(checkpoint::Dtype dtype,
                                           const std::vector<float>& values,
                                           double scale) {
  const TempDirectory directory;
  checkpoint::HostTensor tensor = {
      dtype, {static_cast<int64_t>(values.size())}, ""};
  tensor.bytes.resize(values.size() *
                      static_cast<size_t>(checkpoint::DtypeSize(dtype)));
  checkpoint::FloatToWeights(dtype, values, absl::MakeSpan(tensor.bytes));
  const std::string path = directory.Path("x.safetensors");
  EXPECT_TRUE(
      checkpoint::WriteSafetensorsFile(path, {{"b", tensor}}, {}, false).ok());
  const absl::StatusOr<checkpoint::SafetensorsFile> file =
      checkpoint::SafetensorsFile::Open(path);
  const absl::StatusOr<std::string> bytes =
      DivideBias({&*file, &file->tensors()[0]}, scale, "scale_factor");
  if (!bytes.ok()) return bytes.status();
  std::vector<float> quotients(values.size());
  checkpoint::WeightsToFloat(dtype, *bytes, absl::MakeSpan(quotients));
  return quotients;
}

TEST(DivideBiasTest, PowersOfTwoAreExact) {
  for (const checkpoint::Dtype dtype :
       {checkpoint::Dtype::kBF16, checkpoint::Dtype::kF16,
        checkpoint::Dtype::kF32}) {
    MOE_ASSERT_OK_AND_ASSIGN(const std::vector<float> quotients,
                             Divided(dtype, {1.5f, -3.0f, 0.0f}, 4.0));
    EXPECT_THAT(quotients, ElementsAre(0.375f, -0.75f, 0.0f));
    MOE_ASSERT_OK_AND_ASSIGN(const std::vector<float> products,
                             Divided(dtype, {1.5f, -3.0f, 0.0f}, 0.5));
    EXPECT_THAT(products, ElementsAre(3.0f, -6.0f, 0.0f));
  }
}

TEST(DivideBiasTest, RefusesAScaleThatIsNoPowerOfTwo) {
  // 3 / 3 is exact, but by luck.
  for (const float value : {1.5f, 3.0f}) {
    EXPECT_THAT(
        Divided(checkpoint::Dtype::kF32, {0.0f, value}, 3.0),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 HasSubstr(absl::StrCat(
                     "tensor \"b\": expected elements that 3 (scale_factor) "
                     "divides exactly in F32, found ",
                     value, " at element 1; choose a power of two"))));
  }
  // Nothing is nothing's share.
  MOE_EXPECT_OK(Divided(checkpoint::Dtype::kF32, {0.0f, -0.0f}, 3.0).status());
}

TEST(DivideBiasTest, RefusesWhatLeavesTheRange) {
  // Below the least F16, and beyond the largest.
  for (const auto& [value, scale] :
       std::vector<std::pair<float, double>>{{0x1p-24f, 2.0}, {6e4f, 0.5}}) {
    EXPECT_THAT(Divided(checkpoint::Dtype::kF16, {1.0f, value}, scale),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(absl::StrCat(
                                   "expected elements that ", scale,
                                   " (scale_factor) divides exactly in F16")),
                               HasSubstr(" at element 1; choose a power of two "
                                         "nearer to 1"))));
  }
}

// It, and not its quotient.
TEST(DivideBiasTest, RefusesWhatIsNoNumber) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (const double scale : {2.0, 3.0}) {
    EXPECT_THAT(Divided(checkpoint::Dtype::kF32, {0.0f, -kInf}, scale),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("tensor \"b\" [2] has a NaN or infinity at "
                                   "element 1;")));
  }
}

}  // namespace

}  // namespace moe::convert
