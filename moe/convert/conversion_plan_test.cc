#include "moe/convert/conversion_plan.h"

#include <cfenv>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/file_system.h"
#include "moe/base/float_environment.h"
#include "moe/base/progress.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/companion_files.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/convert/piece_stream.h"
#include "moe/convert/testing/tiny_checkpoint.h"

namespace moe::convert {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::moe::convert::testing::ReadTensors;
using ::moe::convert::testing::TinyModel;
using ::moe::convert::testing::WriteTinyModel;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;

TEST(ModelCodeTest, IsTheFilesByteForByte) {
  const std::map<std::string, std::string> files = ModelCodeFiles();
  EXPECT_THAT(files, SizeIs(2));
  for (const auto& [name, text] : files) {
    MOE_ASSERT_OK_AND_ASSIGN(
        const std::string want,
        base::ReadFile(absl::StrCat("moe/convert/huggingface/", name),
                       uint64_t{1} << 20));
    EXPECT_EQ(text, want) << name;
  }
}

// config.json names them in auto_map.
TEST(ModelCodeTest, HasTheClassesThatConfigJsonNames) {
  const std::map<std::string, std::string> files = ModelCodeFiles();
  for (const char* name : {"LlamaMoeConfig", "PublishedLlamaMoeConfig"}) {
    EXPECT_THAT(files.at(checkpoint::kModelConfigurationFile),
                HasSubstr(absl::StrCat("\nclass ", name, "(")));
  }
  for (const char* name : {"LlamaMoeModel", "LlamaMoeForCausalLM",
                           "MixtralModel", "MixtralForCausalLM"}) {
    EXPECT_THAT(files.at(checkpoint::kModelCodeFile),
                HasSubstr(absl::StrCat("\nclass ", name, "(")));
  }
}

absl::StatusOr<Replacement> AsItIs(const checkpoint::TensorName& name,
                                   const checkpoint::TensorLocation& from) {
  return CopyAs(name, from);
}

TEST(ConversionPlanTest, WithoutChangesIsACopy) {
  const TempDirectory directory;
  TinyModel model;
  model.num_shards = 2;
  WriteTinyModel(model, directory.Path("from"));
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::Checkpoint from,
      checkpoint::Checkpoint::Open(directory.Path("from")));
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::string config,
      base::ReadFile(directory.Path("from/config.json"), 100000));
  MOE_ASSERT_OK_AND_ASSIGN(
      ConversionPlan plan,
      PlanConversion(from, {{checkpoint::kConfigFile, config}}, AsItIs));
  base::ThreadPool pool(2);
  base::Progress progress(base::Progress::Style::kSilent, {});
  MOE_ASSERT_OK_AND_ASSIGN(
      const WrittenCheckpoint written,
      WriteConversion(plan, from, {directory.Path("to")}, {pool, progress}));
  EXPECT_EQ(written.num_shards, 2);
  for (const char* name :
       {"config.json", "tokenizer.json", "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors", "model.safetensors.index.json"}) {
    MOE_ASSERT_OK_AND_ASSIGN(
        const std::string before,
        base::ReadFile(directory.Path("from/") + name, 1 << 20));
    MOE_ASSERT_OK_AND_ASSIGN(
        const std::string after,
        base::ReadFile(directory.Path("to/") + name, 1 << 20));
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

// Neither somebody's key nor a path of their machine gets into what is made.
TEST(ConversionPlanTest, CutsTheWeightsIntoShardsOfASize) {
  const TempDirectory directory;
  TinyModel model;
  model.num_shards = 2;
  WriteTinyModel(model, directory.Path("from"));
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::Checkpoint from,
      checkpoint::Checkpoint::Open(directory.Path("from")));
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::string config,
      base::ReadFile(directory.Path("from/config.json"), 100000));
  base::ThreadPool pool(2);
  base::Progress progress(base::Progress::Style::kSilent, {});
  // Larger than all of it, smaller than any tensor, and between.
  for (const int64_t max_bytes : {int64_t{1} << 40, int64_t{1}, int64_t{512}}) {
    const std::string to = directory.Path(absl::StrCat("to", max_bytes));
    MOE_ASSERT_OK_AND_ASSIGN(
        ConversionPlan plan,
        PlanConversion(from, {{checkpoint::kConfigFile, config}}, AsItIs));
    MOE_ASSERT_OK_AND_ASSIGN(
        const WrittenCheckpoint written,
        WriteConversion(plan, from, {.path = to, .max_shard_bytes = max_bytes},
                        {pool, progress}));
    MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Checkpoint cut,
                             checkpoint::Checkpoint::Open(to));
    ASSERT_EQ(cut.tensors().shards().size(), written.num_shards);
    for (const checkpoint::SafetensorsFile& shard : cut.tensors().shards()) {
      int64_t num_bytes = 0;
      for (const checkpoint::SafetensorsTensor& tensor : shard.tensors()) {
        num_bytes += NumBytes(tensor.spec);
      }
      EXPECT_TRUE(num_bytes <= max_bytes || shard.tensors().size() == 1u);
    }
    EXPECT_EQ(base::PathExists(to + "/model.safetensors"), max_bytes > 1 << 20);
    if (max_bytes == 1) {
      EXPECT_EQ(written.num_shards, written.num_tensors);
    }
    EXPECT_EQ(ReadTensors(to), ReadTensors(directory.Path("from")));
  }
}

TEST(ConversionPlanTest, CallsBackBeforeTheCheckpointIsThere) {
  const TempDirectory directory;
  WriteTinyModel({}, directory.Path("from"));
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::Checkpoint from,
      checkpoint::Checkpoint::Open(directory.Path("from")));
  MOE_ASSERT_OK_AND_ASSIGN(const ConversionPlan plan,
                           PlanConversion(from, {}, AsItIs));
  base::ThreadPool pool(1);
  base::Progress progress(base::Progress::Style::kSilent, {});
  int num_calls = 0;
  ConversionOutput output = {directory.Path("to")};
  output.before_commit = [&] {
    ++num_calls;
    EXPECT_FALSE(base::PathExists(directory.Path("to")));
  };
  MOE_EXPECT_OK(WriteConversion(plan, from, output, {pool, progress}).status());
  EXPECT_EQ(num_calls, 1);
  EXPECT_TRUE(base::PathExists(directory.Path("to")));
}

TEST(ConversionPlanTest, LeavesWhatIsPrivateBehind) {
  const TempDirectory directory;
  WriteTinyModel({}, directory.Path("from"));
  directory.Write("key", "secret");
  std::filesystem::create_symlink("../key", directory.Path("from/LICENSE-x"));
  directory.Write("from/LICENSE", "terms");
  directory.Write("from/tokenizer_config.json",
                  R"({"a": 1, "tokenizer_file": "/home/ann/t.json"})");
  MOE_ASSERT_OK(checkpoint::WriteSafetensorsFile(
      directory.Path("from/model.safetensors"),
      ReadTensors(directory.Path("from")),
      {{"format", "pt"}, {"source", "/home/ann"}}, /*overwrite=*/true));
  MOE_ASSERT_OK_AND_ASSIGN(
      std::string config,
      base::ReadFile(directory.Path("from/config.json"), 100000));
  config.insert(1, R"("_name_or_path": "/home/ann/model",)");
  directory.Write("from/config.json", config);
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::Checkpoint from,
      checkpoint::Checkpoint::Open(directory.Path("from")));
  MOE_ASSERT_OK_AND_ASSIGN(
      ConversionPlan plan,
      PlanConversion(from, {{checkpoint::kConfigFile, "{}"}}, AsItIs));
  base::ThreadPool pool(1);
  base::Progress progress(base::Progress::Style::kSilent, {});
  MOE_ASSERT_OK_AND_ASSIGN(
      const WrittenCheckpoint written,
      WriteConversion(plan, from, {directory.Path("to")}, {pool, progress}));
  std::vector<std::string> left;
  for (const checkpoint::LeftBehind& one : written.left_behind)
    left.push_back(one.name);
  EXPECT_THAT(left, ElementsAre("config.json: _name_or_path",
                                "model.safetensors: source", "LICENSE-x",
                                "tokenizer_config.json: tokenizer_file"));
  EXPECT_FALSE(base::PathExists(directory.Path("to/LICENSE-x")));
  EXPECT_TRUE(base::PathExists(directory.Path("to/LICENSE")));
  for (const auto& entry :
       std::filesystem::directory_iterator(directory.Path("to"))) {
    MOE_ASSERT_OK_AND_ASSIGN(const std::string bytes,
                             base::ReadFile(entry.path().string(), 1 << 20));
    EXPECT_THAT(bytes, Not(AnyOf(HasSubstr("/home/ann"), HasSubstr("secret"))))
        << entry.path();
  }
  MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::SafetensorsFile shard,
                           checkpoint::SafetensorsFile::Open(
                               directory.Path("to/model.safetensors")));
  EXPECT_THAT(shard.metadata(), ElementsAre(Pair("format", "pt")));
}

// inv_freq follows from the configuration; old exports have it.
TEST(ConversionPlanTest, LeavesDerivedBuffersOut) {
  const TempDirectory directory;
  WriteTinyModel({}, directory.Path("from"));
  checkpoint::HostTensors tensors = ReadTensors(directory.Path("from"));
  const checkpoint::HostTensors want = tensors;
  tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = {
      checkpoint::Dtype::kF32, {2}, std::string(8, 'x')};
  MOE_ASSERT_OK(
      checkpoint::WriteSafetensorsFile(directory.Path("from/model.safetensors"),
                                       tensors, {}, /*overwrite=*/true));
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::Checkpoint from,
      checkpoint::Checkpoint::Open(directory.Path("from")));
  MOE_ASSERT_OK_AND_ASSIGN(
      ConversionPlan plan,
      PlanConversion(from, {{checkpoint::kConfigFile, "{}"}}, AsItIs));
  base::ThreadPool pool(1);
  base::Progress progress(base::Progress::Style::kSilent, {});
  MOE_ASSERT_OK(
      WriteConversion(plan, from, {directory.Path("to")}, {pool, progress})
          .status());
  EXPECT_EQ(ReadTensors(directory.Path("to")), want);
}

// A shard in which nothing is left is not written.
// A tokenizer's code travels, but not over a file that the plan writes.
TEST(ConversionPlanTest, NamesInOneEntryWhatIsNoPartOfTheModel) {
  const TempDirectory directory;
  WriteTinyModel({}, directory.Path("from"));
  for (const char* name :
       {"README.md", "additional_chat_templates/rag.jinja",
        "additional_chat_templates/notes.txt", "original/params.json",
        "tokenization_fox.py", "tokenization_ours.py", "ours.py"}) {
    directory.Write(absl::StrCat("from/", name), "from");
  }
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::Checkpoint from,
      checkpoint::Checkpoint::Open(directory.Path("from")));
  MOE_ASSERT_OK_AND_ASSIGN(
      const ConversionPlan plan,
      PlanConversion(from,
                     {{"ours.py", "plan"}, {"tokenization_ours.py", "plan"}},
                     AsItIs));
  ASSERT_EQ(plan.left_behind.size(), 1u);
  EXPECT_EQ(plan.left_behind[0].name,
            "README.md, additional_chat_templates/notes.txt, original/");
  EXPECT_EQ(plan.checkpoint.copies.count("tokenization_fox.py"), 1u);
  EXPECT_EQ(plan.checkpoint.copies.count("tokenization_ours.py"), 0u);
  EXPECT_EQ(plan.checkpoint.contents.at("tokenization_ours.py"), "plan");
}

TEST(ConversionPlanTest, ChatTemplatesTravelInTheirFolder) {
  const TempDirectory directory;
  WriteTinyModel({}, directory.Path("from"));
  directory.Write("from/additional_chat_templates/rag.jinja", "rag");
  directory.Write("from/original/rag.jinja", "rag");
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::Checkpoint from,
      checkpoint::Checkpoint::Open(directory.Path("from")));
  MOE_ASSERT_OK_AND_ASSIGN(
      ConversionPlan plan,
      PlanConversion(from, {{checkpoint::kConfigFile, "{}"}}, AsItIs));
  base::ThreadPool pool(1);
  base::Progress progress(base::Progress::Style::kSilent, {});
  ConversionOutput output = {directory.Path("to")};
  // The second replaces the first, folder and all.
  for (output.overwrite = false;; output.overwrite = true) {
    MOE_ASSERT_OK_AND_ASSIGN(
        const WrittenCheckpoint written,
        WriteConversion(plan, from, output, {pool, progress}));
    ASSERT_EQ(written.left_behind.size(), 1u);
    EXPECT_EQ(written.left_behind[0].name, "original/");
    EXPECT_THAT(
        base::ReadFile(directory.Path("to/additional_chat_templates/rag.jinja"),
                       10),
        IsOkAndHolds("rag"));
    EXPECT_FALSE(base::PathExists(directory.Path("to/original")));
    if (output.overwrite) break;
  }
}

TEST(ConversionPlanTest, ATiedCopyIsNotWrittenTwice) {
  const TempDirectory directory;
  TinyModel model;
  model.tied = true;
  WriteTinyModel(model, directory.Path("from"));
  checkpoint::HostTensors tensors = ReadTensors(directory.Path("from"));
  const checkpoint::HostTensors written = tensors;
  tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"];
  MOE_ASSERT_OK(
      checkpoint::WriteSafetensorsFile(directory.Path("from/model.safetensors"),
                                       tensors, {}, /*overwrite=*/true));
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::Checkpoint from,
      checkpoint::Checkpoint::Open(directory.Path("from")));
  MOE_ASSERT_OK_AND_ASSIGN(
      ConversionPlan plan,
      PlanConversion(from, {{checkpoint::kConfigFile, "{}"}}, AsItIs));
  base::ThreadPool pool(1);
  base::Progress progress(base::Progress::Style::kSilent, {});
  MOE_ASSERT_OK(
      WriteConversion(plan, from, {directory.Path("to")}, {pool, progress})
          .status());
  EXPECT_EQ(ReadTensors(directory.Path("to")), written);
}

TEST(ConversionPlanTest, ATensorMayGoNowhere) {
  const TempDirectory directory;
  TinyModel model;
  model.num_shards = 2;
  WriteTinyModel(model, directory.Path("from"));
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::Checkpoint from,
      checkpoint::Checkpoint::Open(directory.Path("from")));
  const checkpoint::SafetensorsFile& kept = from.tensors().shards()[1];
  MOE_ASSERT_OK_AND_ASSIGN(
      const ConversionPlan plan,
      PlanConversion(from, {},
                     [&](const checkpoint::TensorName& name,
                         const checkpoint::TensorLocation& at) {
                       return at.shard == &kept ? AsItIs(name, at)
                                                : Replacement();
                     }));
  ASSERT_EQ(plan.checkpoint.shards.size(), 1);
  EXPECT_EQ(plan.checkpoint.shards[0].file_name,
            "model-00002-of-00002.safetensors");
  EXPECT_EQ(plan.pieces.size(), kept.tensors().size());
}

TEST(ConversionPlanTest, AnErrorOfTheConversionIsTheResult) {
  const TempDirectory directory;
  WriteTinyModel({}, directory.Path("from"));
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::Checkpoint from,
      checkpoint::Checkpoint::Open(directory.Path("from")));
  EXPECT_THAT(
      PlanConversion(
          from, {},
          [](const checkpoint::TensorName&,
             const checkpoint::TensorLocation&) -> absl::StatusOr<Replacement> {
            return absl::InvalidArgumentError("no");
          }),
      StatusIs(absl::StatusCode::kInvalidArgument, "no"));
}

TEST(ConversionPlanTest, IsMadeInTheRightModes) {
  const TempDirectory directory;
  WriteTinyModel({}, directory.Path("from"));
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::Checkpoint from,
      checkpoint::Checkpoint::Open(directory.Path("from")));
  std::fesetround(FE_UPWARD);
  const absl::Status status =
      PlanConversion(
          from, {},
          [](const checkpoint::TensorName& name,
             const checkpoint::TensorLocation& at)
              -> absl::StatusOr<Replacement> {
            MOE_RETURN_IF_ERROR(base::CheckFloatEnvironment("planning"));
            return CopyAs(name, at);
          })
          .status();
  base::SetFloatEnvironment();
  MOE_EXPECT_OK(status);
}

// Whatever is loaded while it is written.
TEST(ConversionPlanTest, NothingIsLeftOfWhatWasComputedInOtherModes) {
  const TempDirectory directory;
  WriteTinyModel({}, directory.Path("from"));
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::Checkpoint from,
      checkpoint::Checkpoint::Open(directory.Path("from")));
  MOE_ASSERT_OK_AND_ASSIGN(
      ConversionPlan plan,
      PlanConversion(from, {{checkpoint::kConfigFile, "{}"}}, AsItIs));
  const int64_t num_bytes = NumBytes(plan.pieces.back());
  plan.pieces.back() =
      GeneratedPiece{num_bytes, [num_bytes] {
                       std::fesetround(FE_UPWARD);
                       return std::string(static_cast<size_t>(num_bytes), '\0');
                     }};
  base::ThreadPool pool(1);
  base::Progress progress(base::Progress::Style::kSilent, {});
  const absl::Status status =
      WriteConversion(plan, from, {directory.Path("to")}, {pool, progress})
          .status();
  base::SetFloatEnvironment();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                               AllOf(HasSubstr("writing the checkpoint"),
                                     HasSubstr("rounding"))));
  EXPECT_THAT(directory.List(), ElementsAre("from"));
}

}  // namespace

}  // namespace moe::convert
