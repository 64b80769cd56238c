#include "moe/align/aligned_checkpoint.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/align/align_options.pb.h"
#include "moe/align/alignment_inputs.h"
#include "moe/base/philox.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/layer_parts.h"
#include "moe/checkpoint/artifact/scale_factors.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/testing/tiny_checkpoint.h"

namespace moe::align {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::moe::convert::testing::ReadTensors;
using ::moe::convert::testing::TinyModel;
using ::moe::convert::testing::WriteTinyMoe;
using ::testing::HasSubstr;

// In every block with experts, drawn.
checkpoint::ScaleFactors RandomFactors(const checkpoint::MoeConfig& config) {
  base::RandomStream stream(/*seed=*/4, "factors");
  const auto draw = [&](float middle) {
    std::vector<float> values;
    for (int64_t i = 0; i < config.decoder.hidden_size; ++i) {
      values.push_back(middle + stream.UniformSymmetric(0.75f));
    }
    return values;
  };
  checkpoint::ScaleFactors factors;
  for (int64_t i = 0; i < config.decoder.num_hidden_layers; ++i) {
    const checkpoint::LayerParts<bool> blocks = BlocksWithExperts(config, i);
    if (*blocks.attn) factors.layers[i].attn = {draw(1.0f), draw(0.0f)};
    if (*blocks.mlp) factors.layers[i].mlp = {draw(1.0f), draw(0.0f)};
  }
  return factors;
}

std::vector<float> ValuesOf(const checkpoint::HostTensor& tensor) {
  std::vector<float> values(
      tensor.bytes.size() /
      static_cast<size_t>(checkpoint::DtypeSize(tensor.dtype)));
  checkpoint::WeightsToFloat(tensor.dtype, tensor.bytes,
                             absl::MakeSpan(values));
  return values;
}

checkpoint::HostTensor TensorOf(checkpoint::Dtype dtype,
                                checkpoint::Shape shape,
                                const std::vector<float>& values) {
  checkpoint::HostTensor tensor = {
      dtype, std::move(shape),
      std::string(
          values.size() * static_cast<size_t>(checkpoint::DtypeSize(dtype)),
          '\0')};
  checkpoint::FloatToWeights(dtype, values, absl::MakeSpan(tensor.bytes));
  return tensor;
}

absl::StatusOr<convert::WrittenCheckpoint> Write(
    const std::string& from, const checkpoint::ScaleFactors& factors,
    const AlignOptions& options, const convert::ConversionOutput& output,
    int num_threads = 2) {
  MOE_ASSIGN_OR_RETURN(const checkpoint::Checkpoint checkpoint,
                       checkpoint::Checkpoint::Open(from));
  base::ThreadPool pool(num_threads);
  base::Progress progress(base::Progress::Style::kSilent, {});
  return WriteAlignedCheckpoint(checkpoint, factors, options, output,
                                {pool, progress});
}

AlignOptions Options(AlignOptions::Mode mode, AlignOptions::Parts parts) {
  AlignOptions options;
  options.set_alignment_mode(mode);
  options.set_alignment_parts(parts);
  options.set_realign(true);
  return options;
}

// What the aligned checkpoint's tensors have to be, one at a time.
checkpoint::HostTensors Expected(const checkpoint::HostTensors& from,
                                 const checkpoint::MoeConfig& config,
                                 const checkpoint::ScaleFactors& factors,
                                 const AlignOptions& options) {
  const bool is_full = options.alignment_parts() == AlignOptions::FULL;
  checkpoint::HostTensors want = from;
  for (const auto& [text, tensor] : from) {
    const checkpoint::TensorName name =
        checkpoint::ParseTensorName(text).value();
    const bool is_attention =
        name.kind == checkpoint::TensorKind::kOutput && name.expert >= 0;
    if (name.is_bias ||
        (!is_attention && name.kind != checkpoint::TensorKind::kExpertDown))
      continue;
    const checkpoint::ScaleFactor& factor =
        is_attention ? *factors.layers.at(name.layer).attn
                     : *factors.layers.at(name.layer).mlp;
    std::vector<float> values = ValuesOf(tensor);
    const size_t rows = factor.scale_bias.size();
    const size_t cols = values.size() / rows;
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] *= factor.scale_magnitude[i / cols];
    }
    want[text] = TensorOf(tensor.dtype, tensor.shape, values);
    const std::string bias_text =
        text.substr(0, text.size() - std::string("weight").size()) + "bias";
    const auto old = from.find(bias_text);
    if (!is_full && old == from.end()) continue;
    std::vector<float> bias(rows, 0.0f);
    if (old != from.end()) bias = ValuesOf(old->second);
    const double scale = options.alignment_mode() == AlignOptions::PUBLISHED
                             ? 1.0
                         : is_attention ? config.scale_factor_attn
                                        : config.scale_factor;
    for (size_t i = 0; i < rows; ++i) {
      const double scaled = double{factor.scale_magnitude[i]} * bias[i];
      bias[i] = static_cast<float>(
          is_full ? scaled + factor.scale_bias[i] / scale : scaled);
    }
    want[bias_text] =
        TensorOf(tensor.dtype, {static_cast<int64_t>(rows)}, bias);
  }
  return want;
}

struct Kind {
  const char* name;
  checkpoint::MoeConfig config;
  TinyModel model;
};

std::vector<Kind> Kinds() {
  std::vector<Kind> kinds;
  Kind vanilla = {"vanilla", {}, {}};
  vanilla.config.scale_factor = 4.0;
  kinds.push_back(vanilla);
  Kind residual = {"residual, sharded", vanilla.config, {}};
  residual.config.intermediate_size_residual = 6;
  residual.model.num_shards = 3;
  kinds.push_back(residual);
  Kind both = {"attention, contract layers", vanilla.config, {}};
  both.config.use_attn_moe = true;
  both.config.attn_experts = 4;
  both.config.top_k_attn = 2;
  both.config.scale_factor_attn = 3.0;
  both.config.num_moe_contract_layers = 1;
  both.model.dtype = checkpoint::Dtype::kF32;
  kinds.push_back(both);
  Kind biases = {"biases of the model", both.config, {}};
  biases.model.attention_bias = true;
  biases.model.mlp_bias = true;
  biases.config.decoder.attention_bias = true;
  biases.config.decoder.mlp_bias = true;
  kinds.push_back(biases);
  Kind aligned = {"aligned", both.config, {}};
  aligned.config.add_rescale_bias = true;
  kinds.push_back(aligned);
  return kinds;
}

TEST(AlignedCheckpointTest, HasTheMapsInItsWeights) {
  for (const Kind& kind : Kinds()) {
    for (const AlignOptions& options :
         {Options(AlignOptions::EXACT, AlignOptions::FULL),
          Options(AlignOptions::PUBLISHED, AlignOptions::FULL),
          Options(AlignOptions::EXACT, AlignOptions::MAGNITUDE)}) {
      SCOPED_TRACE(absl::StrCat(kind.name, ": ", options.ShortDebugString()));
      const TempDirectory directory;
      const std::string from = directory.Path("from");
      WriteTinyMoe(kind.config, kind.model, from);
      MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Checkpoint before,
                               checkpoint::Checkpoint::Open(from));
      const checkpoint::MoeConfig& config = *before.moe_config();
      const checkpoint::ScaleFactors factors = RandomFactors(config);
      const std::string to = directory.Path("to");
      MOE_ASSERT_OK_AND_ASSIGN(const convert::WrittenCheckpoint written,
                               Write(from, factors, options, {to}));
      const checkpoint::HostTensors want =
          Expected(ReadTensors(from), config, factors, options);
      EXPECT_EQ(ReadTensors(to), want);
      EXPECT_EQ(written.num_tensors, static_cast<int64_t>(want.size()));
      EXPECT_EQ(written.num_shards, kind.model.num_shards);
      // It is what its configuration says, which is the old one but for the
      // flag.
      MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Checkpoint after,
                               checkpoint::Checkpoint::Open(to));
      EXPECT_EQ(after.moe_config()->add_rescale_bias,
                config.add_rescale_bias ||
                    options.alignment_parts() == AlignOptions::FULL);
      checkpoint::MoeConfig same = *after.moe_config();
      same.add_rescale_bias = config.add_rescale_bias;
      EXPECT_EQ(checkpoint::FormatMoeConfig(same),
                checkpoint::FormatMoeConfig(config));
      EXPECT_TRUE(std::filesystem::exists(
          absl::StrCat(to, "/", checkpoint::kModelCodeFile)));
      EXPECT_TRUE(std::filesystem::exists(to + "/tokenizer.json"));
    }
  }
}

class AlignedCheckpointErrorsTest : public ::testing::Test {
 protected:
  AlignedCheckpointErrorsTest() {
    Kind kind = Kinds()[2];
    kind.model.dtype = checkpoint::Dtype::kF16;
    WriteTinyMoe(kind.config, kind.model, from_);
    config_ = *checkpoint::Checkpoint::Open(from_)->moe_config();
  }
  void ExpectRefused(const checkpoint::ScaleFactors& factors,
                     const char* what) {
    EXPECT_THAT(Write(from_, factors, {}, {to_}).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(what)));
    EXPECT_FALSE(std::filesystem::exists(to_));
  }

  const TempDirectory directory_;
  const std::string from_ = directory_.Path("from");
  const std::string to_ = directory_.Path("to");
  checkpoint::MoeConfig config_;
};

TEST_F(AlignedCheckpointErrorsTest, FactorsOfAnotherModelAreRefused) {
  const checkpoint::ScaleFactors good = RandomFactors(config_);
  checkpoint::ScaleFactors factors = good;
  factors.layers.at(1).attn.reset();
  ExpectRefused(factors, "layers.1.attn: expected factors");
  factors = good;
  factors.layers[0].mlp = factors.layers[1].mlp;
  ExpectRefused(factors,
                "layers.0.mlp: expected none, because the model has no "
                "experts");
  factors = good;
  factors.layers[7] = factors.layers[1];
  ExpectRefused(factors, "found the layer 7");
}

TEST_F(AlignedCheckpointErrorsTest, WhatIsBeyondTheTypeIsRefusedByTensor) {
  checkpoint::ScaleFactors factors = RandomFactors(config_);
  factors.layers.at(1).mlp->scale_bias[3] = 4.0f * 70000.0f;
  ExpectRefused(factors,
                "tensor \"model.layers.1.block_sparse_moe.experts.0.w2.bias\", "
                "element 3: bias: expected a number that F16 can hold, found "
                "70000");
  factors = RandomFactors(config_);
  factors.layers.at(1).attn->scale_magnitude[2] = 1e10f;
  ExpectRefused(factors, "tensor \"model.layers.1.self_attn.o_proj.0.weight\"");
}

TEST_F(AlignedCheckpointErrorsTest, TheOutputIsLookedAtBefore) {
  MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Checkpoint from,
                           checkpoint::Checkpoint::Open(from_));
  MOE_EXPECT_OK(CheckAlignedOutput(from, {}, {to_}));
  EXPECT_FALSE(std::filesystem::exists(to_));
  EXPECT_EQ(
      std::distance(std::filesystem::directory_iterator(directory_.path()),
                    std::filesystem::directory_iterator()),
      1);
  EXPECT_THAT(CheckAlignedOutput(from, {}, {from_ + "/to"}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  MOE_ASSERT_OK(Write(from_, RandomFactors(config_), {}, {to_}).status());
  EXPECT_THAT(CheckAlignedOutput(from, {}, {to_}),
              StatusIs(absl::StatusCode::kAlreadyExists));
  MOE_EXPECT_OK(CheckAlignedOutput(from, {}, {to_, /*overwrite=*/true}));
  MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Checkpoint aligned,
                           checkpoint::Checkpoint::Open(to_));
  EXPECT_THAT(CheckAlignedOutput(aligned, {}, {directory_.Path("new")}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("expected a checkpoint that is not aligned")));
}

TEST_F(AlignedCheckpointErrorsTest, ThreadsDoNotMatter) {
  const checkpoint::ScaleFactors factors = RandomFactors(config_);
  MOE_ASSERT_OK(Write(from_, factors, {}, {to_}, 1).status());
  const std::string other = directory_.Path("other");
  MOE_ASSERT_OK(Write(from_, factors, {}, {other}, 3).status());
  EXPECT_EQ(ReadTensors(to_), ReadTensors(other));
}

}  // namespace
}  // namespace moe::align
