#include "moe/model/aten/aten_forward.h"

#include <ATen/Context.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/ignored_label.h"
#include "moe/base/memory_budget.h"
#include "moe/base/progress.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::model {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kFixtures[] = {"llama_gqa_bf16", "llama_mha_f32_sharded",
                                     "llama_headdim_f16"};

// A fixture and what transformers computes from it in float32.
struct Fixture {
  explicit Fixture(absl::string_view name)
      : checkpoint(checkpoint::Checkpoint::Open(absl::StrCat("testdata/", name))
                       .value()),
        goldens(checkpoint::ReadSafetensorsFile(
                    absl::StrCat("testdata/goldens/", name, ".safetensors"))
                    .value()) {}

  std::vector<int32_t> Ids(int sequence) const {
    const checkpoint::HostTensor& tensor =
        goldens.at(absl::StrCat("seq.", sequence, ".input_ids"));
    std::vector<int64_t> ids(static_cast<size_t>(tensor.shape[0]));
    std::memcpy(ids.data(), tensor.bytes.data(), tensor.bytes.size());
    return {ids.begin(), ids.end()};
  }
  std::vector<float> Floats(const std::string& name) const {
    const checkpoint::HostTensor& tensor = goldens.at(name);
    std::vector<float> values(tensor.bytes.size() / 4);
    checkpoint::WeightsToFloat(tensor.dtype, tensor.bytes,
                               absl::MakeSpan(values));
    return values;
  }

  checkpoint::Checkpoint checkpoint;
  checkpoint::HostTensors goldens;
};

struct Outputs {
  std::vector<float> losses;
  std::vector<float> logits;  // All sequences'.
};

absl::StatusOr<Outputs> Forward(const checkpoint::Checkpoint& checkpoint,
                                const text::TokenSequences& sequences,
                                const AtenOptions& options = {}) {
  base::Progress progress(base::Progress::Style::kSilent, {});
  Outputs outputs;
  AtenLogitsTap tap;
  tap.num_sequences = sequences.num_sequences();
  int64_t row = 0;
  tap.take = [&](const AtenLogits& logits) {
    EXPECT_EQ(row, sequences.offsets()[static_cast<size_t>(logits.sequence)] +
                       logits.first_position);
    for (int64_t r = 0; r < logits.rows.rows; ++r) {
      const absl::Span<const float> values = logits.rows.Row(r);
      outputs.logits.insert(outputs.logits.end(), values.begin(), values.end());
    }
    row += logits.rows.rows;
    return absl::OkStatus();
  };
  absl::StatusOr<std::vector<float>> losses =
      AtenForward(checkpoint, sequences, options, tap, progress);
  if (!losses.ok()) return losses.status();
  outputs.losses = *losses;
  return outputs;
}

double Sum(absl::Span<const float> losses) {
  return std::accumulate(losses.begin(), losses.end(), 0.0);
}

// Compares with the goldens of sequences [begin, end), computed together.
void ExpectGoldens(const Fixture& fixture, int begin, int end,
                   const Outputs& got, double tolerance_of_logits,
                   double tolerance_of_losses) {
  std::vector<float> want;
  size_t row = 0;
  for (int s = begin; s < end; ++s) {
    const std::vector<float> logits =
        fixture.Floats(absl::StrCat("seq.", s, ".logits"));
    want.insert(want.end(), logits.begin(), logits.end());
    const size_t length = fixture.Ids(s).size();
    const auto losses = absl::MakeConstSpan(got.losses).subspan(row, length);
    EXPECT_EQ(losses.back(), 0.0f);
    EXPECT_FALSE(std::signbit(losses.back()));
    if (length > 1) {
      EXPECT_NEAR(Sum(losses) / static_cast<double>(length - 1),
                  fixture.Floats(absl::StrCat("seq.", s, ".loss"))[0],
                  tolerance_of_losses);
    }
    row += length;
  }
  EXPECT_EQ(got.losses.size(), row);
  ASSERT_EQ(got.logits.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_NEAR(got.logits[i], want[i], tolerance_of_logits) << i;
  }
}

text::TokenSequences Together(const Fixture& fixture, int begin, int end) {
  text::TokenSequences sequences;
  for (int s = begin; s < end; ++s) {
    sequences.Append(fixture.Ids(s), fixture.Ids(s));
  }
  return sequences;
}

// testdata/README.md gives the tolerances of another implementation.
constexpr double kLogits = 2e-4, kLoss = 1e-5;

TEST(AtenForwardTest, IsTransformers) {
  for (const char* name : kFixtures) {
    SCOPED_TRACE(name);
    const Fixture fixture(name);
    MOE_ASSERT_OK_AND_ASSIGN(
        const Outputs all,
        Forward(fixture.checkpoint, Together(fixture, 0, 3)));
    ExpectGoldens(fixture, 0, 3, all, kLogits, kLoss);
    for (int s = 0; s < 3; ++s) {
      MOE_ASSERT_OK_AND_ASSIGN(
          const Outputs one,
          Forward(fixture.checkpoint, Together(fixture, s, s + 1)));
      ExpectGoldens(fixture, s, s + 1, one, kLogits, kLoss);
    }
  }
}

// Cuts the batches, and the chunks of logits, within and between sequences.
TEST(AtenForwardTest, TakesAnyNumberOfTokensAtOnce) {
  const Fixture fixture("llama_gqa_bf16");
  AtenOptions options;
  options.num_threads = 2;
  for (const int64_t tokens : {1, 18, 30}) {
    options.tokens_at_once = tokens;
    MOE_ASSERT_OK_AND_ASSIGN(
        const Outputs got,
        Forward(fixture.checkpoint, Together(fixture, 0, 3), options));
    ExpectGoldens(fixture, 0, 3, got, kLogits, kLoss);
  }
}

// Sequences of one length go through attention together.
TEST(AtenForwardTest, SequencesOfOneLengthKeepApart) {
  const Fixture fixture("llama_headdim_f16");
  const std::vector<int32_t> story = fixture.Ids(2);
  text::TokenSequences sequences, alone;
  for (const size_t begin : {0, 16, 32}) {
    const auto part = absl::MakeConstSpan(story).subspan(begin, 16);
    sequences.Append(part, part);
    if (begin == 16) alone.Append(part, part);
  }
  MOE_ASSERT_OK_AND_ASSIGN(const Outputs together,
                           Forward(fixture.checkpoint, sequences));
  MOE_ASSERT_OK_AND_ASSIGN(const Outputs one,
                           Forward(fixture.checkpoint, alone));
  for (size_t t = 0; t < 16; ++t) {
    EXPECT_NEAR(together.losses[16 + t], one.losses[t], 1e-5) << t;
  }
}

// bfloat16 rounds every factor to 8 bits: logits of up to 21 are off by tenths,
// the mean over tokens by less.
TEST(AtenForwardTest, BFloat16ProductsComeClose) {
  AtenOptions options;
  options.products = AtenProducts::kBFloat16;
  for (const char* name : kFixtures) {
    SCOPED_TRACE(name);
    const Fixture fixture(name);
    MOE_ASSERT_OK_AND_ASSIGN(
        const Outputs got,
        Forward(fixture.checkpoint, Together(fixture, 0, 3), options));
    ExpectGoldens(fixture, 0, 3, got, 0.5, 0.05);
  }
}

TEST(AtenForwardTest, LeavesIgnoredLabelsOut) {
  const Fixture fixture("llama_gqa_bf16");
  const std::vector<int32_t> ids = fixture.Ids(1);
  MOE_ASSERT_OK_AND_ASSIGN(
      const Outputs all, Forward(fixture.checkpoint, Together(fixture, 1, 2)));
  std::vector<int32_t> labels = ids;
  labels[3] = base::kIgnoredLabel;
  labels[8] = 7;  // A label need not be the token.
  text::TokenSequences sequences;
  sequences.Append(ids, labels);
  MOE_ASSERT_OK_AND_ASSIGN(const Outputs some,
                           Forward(fixture.checkpoint, sequences));
  for (size_t t = 0; t < ids.size(); ++t) {
    if (t == 2) {
      EXPECT_EQ(some.losses[t], 0.0f);
    } else if (t == 7) {
      EXPECT_NE(some.losses[t], all.losses[t]);
    } else {
      EXPECT_EQ(some.losses[t], all.losses[t]) << t;
    }
  }
}

TEST(AtenForwardTest, TapsTheFirstSequencesOnly) {
  const Fixture fixture("llama_gqa_bf16");
  base::Progress progress(base::Progress::Style::kSilent, {});
  int64_t rows = 0;
  AtenLogitsTap tap;
  tap.num_sequences = 2;
  tap.take = [&](const AtenLogits& logits) {
    EXPECT_LT(logits.sequence, 2);
    EXPECT_EQ(logits.rows.cols, 512);
    rows += logits.rows.rows;
    return absl::OkStatus();
  };
  const text::TokenSequences sequences = Together(fixture, 0, 3);
  MOE_EXPECT_OK(
      AtenForward(fixture.checkpoint, sequences, {}, tap, progress).status());
  EXPECT_EQ(rows, 1 + 17);
  tap.take = [](const AtenLogits&) { return absl::DataLossError("the tap's"); };
  EXPECT_THAT(AtenForward(fixture.checkpoint, sequences, {}, tap, progress),
              StatusIs(absl::StatusCode::kDataLoss, "the tap's"));
}

TEST(AtenForwardErrorsTest, NoTokensOrForeignOnes) {
  const Fixture fixture("llama_gqa_bf16");
  EXPECT_THAT(Forward(fixture.checkpoint, {}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("expected at least one sequence, found ")));
  text::TokenSequences sequences;
  sequences.Append({1, 2}, {1, 2});
  sequences.Append({1, 512}, {1, 2});
  EXPECT_THAT(Forward(fixture.checkpoint, sequences).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("sequence 1, position 1: expected a token id "
                                 "from 0 to 511, found 512; use the")));
  sequences = {};
  sequences.Append({1, 2}, {1, -1});
  EXPECT_THAT(Forward(fixture.checkpoint, sequences).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("sequence 0, position 1: expected a label "
                                 "from 0 to 511 or -100, found -1")));
}

TEST(AtenForwardErrorsTest, AWeightThatIsNotFinite) {
  text::TokenSequences sequences;
  sequences.Append({1, 2}, {1, 2});
  for (const char* name : {"value_nan", "value_infinity"}) {
    MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Checkpoint checkpoint,
                             checkpoint::Checkpoint::Open(
                                 absl::StrCat("testdata/malformed/", name)));
    EXPECT_THAT(
        Forward(checkpoint, sequences).status(),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 AllOf(HasSubstr("model.layers.0.self_attn.q_proj.weight"),
                       HasSubstr("NaN or infinity"))));
  }
}

TEST(AtenForwardTest, AsksTheMemoryBudget) {
  const Fixture fixture("llama_gqa_bf16");
  const text::TokenSequences sequences = Together(fixture, 0, 3);
  // The hidden states of 66 tokens; a layer's weights and the largest of them
  // as it is stored; activations of attention, of the MLP, and scores. The head
  // takes less: 2 * (512 * 128 + 66 * 512).
  constexpr int64_t kFloats = 66 * 128 +                           //
                              2 * 128 * 192 + 4 * 128 * 384 +      //
                              66 * (2 * 128 + 5 * 128 + 2 * 64) +  //
                              66 * 3 * (128 + 384) + 8 * 66 * 66;
  constexpr int64_t kBytes = 4 * kFloats;
  base::MemoryBudget enough(kBytes), little(kBytes - 1);
  AtenOptions options;
  options.memory_budget = &enough;
  MOE_EXPECT_OK(Forward(fixture.checkpoint, sequences, options).status());
  EXPECT_EQ(enough.reserved_bytes(), 0);
  options.memory_budget = &little;
  EXPECT_THAT(Forward(fixture.checkpoint, sequences, options).status(),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr(absl::StrCat("--memory_budget=", kBytes))));
}

TEST(AtenForwardErrorsTest, CudaWithoutADevice) {
  if (at::hasCUDA()) GTEST_SKIP() << "there is a CUDA device";
  const Fixture fixture("llama_gqa_bf16");
  AtenOptions options;
  options.device = AtenDevice::kCuda;
  EXPECT_THAT(
      Forward(fixture.checkpoint, Together(fixture, 0, 1), options).status(),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               HasSubstr("use --device=cpu")));
}

// The same goldens where there is a device.
TEST(AtenForwardTest, CudaIsTransformers) {
  if (!at::hasCUDA()) GTEST_SKIP() << "there is no CUDA device";
  AtenOptions options;
  options.device = AtenDevice::kCuda;
  for (const char* name : kFixtures) {
    SCOPED_TRACE(name);
    const Fixture fixture(name);
    MOE_ASSERT_OK_AND_ASSIGN(
        const Outputs got,
        Forward(fixture.checkpoint, Together(fixture, 0, 3), options));
    ExpectGoldens(fixture, 0, 3, got, kLogits, kLoss);
  }
}

}  // namespace
}  // namespace moe::model
