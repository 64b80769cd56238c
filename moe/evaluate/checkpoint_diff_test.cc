#include "moe/evaluate/checkpoint_diff.h"

#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/options/options.h"
#include "moe/base/progress.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"
#include "moe/evaluate/diff_options.pb.h"
#include "moe/evaluate/element_diff.h"

namespace moe::evaluate {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kGqa[] = "testdata/llama_gqa_bf16";

// Tensors in memory, of which any can fail to be read.
class FakeSource : public TensorSource {
 public:
  explicit FakeSource(checkpoint::HostTensors tensors)
      : TensorSource("fake", SourceKind::kSafetensors) {
    for (auto& [name, tensor] : tensors) {
      tensors_.push_back({{name, tensor.dtype, tensor.shape}, 0, 0});
      data_.push_back(tensor.bytes);
    }
  }

  absl::Status Read(size_t tensor, uint64_t offset_bytes,
                    absl::Span<char> out) const override {
    if (tensors_[tensor].spec.name == broken) {
      return absl::DataLossError("broken");
    }
    std::memcpy(out.data(), data_[tensor].data() + offset_bytes, out.size());
    return absl::OkStatus();
  }

  std::string broken;

 private:
  std::vector<std::string> data_;
};

checkpoint::HostTensor Floats(checkpoint::Shape shape,
                              const std::vector<float>& values) {
  return {checkpoint::Dtype::kF32, std::move(shape),
          std::string(reinterpret_cast<const char*>(values.data()),
                      values.size() * sizeof(float))};
}

absl::StatusOr<std::vector<TensorDiff>> Diff(const FakeSource& a,
                                             const FakeSource& b,
                                             const DiffOptions& options = {}) {
  base::ThreadPool pool(2);
  base::Progress progress(base::Progress::Style::kSilent, {});
  return DiffTensors(a, b, options, pool, progress);
}

absl::StatusOr<CheckpointDiff> DiffPaths(const std::string& a,
                                         const std::string& b,
                                         const DiffOptions& options = {}) {
  base::ThreadPool pool(2);
  base::Progress progress(base::Progress::Style::kSilent, {});
  return DiffCheckpoints(a, b, options, pool, progress);
}

auto HasStatus(absl::string_view name, TensorStatus status) {
  return AllOf(Field(&TensorDiff::name, std::string(name)),
               Field(&TensorDiff::status, status));
}

TEST(DiffTensorsTest, TellsEveryStatus) {
  const FakeSource a({{"w.10", Floats({2}, {1, 2})},
                      {"w.2", Floats({2}, {1, 2})},
                      {"dtype", Floats({1}, {1})},
                      {"only_a", Floats({1}, {1})},
                      {"shape", Floats({2}, {1, 2})}});
  checkpoint::HostTensor other = Floats({1}, {1});
  other.dtype = checkpoint::Dtype::kI32;
  const FakeSource b({{"w.10", Floats({2}, {1, 3})},
                      {"w.2", Floats({2}, {1, 2})},
                      {"dtype", other},
                      {"only_b", Floats({1}, {1})},
                      {"shape", Floats({2, 1}, {1, 2})}});
  MOE_ASSERT_OK_AND_ASSIGN(const auto diffs, Diff(a, b));
  EXPECT_THAT(diffs,
              ElementsAre(HasStatus("dtype", TensorStatus::kDtypeDiffers),
                          HasStatus("only_a", TensorStatus::kOnlyInA),
                          HasStatus("only_b", TensorStatus::kOnlyInB),
                          HasStatus("shape", TensorStatus::kShapeDiffers),
                          HasStatus("w.2", TensorStatus::kSame),
                          HasStatus("w.10", TensorStatus::kDiffers)));
  EXPECT_EQ(diffs.back().elements->max_abs_diff_at, 1);
}

TEST(DiffTensorsTest, WhatPassesIsClose) {
  const FakeSource a({{"w", Floats({2}, {1, 2})}});
  const FakeSource b({{"w", Floats({2}, {1, 2.5})}});
  DiffOptions options;
  options.set_atol(0.5);
  MOE_ASSERT_OK_AND_ASSIGN(const auto diffs, Diff(a, b, options));
  EXPECT_THAT(diffs, ElementsAre(HasStatus("w", TensorStatus::kClose)));
  EXPECT_EQ(diffs[0].elements->num_different, 1);
}

TEST(DiffTensorsTest, FindsADifferenceInTheLastOfManyPieces) {
  // 3 MiB and one element more.
  std::vector<float> values(3 * (1 << 18) + 1, 0.5f);
  const int64_t size = static_cast<int64_t>(values.size());
  const FakeSource a({{"w", Floats({size}, values)}});
  values.back() = 0.25f;
  const FakeSource b({{"w", Floats({size}, values)}});
  MOE_ASSERT_OK_AND_ASSIGN(const auto diffs, Diff(a, b));
  ASSERT_THAT(diffs, ElementsAre(HasStatus("w", TensorStatus::kDiffers)));
  EXPECT_EQ(diffs[0].elements->num_elements, size);
  EXPECT_EQ(diffs[0].elements->first_different, size - 1);
}

TEST(DiffTensorsTest, TensorsWithoutElementsAreTheSame) {
  const FakeSource a({{"w", Floats({0, 4}, {})}});
  MOE_ASSERT_OK_AND_ASSIGN(const auto diffs, Diff(a, a));
  EXPECT_THAT(diffs, ElementsAre(HasStatus("w", TensorStatus::kSame)));
}

TEST(DiffTensorsTest, PassesOnWhatReadingReports) {
  const FakeSource a({{"v", Floats({1}, {1})}, {"w", Floats({1}, {1})}});
  FakeSource b({{"v", Floats({1}, {1})}, {"w", Floats({1}, {1})}});
  b.broken = "w";
  EXPECT_THAT(Diff(a, b),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("broken")));
}

TEST(ValidateDiffOptionsTest, NamesTheField) {
  const auto invalid = [](absl::string_view field) {
    return StatusIs(absl::StatusCode::kInvalidArgument,
                    HasSubstr(std::string(field)));
  };
  DiffOptions options;
  EXPECT_THAT(base::CheckOptions(options), IsOk());
  options.set_rtol(-1.0);
  EXPECT_THAT(base::CheckOptions(options),
              invalid("rtol: expected 0 or more, found -1"));
  options.set_rtol(std::numeric_limits<double>::quiet_NaN());
  EXPECT_THAT(base::CheckOptions(options),
              invalid("rtol: expected 0 or more, found nan"));
  options.clear_rtol();
  options.set_atol(std::numeric_limits<double>::infinity());
  EXPECT_THAT(base::CheckOptions(options),
              invalid("atol: expected 0 or more, found inf"));
  options.clear_atol();
  options.set_max_ulp(-3);
  EXPECT_THAT(base::CheckOptions(options),
              invalid("max_ulp: expected 0 or more, found -3"));
}

TEST(DiffJsonTest, ComparesLeavesByName) {
  const base::Json a = base::Json::parse(
      R"({"n": 1, "rope": {"type": "linear", "factor": 2}, "gone": null})");
  const base::Json b = base::Json::parse(
      R"({"rope": {"factor": 2.0, "type": "llama3"}, "n": 1, "new": [1, 2]})");
  const auto diffs = DiffJson(a, b);
  ASSERT_EQ(diffs.size(), 3u);
  EXPECT_EQ(diffs[0].field, "rope.type");
  EXPECT_EQ(diffs[0].a, "\"linear\"");
  EXPECT_EQ(diffs[0].b, "\"llama3\"");
  EXPECT_EQ(diffs[1].field, "gone");
  EXPECT_EQ(diffs[1].a, "null");
  EXPECT_EQ(diffs[1].b, std::nullopt);
  EXPECT_EQ(diffs[2].field, "new");
  EXPECT_EQ(diffs[2].a, std::nullopt);
  EXPECT_EQ(diffs[2].b, "[1,2]");
}

TEST(DiffCheckpointsTest, ADirectoryIsTheSameAsItself) {
  MOE_ASSERT_OK_AND_ASSIGN(const CheckpointDiff diff, DiffPaths(kGqa, kGqa));
  EXPECT_TRUE(diff.Same());
  EXPECT_TRUE(diff.config_compared);
  // 9 tensors in each of 4 layers, embedding, norm and lm_head.
  EXPECT_EQ(diff.Count(TensorStatus::kSame), 39);
}

TEST(DiffCheckpointsTest, ADirectoryIsTheSameAsItsFile) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const CheckpointDiff diff,
      DiffPaths(kGqa, std::string(kGqa) + "/model.safetensors"));
  EXPECT_TRUE(diff.Same());
  EXPECT_FALSE(diff.config_compared);
}

TEST(DiffCheckpointsTest, OtherModelsDiffer) {
  MOE_ASSERT_OK_AND_ASSIGN(const CheckpointDiff diff,
                           DiffPaths(kGqa, "testdata/llama_mha_f32_sharded"));
  EXPECT_FALSE(diff.Same());
  // Layer 3 and lm_head: 9 + 1.
  EXPECT_EQ(diff.Count(TensorStatus::kOnlyInA), 10);
  EXPECT_EQ(diff.Count(TensorStatus::kOnlyInB), 0);
}

TEST(DiffCheckpointsTest, ConfigurationsCountUnlessIgnored) {
  const TempDirectory directory;
  const checkpoint::HostTensors tensors = {{"w", Floats({1}, {1})}};
  for (const std::string name : {"a", "b"}) {
    directory.Write(name + "/config.json",
                    name == "a" ? "{\"n\": 1}" : "{\"n\": 2}");
    MOE_ASSERT_OK(checkpoint::WriteSafetensorsFile(
        directory.Path(name + "/model.safetensors"), tensors, {}, false));
  }
  MOE_ASSERT_OK_AND_ASSIGN(CheckpointDiff diff,
                           DiffPaths(directory.Path("a"), directory.Path("b")));
  EXPECT_FALSE(diff.Same());
  ASSERT_EQ(diff.config.size(), 1u);
  EXPECT_EQ(diff.config[0].field, "n");
  DiffOptions options;
  options.set_ignore_config(true);
  MOE_ASSERT_OK_AND_ASSIGN(
      diff, DiffPaths(directory.Path("a"), directory.Path("b"), options));
  EXPECT_TRUE(diff.Same());
  EXPECT_FALSE(diff.config_compared);
}

TEST(DiffCheckpointsTest, NamesAPathThatDoesNotExist) {
  EXPECT_THAT(DiffPaths(kGqa, "testdata/no_such"),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("testdata/no_such does not exist")));
}

checkpoint::TensorSpec Spec(const std::string& name, checkpoint::Shape shape) {
  return {name, checkpoint::Dtype::kF32, std::move(shape)};
}

CheckpointDiff Sample() {
  CheckpointDiff diff;
  diff.a_path = "left";
  diff.b_path = "right";
  diff.config_compared = true;
  diff.config = {{"rope_theta", "1.0", std::nullopt}};
  ElementDiff elements;
  elements.num_elements = 6;
  elements.num_different = 2;
  elements.num_failed = 1;
  elements.first_different = 1;
  elements.max_abs_diff = 0.5;
  elements.max_abs_diff_at = 5;
  elements.a_at_max = 1.0;
  elements.b_at_max = 1.5;
  elements.max_ulp = 3;
  elements.ulp_histogram[0] = 1;
  elements.ulp_histogram[2] = 1;
  elements.sum_squared_diff = 0.25;
  elements.sum_squared_a = 25.0;
  const checkpoint::TensorSpec w = Spec("w", {2, 3});
  const checkpoint::TensorSpec x = Spec("x", {2});
  diff.tensors = {
      {"v", TensorStatus::kSame, w, w, std::nullopt},
      {"w", TensorStatus::kDiffers, w, w, elements},
      {"x", TensorStatus::kShapeDiffers, x, Spec("x", {2, 1}), std::nullopt},
      {"y", TensorStatus::kOnlyInA, x, std::nullopt, std::nullopt}};
  return diff;
}

// A name or value from a file makes no line of its own.
TEST(FormatDiffTest, ControlCharactersAreEscaped) {
  CheckpointDiff diff = Sample();
  diff.b_path = "ri\nght";
  diff.config = {{"a\x1b", "\"\u009b\"", std::nullopt}};
  diff.tensors = {{"w\nx\t\u202e", TensorStatus::kOnlyInA, Spec("w", {1}),
                   std::nullopt, std::nullopt}};
  EXPECT_THAT(
      FormatDiff(diff, 0),
      AllOf(HasSubstr("B: ri\\u000aght\n"),
            HasSubstr("  a\\u001b: A \"\\u009b\", B has no such field\n"),
            HasSubstr("  w\\u000ax\\u0009\\u202e  F32 [1]\n")));
}

TEST(FormatDiffTest, ListsWhatIsNotTheSame) {
  // Position 1 is [0, 1] of [2, 3], and 5 is [1, 2]; |A-B|/|A| is 0.5 / 5.
  EXPECT_EQ(FormatDiff(Sample(), 0),
            "A: left\n"
            "B: right\n"
            "config.json: 1 field differs\n"
            "  rope_theta: A 1.0, B has no such field\n"
            "tensors: 4; 1 same, 1 different, 1 of another shape, 1 only in A\n"
            "  differs    w  F32 [2, 3]\n"
            "      2 of 6 elements, 1 of them outside the tolerance; first at "
            "[0, 1]\n"
            "      largest |a-b| 0.5 at [1, 2] (a 1, b 1.5); |A-B|/|A| 0.1\n"
            "      ULP distance: count  0: 1,  2-3: 1\n"
            "  shape      x  A F32 [2], B F32 [2, 1]\n"
            "  only_in_a  y  F32 [2]\n"
            "A and B differ\n");
}

TEST(FormatDiffTest, StopsAtTheLimit) {
  EXPECT_THAT(FormatDiff(Sample(), 1),
              AllOf(HasSubstr("  differs    w"), Not(HasSubstr("  shape")),
                    HasSubstr("and 2 more; --max_listed=0 lists them all")));
}

TEST(FormatDiffTest, SaysWhetherATolerancePlayedAPart) {
  CheckpointDiff diff = Sample();
  diff.config.clear();
  diff.tensors.resize(2);
  diff.tensors[1].status = TensorStatus::kClose;
  EXPECT_THAT(FormatDiff(diff, 0),
              HasSubstr("A and B are the same within the tolerance\n"));
  diff.tensors.resize(1);
  EXPECT_THAT(FormatDiff(diff, 0), HasSubstr("A and B are the same\n"));
}

TEST(FormatDiffTest, SaysThatNoNameIsShared) {
  CheckpointDiff diff = Sample();
  const checkpoint::TensorSpec spec = Spec("x", {2});
  diff.tensors = {{"layers.0", TensorStatus::kOnlyInA, spec, {}, std::nullopt},
                  {"0", TensorStatus::kOnlyInB, {}, spec, std::nullopt}};
  EXPECT_THAT(FormatDiff(diff, 0), HasSubstr("A and B have no name in common"));
}

TEST(DiffToJsonTest, HoldsEverything) {
  const base::Json json = DiffToJson(Sample());
  EXPECT_EQ(json["same"], false);
  EXPECT_EQ(json["counts"]["same"], 1);
  EXPECT_EQ(json["config"].dump(), R"([{"field":"rope_theta","a":1.0}])");
  EXPECT_EQ(
      json["tensors"][1].dump(),
      R"({"name":"w","status":"differs","a":{"dtype":"F32","shape":[2,3]},)"
      R"("b":{"dtype":"F32","shape":[2,3]},"num_elements":6,)"
      R"("num_different":2,"num_failed":1,"first_different":[0,1],)"
      R"("num_not_finite":0,"max_abs_diff":0.5,"max_abs_diff_at":[1,2],)"
      R"("a_at_max":1.0,"b_at_max":1.5,"relative_norm":0.1,"max_ulp":3,)"
      R"("ulp_histogram":[{"first":0,"last":0,"count":1},)"
      R"({"first":2,"last":3,"count":1}]})");
  EXPECT_EQ(json["tensors"][3]["b"], nullptr);
}

}  // namespace

}  // namespace moe::evaluate
