// The mode PUBLISHED against what was published, literally: for every block, in
// order, the model is walked from the beginning as it is by then, and the map
// is written into the weights before the next block's walk.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/align/align_model.h"
#include "moe/align/align_options.pb.h"
#include "moe/align/aligned_checkpoint.h"
#include "moe/align/testing/alignment_case.h"
#include "moe/base/atomic_write.h"
#include "moe/base/file_system.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"
#include "moe/model/layer/checkpoint_weights.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/testing/walk_fixture.h"
#include "moe/model/walk/walk_tap.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::align {
namespace {

using ::moe::align::testing::DistributionOf;
using ::moe::align::testing::ManySequences;
using ::moe::align::testing::MovedReference;
using ::moe::align::testing::WriteFixtureAsF32;
using ::moe::base::testing::TempDirectory;
using ::moe::model::testing::WalkMachine;

// What the experts of one block put out, without a residual expert's part.
class RoutedOutputTap : public model::WalkTap {
 public:
  RoutedOutputTap(int64_t layer, model::DecoderBlock block)
      : layer_(layer), block_(block) {}

  absl::Status OnBlockParts(const model::TapContext& context,
                            model::DecoderBlock block,
                            const model::BlockOutput& output) override {
    if (context.layer != layer_ || block != block_) return absl::OkStatus();
    for (int64_t t = 0; t < output.output.rows; ++t) {
      const auto row = output.output.Row(t);
      rows.emplace_back(row.begin(), row.end());
    }
    return absl::OkStatus();
  }

  std::vector<std::vector<double>> rows;

 private:
  const int64_t layer_;
  const model::DecoderBlock block_;
};

// A model in a directory whose F32 weights are changed time and again.
class SlowAlignment {
 public:
  SlowAlignment(const std::string& directory,
                const text::TokenSequences& sequences)
      : directory_(directory), sequences_(sequences) {
    tensors_ = checkpoint::ReadSafetensorsFile(directory + "/model.safetensors")
                   .value();
    const model::Model model = model::Model::Open(directory).value();
    config_ = *model.moe_config();
  }

  checkpoint::HostTensors Run(const checkpoint::Distribution& reference) {
    AddZeroBiases();
    for (int64_t i = 0; i < config_.decoder.num_hidden_layers; ++i) {
      if (config_.IsContractLayer(i)) continue;
      const auto& layer = reference.layers[static_cast<size_t>(i)];
      if (config_.use_attn_moe) {
        AlignOne(i, model::DecoderBlock::kAttention, *layer.attn);
      }
      if (config_.num_local_experts > 0) {
        AlignOne(i, model::DecoderBlock::kMlp, *layer.mlp);
      }
    }
    return tensors_;
  }

 private:
  // The names of the experts' last matrices, without ".weight" or ".bias".
  std::vector<std::string> Outputs(int64_t layer,
                                   model::DecoderBlock block) const {
    const bool is_attention = block == model::DecoderBlock::kAttention;
    const std::string prefix = absl::StrCat("model.layers.", layer, ".");
    std::vector<std::string> names;
    for (int64_t e = 0;
         e < (is_attention ? config_.attn_experts : config_.num_local_experts);
         ++e) {
      names.push_back(
          is_attention
              ? absl::StrCat(prefix, "self_attn.o_proj.", e)
              : absl::StrCat(prefix, "block_sparse_moe.experts.", e, ".w2"));
    }
    return names;
  }

  static checkpoint::HostTensor Floats(const std::vector<float>& values,
                                       checkpoint::Shape shape) {
    checkpoint::HostTensor tensor = {
        checkpoint::Dtype::kF32, std::move(shape),
        std::string(values.size() * sizeof(float), '\0')};
    std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
    return tensor;
  }

  void AddZeroBiases() {
    const auto size = static_cast<size_t>(config_.decoder.hidden_size);
    for (int64_t i = 0; i < config_.decoder.num_hidden_layers; ++i) {
      for (const model::DecoderBlock block :
           {model::DecoderBlock::kAttention, model::DecoderBlock::kMlp}) {
        for (const std::string& name : Outputs(i, block)) {
          if (tensors_.count(name + ".weight") == 0) continue;
          tensors_.emplace(name + ".bias",
                           Floats(std::vector<float>(size, 0.0f),
                                  {config_.decoder.hidden_size}));
        }
      }
    }
    config_.add_rescale_bias = true;
    const std::string text = checkpoint::FormatMoeConfig(config_);
    MOE_ASSERT_OK(base::WriteFileAtomically(
        directory_ + "/config.json", /*overwrite=*/true,
        [&](base::WritableFile& file) { return file.Append(text); }));
    Save();
  }

  void Save() {
    MOE_ASSERT_OK(checkpoint::WriteSafetensorsFile(
        directory_ + "/model.safetensors", tensors_, {}, /*overwrite=*/true));
  }

  void AlignOne(int64_t layer, model::DecoderBlock block,
                const checkpoint::FeatureMoments& reference) {
    RoutedOutputTap tap(layer, block);
    WalkMachine machine;
    model::Model model = model::Model::Open(directory_).value();
    MOE_ASSERT_OK(
        model::WalkForward(model, sequences_, {}, &tap, machine.resources())
            .status());
    const auto n = static_cast<double>(tap.rows.size());
    for (size_t i = 0; i < reference.mean.size(); ++i) {
      double mean = 0.0, variance = 0.0;
      for (const auto& row : tap.rows) mean += row[i] / n;
      for (const auto& row : tap.rows) {
        variance += std::pow(row[i] - mean, 2) / n;
      }
      const double scale = std::sqrt(reference.variance[i] / variance);
      const double bias = reference.mean[i] - scale * mean;
      for (const std::string& name : Outputs(layer, block)) {
        ScaleAndShift(name, i, scale, bias);
      }
    }
    Save();
  }

  // Row `row` of the matrix and element `row` of the bias.
  void ScaleAndShift(const std::string& name, size_t row, double scale,
                     double bias) {
    checkpoint::HostTensor& weight = tensors_.at(name + ".weight");
    std::vector<float> values = model::ToFloats(weight);
    const auto cols = static_cast<size_t>(weight.shape[1]);
    for (size_t c = row * cols; c < (row + 1) * cols; ++c) {
      values[c] = static_cast<float>(values[c] * scale);
    }
    weight = Floats(values, weight.shape);
    checkpoint::HostTensor& shift = tensors_.at(name + ".bias");
    values = model::ToFloats(shift);
    values[row] = static_cast<float>(values[row] * scale + bias);
    shift = Floats(values, shift.shape);
  }

  const std::string directory_;
  const text::TokenSequences& sequences_;
  checkpoint::MoeConfig config_;
  checkpoint::HostTensors tensors_;
};

// |got - want| over the largest |want|.
double LargestError(const checkpoint::HostTensor& got,
                    const checkpoint::HostTensor& want) {
  const std::vector<float> a = model::ToFloats(got), b = model::ToFloats(want);
  double error = a.size() == b.size() ? 0.0 : INFINITY, largest = 0.0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    error = std::max(error, std::fabs(double{a[i]} - b[i]));
    largest = std::max(largest, std::fabs(double{b[i]}));
  }
  return error / std::max(largest, 1e-30);
}

TEST(PublishedAlignmentTest, IsThatOfOneWalkForEachBlock) {
  for (const std::string name : {"vanilla", "residual", "contract", "attention",
                                 "attention_from_dense"}) {
    SCOPED_TRACE(name);
    const TempDirectory directory;
    const std::string from = directory.Path("from");
    const std::string slow = directory.Path("slow");
    WriteFixtureAsF32(name, from);
    WriteFixtureAsF32(name, slow);
    const text::TokenSequences sequences = ManySequences(name);
    const checkpoint::Distribution reference =
        MovedReference(DistributionOf(from, sequences));
    AlignOptions options;
    options.set_alignment_mode(AlignOptions::PUBLISHED);
    WalkMachine machine;
    MOE_ASSERT_OK_AND_ASSIGN(model::Model model, model::Model::Open(from));
    MOE_ASSERT_OK_AND_ASSIGN(
        const Alignment alignment,
        AlignModel(model, {sequences, reference, "reference", options}, {},
                   machine.resources()));
    MOE_ASSERT_OK(WriteAlignedCheckpoint(model.checkpoint(), alignment.factors,
                                         options, {directory.Path("to")},
                                         {machine.pool, machine.progress})
                      .status());
    const checkpoint::HostTensors want =
        SlowAlignment(slow, sequences).Run(reference);
    MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::HostTensors got,
                             checkpoint::ReadSafetensorsFile(
                                 directory.Path("to") + "/model.safetensors"));
    EXPECT_EQ(got.size(), want.size());
    for (const auto& [tensor, values] : want) {
      ASSERT_EQ(got.count(tensor), 1u) << tensor;
      EXPECT_LT(LargestError(got.at(tensor), values), 1e-4) << tensor;
    }
  }
}

}  // namespace
}  // namespace moe::align
