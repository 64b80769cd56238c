#include "moe/evaluate/diff_report.h"

#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/tensor.h"
#include "moe/evaluate/checkpoint_diff.h"
#include "moe/evaluate/element_diff.h"

namespace moe {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TensorSpec Spec(const std::string& name, Shape shape) {
  return {name, Dtype::kF32, std::move(shape)};
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
  const TensorSpec w = Spec("w", {2, 3});
  const TensorSpec x = Spec("x", {2});
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
  const TensorSpec spec = Spec("x", {2});
  diff.tensors = {{"layers.0", TensorStatus::kOnlyInA, spec, {}, std::nullopt},
                  {"0", TensorStatus::kOnlyInB, {}, spec, std::nullopt}};
  EXPECT_THAT(FormatDiff(diff, 0), HasSubstr("A and B have no name in common"));
}

TEST(DiffToJsonTest, HoldsEverything) {
  const Json json = DiffToJson(Sample());
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
}  // namespace moe
