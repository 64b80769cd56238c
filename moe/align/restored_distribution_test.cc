// What an alignment is for: the aligned checkpoint, recorded over the same
// tokens, has the reference's mean and variance in every block with experts.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/align/align_model.h"
#include "moe/align/align_options.pb.h"
#include "moe/align/aligned_checkpoint.h"
#include "moe/align/alignment_inputs.h"
#include "moe/align/testing/alignment_case.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/checkpoint/artifact/layer_parts.h"
#include "moe/checkpoint/artifact/scale_factors.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/testing/walk_fixture.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::align {
namespace {

using ::moe::align::testing::DistributionOf;
using ::moe::align::testing::ManySequences;
using ::moe::align::testing::MovedReference;
using ::moe::align::testing::WriteFixtureAsF32;
using ::moe::base::testing::TempDirectory;
using ::moe::model::testing::MoeFixtureNames;
using ::moe::model::testing::MoeFixturePath;
using ::moe::model::testing::WalkMachine;

struct Aligned {
  checkpoint::MoeConfig config;
  Alignment alignment;
  checkpoint::Distribution got;
};

// Aligns the checkpoint in `from`, writes it to `to`, and records that.
absl::StatusOr<Aligned> AlignAndRecord(
    const std::string& from, const std::string& to,
    const text::TokenSequences& sequences,
    const checkpoint::Distribution& reference, const AlignOptions& options) {
  WalkMachine machine;
  MOE_ASSIGN_OR_RETURN(model::Model model, model::Model::Open(from));
  Aligned aligned;
  aligned.config = *model.moe_config();
  MOE_ASSIGN_OR_RETURN(
      aligned.alignment,
      AlignModel(model, {sequences, reference, "reference", options}, {},
                 machine.resources()));
  MOE_RETURN_IF_ERROR(
      WriteAlignedCheckpoint(model.checkpoint(), aligned.alignment.factors,
                             options, {to}, {machine.pool, machine.progress})
          .status());
  aligned.got = DistributionOf(to, sequences);
  return aligned;
}

// The largest |m - m_ref| over the reference's deviation, and |v / v_ref - 1|.
struct Distance {
  double mean = 0.0;
  double variance = 0.0;
  int64_t num_kept = 0;  // Features with a scale of 1.
};

Distance DistanceOf(const checkpoint::FeatureMoments& got,
                    const checkpoint::FeatureMoments& reference,
                    const checkpoint::ScaleFactor& factor) {
  Distance distance;
  for (size_t i = 0; i < got.mean.size(); ++i) {
    distance.mean =
        std::max(distance.mean, std::fabs(got.mean[i] - reference.mean[i]) /
                                    std::sqrt(reference.variance[i]));
    if (factor.scale_magnitude[i] == 1.0f) {
      ++distance.num_kept;
      continue;
    }
    distance.variance =
        std::max(distance.variance,
                 std::fabs(got.variance[i] / reference.variance[i] - 1.0));
  }
  return distance;
}

// How close the means are over deviations, and the variances over themselves.
void ExpectRestored(const Aligned& aligned,
                    const checkpoint::Distribution& reference, double tolerance,
                    bool with_mean) {
  for (const AlignedBlock& block : aligned.alignment.blocks) {
    SCOPED_TRACE(block.part + " of layer " + std::to_string(block.layer));
    const bool is_attention = block.part == "attn";
    const auto layer = static_cast<size_t>(block.layer);
    const checkpoint::LayerParts<checkpoint::ScaleFactor>& factors =
        aligned.alignment.factors.layers.at(block.layer);
    const Distance distance =
        DistanceOf(is_attention ? *aligned.got.layers[layer].attn
                                : *aligned.got.layers[layer].mlp,
                   is_attention ? *reference.layers[layer].attn
                                : *reference.layers[layer].mlp,
                   is_attention ? *factors.attn : *factors.mlp);
    EXPECT_LT(distance.variance, tolerance);
    if (with_mean) {
      EXPECT_LT(distance.mean, tolerance);
    }
    EXPECT_EQ(distance.num_kept, block.num_without_root + block.num_dead);
    EXPECT_EQ(block.num_dead, 0);
    // Not for want of features.
    EXPECT_LT(block.num_without_root, 32 / 2);
  }
}

int64_t NumBlocks(const checkpoint::MoeConfig& config) {
  int64_t count = 0;
  for (int64_t i = 0; i < config.decoder.num_hidden_layers; ++i) {
    const checkpoint::LayerParts<bool> blocks = BlocksWithExperts(config, i);
    count += (*blocks.attn ? 1 : 0) + (*blocks.mlp ? 1 : 0);
  }
  return count;
}

AlignOptions Exact(AlignOptions::Parts parts = AlignOptions::FULL) {
  AlignOptions options;
  options.set_alignment_parts(parts);
  options.set_realign(true);
  return options;
}

TEST(RestoredDistributionTest, IsTheReferenceInEveryKindOfModel) {
  for (const std::string& name : MoeFixtureNames()) {
    SCOPED_TRACE(name);
    const TempDirectory directory;
    const std::string from = directory.Path("from");
    WriteFixtureAsF32(name, from);
    const text::TokenSequences sequences = ManySequences(name);
    const checkpoint::Distribution reference =
        MovedReference(DistributionOf(from, sequences));
    MOE_ASSERT_OK_AND_ASSIGN(const Aligned aligned,
                             AlignAndRecord(from, directory.Path("aligned"),
                                            sequences, reference, Exact()));
    EXPECT_EQ(static_cast<int64_t>(aligned.alignment.blocks.size()),
              NumBlocks(aligned.config));
    EXPECT_EQ(aligned.alignment.num_tokens, 979);
    ExpectRestored(aligned, reference, 1e-4, /*with_mean=*/true);
    for (const AlignedBlock& block : aligned.alignment.blocks) {
      // The moved reference is far, mostly.
      EXPECT_GT(*block.divergence_before, 0.1);
      if (block.num_without_root > 0) continue;
      EXPECT_LT(*block.divergence_after, 1e-9);
    }
  }
}

TEST(RestoredDistributionTest, HasTheVarianceWithoutBiases) {
  for (const std::string name : {"vanilla", "residual", "attention"}) {
    SCOPED_TRACE(name);
    const TempDirectory directory;
    const std::string from = directory.Path("from");
    WriteFixtureAsF32(name, from);
    const text::TokenSequences sequences = ManySequences(name);
    const checkpoint::Distribution reference =
        MovedReference(DistributionOf(from, sequences));
    MOE_ASSERT_OK_AND_ASSIGN(
        const Aligned aligned,
        AlignAndRecord(from, directory.Path("aligned"), sequences, reference,
                       Exact(AlignOptions::MAGNITUDE)));
    ExpectRestored(aligned, reference, 1e-4, /*with_mean=*/false);
  }
}

// BF16 has 8 bits, F16 11: each weight is off by 2^-9 or 2^-12 of itself, and
// with them some tokens' second expert.
TEST(RestoredDistributionTest, IsAsCloseAsTheTypeOfTheWeights) {
  for (const std::string name : {"residual", "attention", "biases"}) {
    SCOPED_TRACE(name);
    const TempDirectory directory;
    const text::TokenSequences sequences = ManySequences(name);
    const checkpoint::Distribution reference =
        MovedReference(DistributionOf(MoeFixturePath(name), sequences));
    MOE_ASSERT_OK_AND_ASSIGN(
        const Aligned aligned,
        AlignAndRecord(MoeFixturePath(name), directory.Path("aligned"),
                       sequences, reference, Exact()));
    ExpectRestored(aligned, reference, name == "residual" ? 2e-3 : 2e-2,
                   /*with_mean=*/true);
  }
}

// Once more from where it is: nothing is left to do.
TEST(RestoredDistributionTest, AligningAgainChangesLittle) {
  const std::string name = "vanilla";
  const TempDirectory directory;
  const text::TokenSequences sequences = ManySequences(name);
  const checkpoint::Distribution reference =
      MovedReference(DistributionOf(MoeFixturePath(name), sequences));
  MOE_ASSERT_OK(AlignAndRecord(MoeFixturePath(name), directory.Path("once"),
                               sequences, reference, Exact())
                    .status());
  MOE_ASSERT_OK_AND_ASSIGN(
      const Aligned again,
      AlignAndRecord(directory.Path("once"), directory.Path("twice"), sequences,
                     reference, Exact()));
  for (const auto& [layer, factors] : again.alignment.factors.layers) {
    for (size_t i = 0; i < factors.mlp->scale_magnitude.size(); ++i) {
      EXPECT_NEAR(factors.mlp->scale_magnitude[i], 1.0f, 1e-4f);
      EXPECT_NEAR(factors.mlp->scale_bias[i], 0.0f, 1e-4f);
    }
  }
}

}  // namespace
}  // namespace moe::align
