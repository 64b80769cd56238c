#include "moe/checkpoint/tensor_checks.h"

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_set.h"

namespace moe::checkpoint {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsNull;
using ::testing::NotNull;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;
constexpr char kHead[] = "lm_head.weight";
constexpr char kEmbedding[] = "model.embed_tokens.weight";

// The embedding has more than 1 MiB.
LlamaConfig ConfigOf(bool tied) {
  LlamaConfig config;
  config.vocab_size = 70000;
  config.hidden_size = 8;
  config.tie_word_embeddings = tied;
  config.document = {{"tie_word_embeddings", tied}};
  return config;
}

class TensorChecksTest : public ::testing::Test {
 protected:
  TensorChecksTest() {
    tensors_[kEmbedding] = Filled({70000, 8});
    tensors_["model.norm.weight"] = Filled({8});
  }

  static HostTensor Filled(Shape shape) {
    int64_t size = 2;
    for (const int64_t dimension : shape) size *= dimension;
    return {Dtype::kBF16, shape, std::string(static_cast<size_t>(size), 'x')};
  }
  ShardedTensors Open() const {
    MOE_EXPECT_OK(WriteSafetensorsFile(directory_.Path("model.safetensors"),
                                       tensors_, {}, /*overwrite=*/true));
    return ShardedTensors::Open(directory_.path()).value();
  }
  absl::Status Check(const LlamaConfig& config) const {
    return CheckTensors(DenseTensorSet(config), config, Open());
  }

  const TempDirectory directory_;
  HostTensors tensors_;
};

TEST_F(TensorChecksTest, PassesOverTheEmbeddingsCopy) {
  tensors_[kHead] = tensors_[kEmbedding];
  ShardedTensors tensors = Open();
  EXPECT_THAT(PassOverTiedHead(ConfigOf(/*tied=*/true), tensors), IsOk());
  EXPECT_THAT(tensors.Find(kHead).tensor, IsNull());
  EXPECT_THAT(tensors.Find(kEmbedding).tensor, NotNull());
  EXPECT_EQ(tensors.num_tensors(), 2u);
}

TEST_F(TensorChecksTest, AnUntiedHeadIsATensorOfItsOwn) {
  tensors_[kHead] = tensors_[kEmbedding];
  ShardedTensors tensors = Open();
  EXPECT_THAT(PassOverTiedHead(ConfigOf(/*tied=*/false), tensors), IsOk());
  EXPECT_THAT(tensors.Find(kHead).tensor, NotNull());
}

TEST_F(TensorChecksTest, RefusesAHeadThatIsNotTheEmbedding) {
  const LlamaConfig config = ConfigOf(/*tied=*/true);
  tensors_[kHead] = tensors_[kEmbedding];
  // The last byte is of element 70000 * 8 - 1.
  tensors_[kHead].bytes.back() = 'y';
  ShardedTensors tensors = Open();
  EXPECT_THAT(
      PassOverTiedHead(config, tensors),
      StatusIs(kInvalid, AllOf(HasSubstr("tie_word_embeddings: true"),
                               HasSubstr("element 559999"),
                               HasSubstr("set tie_word_embeddings to false"),
                               HasSubstr("remove the tensor"))));
  tensors_[kHead] = Filled({69999, 8});
  ShardedTensors shorter = Open();
  EXPECT_THAT(PassOverTiedHead(config, shorter),
              StatusIs(kInvalid, HasSubstr("[69999, 8]")));
}

TEST_F(TensorChecksTest, AMissingHeadMayBeTied) {
  LlamaConfig config = ConfigOf(/*tied=*/false);
  EXPECT_THAT(
      Check(config),
      StatusIs(kInvalid, AllOf(HasSubstr("\"lm_head.weight\": expected it"),
                               HasSubstr("tie_word_embeddings is false"),
                               HasSubstr("set tie_word_embeddings to true"))));
  config.document = base::Json::object();
  EXPECT_THAT(
      Check(config),
      StatusIs(kInvalid, HasSubstr("tie_word_embeddings is not there, which "
                                   "means false")));
}

TEST_F(TensorChecksTest, TakesTheTensorsAndDerivedBuffers) {
  tensors_["model.rotary_emb.inv_freq"] = Filled({4});
  EXPECT_THAT(Check(ConfigOf(/*tied=*/true)), IsOk());
}

TEST_F(TensorChecksTest, ShowsTheNearestNameOfAMissingTensor) {
  tensors_["module.model.norm.weight"] = tensors_["model.norm.weight"];
  tensors_.erase("model.norm.weight");
  EXPECT_THAT(
      Check(ConfigOf(/*tied=*/true)),
      StatusIs(kInvalid,
               AllOf(HasSubstr("\"model.norm.weight\": expected it"),
                     HasSubstr("found is \"module.model.norm.weight\""))));
}

TEST_F(TensorChecksTest, CallsAnAdapterThat) {
  tensors_["model.layers.0.self_attn.q_proj.lora_A.weight"] = Filled({2, 8});
  EXPECT_THAT(Check(ConfigOf(/*tied=*/true)),
              StatusIs(kInvalid, AllOf(HasSubstr("q_proj.lora_A.weight"),
                                       HasSubstr("merge_and_unload"))));
}

}  // namespace

namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
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
  EXPECT_THAT(
      CheckNotQuantized(tensors, base::Json({{"quant_method", "fp8"}})),
      StatusIs(absl::StatusCode::kUnimplemented,
               AllOf(HasSubstr(directory_.path()),
                     HasSubstr("F32, found F8_E4M3 of quantized weights"),
                     HasSubstr("quant_method \"fp8\""),
                     HasSubstr("BF16, F16 or F32"))));
  // It is quantized whether config.json says so or not.
  EXPECT_THAT(
      CheckNotQuantized(tensors, base::Json()),
      StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("norm.weight")));
}

TEST_F(CheckNotQuantizedTest, TakesPlainWeights) {
  EXPECT_THAT(CheckNotQuantized(With(Dtype::kBF16, "xx"),
                                base::Json({{"quant_method", "bitsandbytes"}})),
              IsOk());
}

TEST(LeftoverQuantizationTest, NamesTheFieldAndTheFile) {
  EXPECT_THAT(
      LeftoverQuantization("m/config.json",
                           base::Json({{"quant_method", "bitsandbytes"}})),
      AllOf(HasSubstr("m/config.json: quantization_config "
                      "(quant_method \"bitsandbytes\")"),
            HasSubstr("ignored")));
  // Whatever stands there.
  EXPECT_THAT(LeftoverQuantization("m/config.json", base::Json(3)),
              HasSubstr("quantization_config is ignored"));
}

}  // namespace
}  // namespace moe::checkpoint
