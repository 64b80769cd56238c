#include "moe/align/align_model.h"

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/align/align_options.pb.h"
#include "moe/align/testing/alignment_case.h"
#include "moe/base/json.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/checkpoint/artifact/layer_parts.h"
#include "moe/checkpoint/artifact/scale_factors.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/testing/walk_fixture.h"
#include "moe/model/walk/walk_options.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::align {
namespace {

using ::moe::align::testing::DistributionOf;
using ::moe::align::testing::ManySequences;
using ::moe::align::testing::MovedReference;
using ::moe::base::testing::StatusIs;
using ::moe::kernels::testing::Digest;
using ::moe::kernels::testing::FewKernelMachines;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::model::testing::FixturePath;
using ::moe::model::testing::MoeFixturePath;
using ::moe::model::testing::SmallestBudget;
using ::moe::model::testing::WalkMachine;
using ::testing::HasSubstr;
using ::testing::ValuesIn;

// With experts and biases everywhere, a residual expert and contract layers.
constexpr char kModel[] = "biases";

const checkpoint::Distribution& Reference() {
  static const auto& reference = *new checkpoint::Distribution(MovedReference(
      DistributionOf(MoeFixturePath(kModel), ManySequences(kModel))));
  return reference;
}

absl::StatusOr<Alignment> TryAlign(const text::TokenSequences& sequences,
                                   const model::WalkOptions& walk_options,
                                   const model::WalkResources& resources) {
  MOE_ASSIGN_OR_RETURN(model::Model model,
                       model::Model::Open(MoeFixturePath(kModel)));
  return AlignModel(model, {sequences, Reference(), "reference", {}},
                    walk_options, resources);
}

std::string DigestOf(const Alignment& alignment) {
  std::vector<float> all;
  for (const auto& [layer, parts] : alignment.factors.layers) {
    for (const auto& [name, part] : parts.Named()) {
      if (!part->has_value()) continue;
      for (const std::vector<float>* const values :
           {&(*part)->scale_magnitude, &(*part)->scale_bias}) {
        all.insert(all.end(), values->begin(), values->end());
      }
    }
  }
  for (const AlignedBlock& block : alignment.blocks) {
    all.push_back(static_cast<float>(*block.divergence_before));
    all.push_back(static_cast<float>(*block.divergence_after));
  }
  return Digest<float>(all);
}

using AlignmentBitsTest = ::moe::kernels::testing::KernelTest;

TEST_P(AlignmentBitsTest, AreTheSameOnEveryMachine) {
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(
      const Alignment alignment,
      TryAlign(ManySequences(kModel), {},
               {machine.budget, pool(), machine.progress}));
  // Computed on the first machine: pins the bits everywhere.
  EXPECT_EQ(DigestOf(alignment), "6deb0e767edd5753");
}

INSTANTIATE_TEST_SUITE_P(All, AlignmentBitsTest, ValuesIn(FewKernelMachines()),
                         KernelMachineName);

TEST(AlignModelTest, BitsAreTheSameFromTheSmallestBudgetToUnlimited) {
  const text::TokenSequences sequences = ManySequences(kModel);
  WalkMachine unlimited;
  MOE_ASSERT_OK_AND_ASSIGN(const Alignment want,
                           TryAlign(sequences, {}, unlimited.resources()));
  const int64_t smallest = SmallestBudget([&](int64_t budget_bytes) {
    WalkMachine machine(2, budget_bytes);
    return TryAlign(sequences, {}, machine.resources()).status();
  });
  for (const int64_t budget : {smallest, smallest * 3 / 2, smallest * 4}) {
    WalkMachine machine(2, budget);
    MOE_ASSERT_OK_AND_ASSIGN(const Alignment got,
                             TryAlign(sequences, {}, machine.resources()));
    EXPECT_EQ(got.factors, want.factors);
  }
}

TEST(AlignModelTest, TheOrderOfSequencesAndGroupsDoesNotMatter) {
  const text::TokenSequences many = ManySequences(kModel);
  text::TokenSequences turned;
  for (int64_t s = many.num_sequences() - 1; s >= 0; --s) {
    turned.Append(many.input_ids(s), many.labels(s));
  }
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(const Alignment want,
                           TryAlign(many, {}, machine.resources()));
  model::WalkOptions options;
  options.tokens_at_once = 70;
  MOE_ASSERT_OK_AND_ASSIGN(const Alignment got,
                           TryAlign(turned, options, machine.resources()));
  EXPECT_EQ(got.factors, want.factors);
  EXPECT_EQ(DigestOf(got), DigestOf(want));
}

// In the order of the walk; contract layers are not among them.
TEST(AlignModelTest, ReportsEveryBlockWithExperts) {
  WalkMachine machine;
  MOE_ASSERT_OK_AND_ASSIGN(
      const Alignment alignment,
      TryAlign(ManySequences(kModel), {}, machine.resources()));
  std::vector<std::string> names;
  for (const AlignedBlock& block : alignment.blocks) {
    names.push_back(std::to_string(block.layer) + block.part);
  }
  EXPECT_THAT(names, ::testing::ElementsAre("1attn", "1mlp", "2attn", "2mlp"));
  EXPECT_EQ(alignment.num_tokens, 979);
  EXPECT_EQ(alignment.factors.layers.size(), 2u);
}

class AlignErrorsTest : public ::testing::Test {
 protected:
  absl::Status StatusOf(const std::string& path,
                        const checkpoint::Distribution& reference,
                        const AlignOptions& options = {}) {
    return StatusOn(machine_, path, reference, options);
  }
  absl::Status StatusOn(WalkMachine& machine, const std::string& path,
                        const checkpoint::Distribution& reference,
                        const AlignOptions& options) {
    model::Model model = model::Model::Open(path).value();
    const text::TokenSequences sequences = ManySequences(kModel);
    return AlignModel(model, {sequences, reference, "the/reference", options},
                      {}, machine.resources())
        .status();
  }
  // After a change of the fitting reference, without memory to compute in.
  void ExpectRefused(
      const std::function<void(checkpoint::Distribution&)>& change,
      const char* what) {
    checkpoint::Distribution reference = Reference();
    change(reference);
    WalkMachine machine(2, /*budget_bytes=*/0);
    EXPECT_THAT(StatusOn(machine, MoeFixturePath(kModel), reference, {}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(what)));
  }

  WalkMachine machine_;
};

TEST_F(AlignErrorsTest, ReferencesThatDoNotFitAreRefusedByName) {
  ExpectRefused([](checkpoint::Distribution& d) { d.layers.pop_back(); },
                "the/reference: expected num_layers");
  ExpectRefused(
      [](checkpoint::Distribution& d) { d.layers[0].mlp->mean.pop_back(); },
      "the/reference: layers.0.mlp.mean: expected hidden_size");
  ExpectRefused([](checkpoint::Distribution& d) { d.layers[1].attn.reset(); },
                "the/reference: layers.1.attn: expected moments");
  ExpectRefused(
      [](checkpoint::Distribution& d) { d.layers[2].mlp->number = 0; },
      "the/reference: layers.2.mlp.number: expected at least 1, found 0");
  ExpectRefused(
      [](checkpoint::Distribution& d) { d.layers[2].mlp->mean[3] = NAN; },
      "the/reference: layers.2.mlp.mean");
  ExpectRefused(
      [](checkpoint::Distribution& d) { d.layers[1].attn->variance[5] = -1.0; },
      "layers.1.attn.variance[5]: expected 0 or more, found -1");
  ExpectRefused(
      [](checkpoint::Distribution& d) {
        d.layers[1].mlp->variance[5] = std::numeric_limits<double>::infinity();
      },
      "layers.1.mlp.variance");
  // A number that is no problem before a block is measured.
  checkpoint::Distribution reference = Reference();
  reference.layers[2].attn->mean[4] = 1e39;
  EXPECT_THAT(
      StatusOf(MoeFixturePath(kModel), reference),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("layer 2, attn: the bias of feature 4: expected")));
  // Blocks without experts need no reference.
  reference = Reference();
  reference.layers[0].attn->number = 0;
  reference.layers[3].mlp.reset();
  MOE_EXPECT_OK(StatusOf(MoeFixturePath(kModel), reference));
}

TEST_F(AlignErrorsTest, ModelsThatCannotBeAlignedAreRefused) {
  EXPECT_THAT(
      StatusOf(FixturePath("llama_gqa_bf16"), Reference()),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("llama_gqa_bf16: expected a Mixture-of-Experts")));
  EXPECT_THAT(StatusOf(MoeFixturePath("aligned"), Reference()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("expected a checkpoint that is not aligned")));
  AlignOptions options;
  options.set_alignment_parts(static_cast<AlignOptions::Parts>(9));
  EXPECT_THAT(
      StatusOf(MoeFixturePath(kModel), Reference(), options),
      StatusIs(
          absl::StatusCode::kInvalidArgument,
          HasSubstr("alignment_parts: expected full, magnitude, found 9")));
  WalkMachine machine;
  EXPECT_THAT(
      TryAlign(text::TokenSequences(), {}, machine.resources()).status(),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no sequence")));
}

using ::testing::AllOf;

TEST(AlignmentReportTest, HasALineForEachBlock) {
  Alignment alignment;
  alignment.factors.layers[1].attn = {{0.5f, 2.0f}, {-3.0f, 1.0f}};
  alignment.factors.layers[1].mlp = {{1.0f, 1.0f}, {0.0f, 0.25f}};
  alignment.blocks = {{1, "attn", 0, 1, 2.5, 0.125},
                      {1, "mlp", 2, 0, std::nullopt, std::nullopt}};
  AlignOptions options;
  const base::Json want = {{"alignment_mode", "exact"},
                           {"alignment_parts", "full"},
                           {"blocks",
                            {{{"layer", 1},
                              {"part", "attn"},
                              {"divergence_before", 2.5},
                              {"divergence_after", 0.125},
                              {"num_dead_features", 0},
                              {"num_features_without_root", 1},
                              {"least_scale", 0.5},
                              {"largest_scale", 2.0},
                              {"largest_abs_bias", 3.0}},
                             {{"layer", 1},
                              {"part", "mlp"},
                              {"divergence_before", nullptr},
                              {"divergence_after", nullptr},
                              {"num_dead_features", 2},
                              {"num_features_without_root", 0},
                              {"least_scale", 1.0},
                              {"largest_scale", 1.0},
                              {"largest_abs_bias", 0.25}}}}};
  EXPECT_EQ(AlignmentReportToJson(alignment, options), want);
  EXPECT_THAT(FormatAlignmentReport(alignment, options),
              AllOf(HasSubstr("exact, full\n"), HasSubstr("0.5..2"),
                    HasSubstr("none")));
  options.set_alignment_mode(AlignOptions::PUBLISHED);
  options.set_alignment_parts(AlignOptions::MAGNITUDE);
  EXPECT_EQ(AlignmentReportToJson(alignment, options)["alignment_mode"],
            "published");
  EXPECT_THAT(FormatAlignmentReport(alignment, options),
              HasSubstr("published, magnitude\n"));
}

}  // namespace

}  // namespace moe::align
