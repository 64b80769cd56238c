#include "moe/evaluate/checkpoint_diff.h"

#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/options/options.h"
#include "moe/base/progress.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"
#include "moe/evaluate/diff_options.pb.h"

namespace moe {
namespace {

using ::moe::testing::IsOk;
using ::moe::testing::StatusIs;
using ::moe::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kGqa[] = "testdata/llama_gqa_bf16";

// Tensors in memory, of which any can fail to be read.
class FakeSource : public TensorSource {
 public:
  explicit FakeSource(HostTensors tensors)
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

HostTensor Floats(Shape shape, const std::vector<float>& values) {
  return {Dtype::kF32, std::move(shape),
          std::string(reinterpret_cast<const char*>(values.data()),
                      values.size() * sizeof(float))};
}

absl::StatusOr<std::vector<TensorDiff>> Diff(const FakeSource& a,
                                             const FakeSource& b,
                                             const DiffOptions& options = {}) {
  ThreadPool pool(2);
  Progress progress(Progress::Style::kSilent, {});
  return DiffTensors(a, b, options, pool, progress);
}

absl::StatusOr<CheckpointDiff> DiffPaths(const std::string& a,
                                         const std::string& b,
                                         const DiffOptions& options = {}) {
  ThreadPool pool(2);
  Progress progress(Progress::Style::kSilent, {});
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
  HostTensor other = Floats({1}, {1});
  other.dtype = Dtype::kI32;
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
  EXPECT_THAT(CheckOptions(options), IsOk());
  options.set_rtol(-1.0);
  EXPECT_THAT(CheckOptions(options),
              invalid("rtol: expected 0 or more, found -1"));
  options.set_rtol(std::numeric_limits<double>::quiet_NaN());
  EXPECT_THAT(CheckOptions(options), invalid("rtol is nan;"));
  options.clear_rtol();
  options.set_atol(std::numeric_limits<double>::infinity());
  EXPECT_THAT(CheckOptions(options), invalid("atol is inf;"));
  options.clear_atol();
  options.set_max_ulp(-3);
  EXPECT_THAT(CheckOptions(options),
              invalid("max_ulp: expected 0 or more, found -3"));
}

TEST(DiffJsonTest, ComparesLeavesByName) {
  const Json a = Json::parse(
      R"({"n": 1, "rope": {"type": "linear", "factor": 2}, "gone": null})");
  const Json b = Json::parse(
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
  const HostTensors tensors = {{"w", Floats({1}, {1})}};
  for (const std::string name : {"a", "b"}) {
    directory.Write(name + "/config.json",
                    name == "a" ? "{\"n\": 1}" : "{\"n\": 2}");
    MOE_ASSERT_OK(WriteSafetensorsFile(
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

}  // namespace
}  // namespace moe
