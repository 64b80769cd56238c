#include "moe/model/aten/aten_decoder_layers.h"

#include <ATen/core/Dict.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/aten/aten_model.h"
#include "moe/model/aten/aten_options.h"
#include "moe/model/aten/testing/aten_tensors.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/linear.h"
#include "moe/model/layer/rotary_tables.h"
#include "moe/model/layer/testing/layer_forward.h"

namespace moe::model {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::moe::kernels::testing::TestMatrix;
using ::moe::model::testing::ExpectClose;
using ::moe::model::testing::ForwardLayer;
using ::moe::model::testing::ToTensor;
using ::moe::model::testing::ToVector;
using ::testing::HasSubstr;

// The fixture with 8 heads in 4 groups, and 16 positions.
void WriteVariant(const std::string& rope_scaling, const TempDirectory& to) {
  const std::string from = "testdata/llama_gqa_bf16/";
  const std::string config =
      base::ReadFile(from + "config.json", 1 << 20).value();
  const std::string changed = absl::StrReplaceAll(
      config,
      {{"\"max_position_embeddings\": 512", "\"max_position_embeddings\": 16"},
       {"\"rope_scaling\": null",
        absl::StrCat("\"rope_scaling\": ", rope_scaling)}});
  ASSERT_NE(changed.find("\"max_position_embeddings\": 16"), std::string::npos);
  ASSERT_NE(changed.find(rope_scaling), std::string::npos);
  to.Write("config.json", changed);
  to.Write("model.safetensors",
           base::ReadFile(from + "model.safetensors", 1 << 24).value());
}

// Layer 1 in both numerics, on sequences some of which are longer than the 16
// positions, and two of one length.
void ExpectExactLayer(const checkpoint::Checkpoint& checkpoint,
                      double tolerance) {
  base::ThreadPool pool(1);
  const checkpoint::LlamaConfig& config = *checkpoint.dense_config();
  const std::vector<int64_t> offsets = {0, 1, 21, 41, 41, 52};
  MOE_ASSERT_OK_AND_ASSIGN(const RotaryTables rotary,
                           RotaryTables::Create(config, {1, 11, 20}, pool));
  TestMatrix x = TestMatrix(52, config.hidden_size).Fill("x", 4.0f);
  TestMatrix y(52, config.hidden_size);
  MOE_ASSERT_OK_AND_ASSIGN(
      const DecoderLayerWeights weights,
      ReadDecoderLayerWeights(checkpoint, 1, LayerPasses::kForward, pool));
  MOE_ASSERT_OK(ForwardLayer({&config, &weights, &rotary, {}},
                             {offsets, x.view()}, {}, y.view(), pool));
  const std::vector<float> exact = y.Values();
  const std::vector<double> want(exact.begin(), exact.end());

  const AtenModel model = AtenModelOf(checkpoint);
  AtenDecoderLayers layers(model, rotary, AtenDevice::kCpu,
                           AtenProducts::kFloat32);
  MOE_ASSERT_OK(layers.Read(1));
  const at::Tensor hidden = ToTensor(x.Values(), {52, config.hidden_size});
  // In two batches.
  MOE_ASSERT_OK(layers.Forward({offsets, 0, 2}, hidden));
  MOE_ASSERT_OK(layers.Forward({offsets, 2, 5}, hidden));
  ExpectClose(ToVector(hidden), want, tolerance);
}

// Two float32 evaluations of one layer.
constexpr double kTolerance = 1e-5;

TEST(AtenDecoderLayersTest, IsTheExactLayerForEveryRopeScaling) {
  for (const char* scaling :
       {"null", R"({"rope_type": "linear", "factor": 2.5})",
        R"({"rope_type": "dynamic", "factor": 3.0})",
        R"({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 16})"}) {
    SCOPED_TRACE(scaling);
    const TempDirectory directory;
    WriteVariant(scaling, directory);
    MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Checkpoint checkpoint,
                             checkpoint::Checkpoint::Open(directory.path()));
    ExpectExactLayer(checkpoint, kTolerance);
  }
}

TEST(AtenDecoderLayersTest, AddsBiases) {
  const TempDirectory directory;
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::string config,
      base::ReadFile("testdata/llama_gqa_bf16/config.json", 1 << 20));
  directory.Write(
      "config.json",
      absl::StrReplaceAll(
          config, {{"\"attention_bias\": false", "\"attention_bias\": true"},
                   {"\"mlp_bias\": false", "\"mlp_bias\": true"}}));
  MOE_ASSERT_OK_AND_ASSIGN(checkpoint::HostTensors tensors,
                           checkpoint::ReadSafetensorsFile(
                               "testdata/llama_gqa_bf16/model.safetensors"));
  checkpoint::HostTensors biases;
  for (const auto& [name, tensor] : tensors) {
    if (name.find("_proj.weight") == std::string::npos) continue;
    // The first bytes of the weight, so that the bias has its magnitude.
    biases[absl::StrReplaceAll(name, {{"weight", "bias"}})] = {
        tensor.dtype,
        {tensor.shape[0]},
        tensor.bytes.substr(0, static_cast<size_t>(2 * tensor.shape[0]))};
  }
  tensors.insert(biases.begin(), biases.end());
  MOE_ASSERT_OK(checkpoint::WriteSafetensorsFile(
      directory.Path("model.safetensors"), tensors, {}, /*overwrite=*/false));
  MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Checkpoint checkpoint,
                           checkpoint::Checkpoint::Open(directory.path()));
  ASSERT_TRUE(checkpoint.dense_config()->attention_bias);
  ASSERT_TRUE(checkpoint.dense_config()->mlp_bias);
  ExpectExactLayer(checkpoint, kTolerance);
}

TEST(AtenDecoderLayersTest, NamesTheActivationThatIsNotFinite) {
  base::ThreadPool pool(1);
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::Checkpoint checkpoint,
      checkpoint::Checkpoint::Open("testdata/llama_gqa_bf16"));
  MOE_ASSERT_OK_AND_ASSIGN(
      const RotaryTables rotary,
      RotaryTables::Create(*checkpoint.dense_config(), {5}, pool));
  const AtenModel model = AtenModelOf(checkpoint);
  AtenDecoderLayers layers(model, rotary, AtenDevice::kCpu,
                           AtenProducts::kFloat32);
  MOE_ASSERT_OK(layers.Read(0));
  const std::vector<int64_t> offsets = {0, 2, 4, 9};
  TestMatrix x = TestMatrix(9, 128).Fill("x");
  // Position 2 of sequence 2.
  x.view().Row(6)[7] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(layers.Forward({offsets, 1, 3}, ToTensor(x.Values(), {9, 128})),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("attention queries of sequence 2, position 2, "
                                 "feature 0 of 128: NaN or infinity")));
}

TEST(CheckAtenFiniteTest, IsNotMisledByASumThatOverflows) {
  const std::vector<int64_t> offsets = {0, 4};
  std::vector<float> values(8, 3e38f);
  MOE_EXPECT_OK(CheckAtenFinite("x", offsets, ToTensor(values, {2, 4}), 2));
  values[6] = -std::numeric_limits<float>::infinity();
  EXPECT_THAT(CheckAtenFinite("x", offsets, ToTensor(values, {2, 4}), 2),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("x of sequence 0, position 3, feature 2 of "
                                 "4: NaN or infinity")));
}

}  // namespace
}  // namespace moe::model
