#include "moe/convert/conversion_plan.h"

#include <cfenv>
#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/float_environment.h"
#include "moe/base/progress.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/convert/tensor_piece.h"
#include "moe/convert/testing/tiny_checkpoint.h"

namespace moe {
namespace {

using ::moe::testing::ReadTensors;
using ::moe::testing::StatusIs;
using ::moe::testing::TempDirectory;
using ::moe::testing::TinyModel;
using ::moe::testing::WriteTinyModel;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<TensorGroup> AsItIs(const TensorName& name,
                                   const TensorLocation& from) {
  return CopyAs(name, from);
}

TEST(ConversionPlanTest, WithoutChangesIsACopy) {
  const TempDirectory directory;
  TinyModel model;
  model.num_shards = 2;
  WriteTinyModel(model, directory.Path("from"));
  MOE_ASSERT_OK_AND_ASSIGN(const Checkpoint from,
                           Checkpoint::Open(directory.Path("from")));
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::string config,
      ReadFile(directory.Path("from/config.json"), 100000));
  MOE_ASSERT_OK_AND_ASSIGN(
      ConversionPlan plan,
      PlanConversion(from, {{kConfigFile, config}}, AsItIs));
  ThreadPool pool(2);
  Progress progress(Progress::Style::kSilent, {});
  MOE_ASSERT_OK_AND_ASSIGN(
      const WrittenCheckpoint written,
      WriteConversion(plan, from, {directory.Path("to")}, {pool, progress}));
  EXPECT_EQ(written.num_shards, 2);
  for (const char* name :
       {"config.json", "tokenizer.json", "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors", "model.safetensors.index.json"}) {
    MOE_ASSERT_OK_AND_ASSIGN(const std::string before,
                             ReadFile(directory.Path("from/") + name, 1 << 20));
    MOE_ASSERT_OK_AND_ASSIGN(const std::string after,
                             ReadFile(directory.Path("to/") + name, 1 << 20));
    EXPECT_EQ(before, after) << name;
  }
  EXPECT_THAT(
      WriteConversion(plan, from, {directory.Path("to")}, {pool, progress}),
      StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("--overwrite")));
  MOE_EXPECT_OK(WriteConversion(plan, from,
                                {directory.Path("to"), /*overwrite=*/true},
                                {pool, progress})
                    .status());
  EXPECT_THAT(
      WriteConversion(plan, from, {directory.Path("from"), /*overwrite=*/true},
                      {pool, progress}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("never written to")));
}

// inv_freq follows from the configuration; old exports have it.
TEST(ConversionPlanTest, LeavesDerivedBuffersOut) {
  const TempDirectory directory;
  WriteTinyModel({}, directory.Path("from"));
  HostTensors tensors = ReadTensors(directory.Path("from"));
  const HostTensors want = tensors;
  tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = {
      Dtype::kF32, {2}, std::string(8, 'x')};
  MOE_ASSERT_OK(WriteSafetensorsFile(directory.Path("from/model.safetensors"),
                                     tensors, {}, /*overwrite=*/true));
  MOE_ASSERT_OK_AND_ASSIGN(const Checkpoint from,
                           Checkpoint::Open(directory.Path("from")));
  MOE_ASSERT_OK_AND_ASSIGN(ConversionPlan plan,
                           PlanConversion(from, {{kConfigFile, "{}"}}, AsItIs));
  ThreadPool pool(1);
  Progress progress(Progress::Style::kSilent, {});
  MOE_ASSERT_OK(
      WriteConversion(plan, from, {directory.Path("to")}, {pool, progress})
          .status());
  EXPECT_EQ(ReadTensors(directory.Path("to")), want);
}

// A shard in which nothing is left is not written.
TEST(ConversionPlanTest, ATensorMayGoNowhere) {
  const TempDirectory directory;
  TinyModel model;
  model.num_shards = 2;
  WriteTinyModel(model, directory.Path("from"));
  MOE_ASSERT_OK_AND_ASSIGN(const Checkpoint from,
                           Checkpoint::Open(directory.Path("from")));
  const SafetensorsFile& kept = from.tensors().shards()[1];
  MOE_ASSERT_OK_AND_ASSIGN(
      const ConversionPlan plan,
      PlanConversion(
          from, {}, [&](const TensorName& name, const TensorLocation& at) {
            return at.shard == &kept ? AsItIs(name, at) : TensorGroup();
          }));
  ASSERT_EQ(plan.checkpoint.shards.size(), 1);
  EXPECT_EQ(plan.checkpoint.shards[0].file_name,
            "model-00002-of-00002.safetensors");
  EXPECT_EQ(plan.pieces.size(), kept.tensors().size());
}

TEST(ConversionPlanTest, AnErrorOfTheConversionIsTheResult) {
  const TempDirectory directory;
  WriteTinyModel({}, directory.Path("from"));
  MOE_ASSERT_OK_AND_ASSIGN(const Checkpoint from,
                           Checkpoint::Open(directory.Path("from")));
  EXPECT_THAT(
      PlanConversion(from, {},
                     [](const TensorName&,
                        const TensorLocation&) -> absl::StatusOr<TensorGroup> {
                       return absl::InvalidArgumentError("no");
                     }),
      StatusIs(absl::StatusCode::kInvalidArgument, "no"));
}

TEST(ConversionPlanTest, IsMadeInTheRightModes) {
  const TempDirectory directory;
  WriteTinyModel({}, directory.Path("from"));
  MOE_ASSERT_OK_AND_ASSIGN(const Checkpoint from,
                           Checkpoint::Open(directory.Path("from")));
  std::fesetround(FE_UPWARD);
  const absl::Status status =
      PlanConversion(
          from, {},
          [](const TensorName& name,
             const TensorLocation& at) -> absl::StatusOr<TensorGroup> {
            MOE_RETURN_IF_ERROR(CheckFloatEnvironment("planning"));
            return CopyAs(name, at);
          })
          .status();
  SetFloatEnvironment();
  MOE_EXPECT_OK(status);
}

// Whatever is loaded while it is written.
TEST(ConversionPlanTest, NothingIsLeftOfWhatWasComputedInOtherModes) {
  const TempDirectory directory;
  WriteTinyModel({}, directory.Path("from"));
  MOE_ASSERT_OK_AND_ASSIGN(const Checkpoint from,
                           Checkpoint::Open(directory.Path("from")));
  MOE_ASSERT_OK_AND_ASSIGN(ConversionPlan plan,
                           PlanConversion(from, {{kConfigFile, "{}"}}, AsItIs));
  const int64_t num_bytes = NumBytes(plan.pieces.back());
  plan.pieces.back() =
      GeneratedPiece{num_bytes, [num_bytes] {
                       std::fesetround(FE_UPWARD);
                       return std::string(static_cast<size_t>(num_bytes), '\0');
                     }};
  ThreadPool pool(1);
  Progress progress(Progress::Style::kSilent, {});
  const absl::Status status =
      WriteConversion(plan, from, {directory.Path("to")}, {pool, progress})
          .status();
  SetFloatEnvironment();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                               AllOf(HasSubstr("writing the checkpoint"),
                                     HasSubstr("rounding"))));
  EXPECT_THAT(directory.List(), ElementsAre("from"));
}

}  // namespace
}  // namespace moe
