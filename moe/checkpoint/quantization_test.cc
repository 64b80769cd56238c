#include "moe/checkpoint/quantization.h"

#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"

namespace moe {
namespace {

using ::moe::testing::IsOk;
using ::moe::testing::StatusIs;
using ::moe::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kProjection[] = "model.layers.0.self_attn.q_proj.";

TEST(IsQuantizedTest, ByTypeAndByName) {
  for (const Dtype dtype :
       {Dtype::kU8, Dtype::kI8, Dtype::kF8E4M3, Dtype::kF8E5M2}) {
    EXPECT_TRUE(IsQuantized({std::string(kProjection) + "weight", dtype, {2}}));
  }
  for (const char* name :
       {"qweight", "qzeros", "scales", "g_idx", "SCB", "weight.absmax",
        "weight.quant_state.bitsandbytes__nf4", "weight_scale_inv",
        "weight_packed"}) {
    EXPECT_TRUE(IsQuantized({std::string(kProjection) + name, Dtype::kF32, {}}))
        << name;
  }
}

TEST(IsQuantizedTest, PlainWeightsAndMasksAreNot) {
  for (const Dtype dtype : {Dtype::kBF16, Dtype::kF16, Dtype::kF32}) {
    EXPECT_FALSE(
        IsQuantized({std::string(kProjection) + "weight", dtype, {2}}));
  }
  EXPECT_FALSE(
      IsQuantized({"model.layers.0.self_attn.bias", Dtype::kU8, {1, 1}}));
}

class CheckNotQuantizedTest : public ::testing::Test {
 protected:
  ShardedTensors With(Dtype dtype, const std::string& bytes) const {
    MOE_EXPECT_OK(WriteSafetensorsFile(directory_.Path("model.safetensors"),
                                       {{"norm.weight", {dtype, {1}, bytes}}},
                                       {}, /*overwrite=*/true));
    return ShardedTensors::Open(directory_.path()).value();
  }
  const TempDirectory directory_;
};

TEST_F(CheckNotQuantizedTest, NamesTheTensorAndTheMethod) {
  const ShardedTensors tensors = With(Dtype::kF8E4M3, "x");
  EXPECT_THAT(CheckNotQuantized(tensors, Json({{"quant_method", "fp8"}})),
              StatusIs(absl::StatusCode::kUnimplemented,
                       AllOf(HasSubstr(directory_.path()),
                             HasSubstr("\"norm.weight\" is F8_E4M3"),
                             HasSubstr("quant_method \"fp8\""),
                             HasSubstr("BF16, F16 or F32"))));
  // It is quantized whether config.json says so or not.
  EXPECT_THAT(
      CheckNotQuantized(tensors, Json()),
      StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("norm.weight")));
}

TEST_F(CheckNotQuantizedTest, TakesPlainWeights) {
  EXPECT_THAT(CheckNotQuantized(With(Dtype::kBF16, "xx"),
                                Json({{"quant_method", "bitsandbytes"}})),
              IsOk());
}

TEST(LeftoverQuantizationTest, NamesTheFieldAndTheFile) {
  EXPECT_THAT(LeftoverQuantization("m/config.json",
                                   Json({{"quant_method", "bitsandbytes"}})),
              AllOf(HasSubstr("m/config.json: quantization_config "
                              "(quant_method \"bitsandbytes\")"),
                    HasSubstr("passed over")));
  // Whatever stands there.
  EXPECT_THAT(LeftoverQuantization("m/config.json", Json(3)),
              HasSubstr("quantization_config is passed over"));
}

}  // namespace
}  // namespace moe
