#include "moe/checkpoint/checkpoint_writer.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/directory_manifest.h"
#include "moe/base/file_system.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/fault_injecting_file_system.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/companion_files.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/safetensors_header.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint {
namespace {

using ::moe::base::testing::FaultInjectingFileSystem;
using ::moe::base::testing::IsOk;
using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Fault = FaultInjectingFileSystem::Fault;

// The plan that writes `checkpoint` as it is: same shards, same order, the
// companion files, config.json byte for byte.
absl::StatusOr<CheckpointPlan> PlanCopy(const Checkpoint& checkpoint) {
  CheckpointPlan plan;
  const std::string& directory = checkpoint.directory();
  for (const SafetensorsFile& shard : checkpoint.tensors().shards()) {
    ShardPlan shard_plan;
    shard_plan.file_name = base::SplitPath(shard.path()).name;
    shard_plan.metadata = shard.metadata();
    for (const SafetensorsTensor& tensor : shard.tensors()) {
      shard_plan.tensors.push_back(tensor.spec);
    }
    plan.shards.push_back(std::move(shard_plan));
  }
  plan.has_index = checkpoint.tensors().index().has_value();
  MOE_ASSIGN_OR_RETURN(
      plan.contents[kConfigFile],
      base::ReadFile(absl::StrCat(directory, "/", kConfigFile), 1 << 20));
  MOE_ASSIGN_OR_RETURN(CompanionCopies companions,
                       checkpoint.CompanionsToCopy());
  plan.copies = std::move(companions.copies);
  plan.contents.merge(companions.contents);
  return plan;
}

// Reads a checkpoint and writes it again, `piece_bytes` at a time.
absl::Status Rewrite(absl::string_view from, absl::string_view to,
                     CheckpointWriterOptions options, size_t piece_bytes) {
  MOE_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Open(from));
  MOE_ASSIGN_OR_RETURN(CheckpointPlan plan, PlanCopy(checkpoint));
  options.input_directory = std::string(from);
  MOE_ASSIGN_OR_RETURN(const std::unique_ptr<CheckpointWriter> writer,
                       CheckpointWriter::Create(to, std::move(plan), options));
  std::string piece;
  for (const SafetensorsFile& shard : checkpoint.tensors().shards()) {
    for (const SafetensorsTensor& tensor : shard.tensors()) {
      const uint64_t size = tensor.end - tensor.begin;
      for (uint64_t offset = 0; offset < size; offset += piece.size()) {
        piece.resize(std::min<uint64_t>(piece_bytes, size - offset));
        MOE_RETURN_IF_ERROR(shard.Read(tensor, offset, absl::MakeSpan(piece)));
        MOE_RETURN_IF_ERROR(writer->Append(piece));
      }
    }
  }
  return writer->Finish();
}

// The names in a checkpoint's directory, and in those in it, but that of its
// record.
std::vector<std::string> Files(absl::string_view directory) {
  const std::filesystem::path top{std::string(directory)};
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(top)) {
    if (entry.is_directory() ||
        entry.path().filename() == base::kManifestFile) {
      continue;
    }
    names.push_back(entry.path().lexically_relative(top).string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

void ExpectSameFiles(absl::string_view a, absl::string_view b) {
  const std::vector<std::string> names = Files(a);
  EXPECT_EQ(Files(b), names);
  for (const std::string& name : names) {
    MOE_ASSERT_OK_AND_ASSIGN(
        const std::string want,
        base::ReadFile(absl::StrCat(a, "/", name), 1 << 24));
    EXPECT_THAT(base::ReadFile(absl::StrCat(b, "/", name), 1 << 24),
                IsOkAndHolds(want))
        << name;
  }
}

TEST(CheckpointWriterTest, EveryFixtureIsWrittenBackByteForByte) {
  for (const char* name :
       {"llama_gqa_bf16", "llama_mha_f32_sharded", "llama_headdim_f16"}) {
    const TempDirectory directory;
    const std::string from = absl::StrCat("testdata/", name);
    MOE_ASSERT_OK(Rewrite(from, directory.Path("once"), {}, 100000));
    ExpectSameFiles(from, directory.Path("once"));
    MOE_ASSERT_OK(
        Rewrite(directory.Path("once"), directory.Path("twice"), {}, 4097));
    ExpectSameFiles(from, directory.Path("twice"));
  }
}

CheckpointPlan SmallPlan() {
  CheckpointPlan plan;
  plan.shards = {{"a.safetensors", {{"w", Dtype::kU8, {4}}}, {}},
                 {"b.safetensors", {{"none", Dtype::kU8, {0}}}, {}},
                 {"c.safetensors", {{"v", Dtype::kU8, {2}}}, {}}};
  plan.has_index = true;
  plan.contents = {{"config.json", "{}"}, {"model.py", "pass"}};
  return plan;
}

TEST(CheckpointWriterTest, ShardsWithoutDataAreWrittenToo) {
  const TempDirectory directory;
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::unique_ptr<CheckpointWriter> writer,
      CheckpointWriter::Create(directory.Path("out"), SmallPlan(), {}));
  MOE_ASSERT_OK(writer->Append("123"));
  EXPECT_THAT(writer->Append("45"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  MOE_ASSERT_OK(writer->Append("4"));
  EXPECT_THAT(writer->Finish(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                         HasSubstr("expected 2 more bytes")));
  MOE_ASSERT_OK(writer->Append("12"));
  EXPECT_THAT(writer->Append("3"), StatusIs(absl::StatusCode::kInvalidArgument,
                                            HasSubstr("after the last")));
  MOE_ASSERT_OK(writer->Finish());
  MOE_ASSERT_OK_AND_ASSIGN(const ShardedTensors tensors,
                           ShardedTensors::Open(directory.Path("out")));
  EXPECT_EQ(tensors.index()->total_size_bytes, 6);
  EXPECT_EQ(tensors.index()->total_parameters, 6);
  EXPECT_THAT(
      Files(directory.Path("out")),
      ElementsAre("a.safetensors", "b.safetensors", "c.safetensors",
                  "config.json", "model.py", "model.safetensors.index.json"));
}

TEST(CheckpointWriterTest, RefusesPlansThatAreMalformed) {
  const TempDirectory directory;
  const auto create = [&](CheckpointPlan plan) {
    return CheckpointWriter::Create(directory.Path("out"), std::move(plan), {});
  };
  CheckpointPlan same_tensor = SmallPlan();
  same_tensor.shards[2].tensors[0].name = "w";
  EXPECT_THAT(create(same_tensor),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("\"w\": expected it once in the plan")));
  CheckpointPlan too_large = SmallPlan();
  too_large.shards[0].tensors[0] = {"w", Dtype::kF32, {int64_t{1} << 62}};
  EXPECT_THAT(create(too_large), StatusIs(absl::StatusCode::kInvalidArgument,
                                          HasSubstr("overflows")));
  CheckpointPlan same_file = SmallPlan();
  same_file.contents["a.safetensors"] = "";
  EXPECT_THAT(create(same_file), StatusIs(absl::StatusCode::kInvalidArgument));
  CheckpointPlan no_index = SmallPlan();
  no_index.has_index = false;
  EXPECT_THAT(create(no_index), StatusIs(absl::StatusCode::kInvalidArgument,
                                         HasSubstr("no index")));
  CheckpointPlan absent_copy = SmallPlan();
  absent_copy.copies["tokenizer.json"] = directory.Path("absent");
  EXPECT_THAT(create(absent_copy), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(directory.List(), IsEmpty());
}

TEST(CheckpointWriterTest, KeepsAwayFromTheInput) {
  const TempDirectory directory;
  directory.Write("in/config.json", "{}");
  std::filesystem::create_directory_symlink(directory.Path("in"),
                                            directory.Path("link"));
  CheckpointWriterOptions options;
  options.overwrite = true;
  options.input_directory = directory.Path("in");
  for (const char* target : {"in", "in/", "./in", "in/sub", "in/sub/deeper",
                             "link", "link/sub", "x/../in", ""}) {
    EXPECT_THAT(
        CheckpointWriter::Create(directory.Path(target), SmallPlan(), options),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 HasSubstr("never written to")))
        << target;
  }
  EXPECT_THAT(
      CheckpointWriter::Create(directory.Path("in2"), SmallPlan(), options),
      IsOk());
  EXPECT_THAT(base::ListDirectory(directory.Path("in")),
              IsOkAndHolds(ElementsAre("config.json")));
}

TEST(CheckpointWriterTest, OverwritesItsOwnCheckpointsOnly) {
  const TempDirectory directory;
  constexpr char kFrom[] = "testdata/llama_gqa_bf16";
  directory.Write("home/letters.txt", "dear");
  std::filesystem::copy(kFrom, directory.Path("theirs"));
  MOE_ASSERT_OK(Rewrite(kFrom, directory.Path("trained"), {}, 1 << 20));
  directory.Write("trained/optimizer.pt", "");
  MOE_ASSERT_OK(Rewrite(kFrom, directory.Path("old"), {}, 1 << 20));
  CheckpointWriterOptions options;
  EXPECT_THAT(
      CheckpointWriter::Create(directory.Path("old"), SmallPlan(), options),
      StatusIs(absl::StatusCode::kAlreadyExists));
  options.overwrite = true;
  for (const char* name : {"home", "theirs", "trained"}) {
    EXPECT_THAT(
        CheckpointWriter::Create(directory.Path(name), SmallPlan(), options),
        StatusIs(absl::StatusCode::kFailedPrecondition,
                 AllOf(HasSubstr(name), HasSubstr("a checkpoint"))));
  }
  EXPECT_THAT(
      CheckpointWriter::Create(directory.Path("old"), SmallPlan(), options),
      IsOk());
}

TEST(CheckpointWriterTest, RefusesADeviceThatIsTooFull) {
  const TempDirectory directory;
  FaultInjectingFileSystem file_system;
  file_system.SetFreeBytes(1000);
  CheckpointWriterOptions options;
  options.file_system = &file_system;
  EXPECT_THAT(Rewrite("testdata/llama_gqa_bf16", directory.Path("out"), options,
                      1 << 20),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("1.78 MiB"), HasSubstr("1000 B"))));
  EXPECT_EQ(file_system.num_operations(), 0);
}

TEST(CheckpointWriterTest, EveryFaultLeavesNothingOrAWholeCheckpoint) {
  const TempDirectory source;
  std::filesystem::copy("testdata/llama_mha_f32_sharded", source.Path("model"));
  source.Write("model/additional_chat_templates/rag.jinja", "rag");
  const std::string from = source.Path("model");
  FaultInjectingFileSystem counting;
  const TempDirectory counted;
  CheckpointWriterOptions options;
  options.file_system = &counting;
  MOE_ASSERT_OK(Rewrite(from, counted.Path("out"), options, 1 << 16));
  ASSERT_GE(counting.num_operations(), 40);
  for (int64_t n = 0; n < counting.num_operations(); ++n) {
    const TempDirectory directory;
    FaultInjectingFileSystem file_system(Fault::kFailOnce, n);
    options.file_system = &file_system;
    const absl::Status status =
        Rewrite(from, directory.Path("out"), options, 1 << 16);
    if (base::PathExists(directory.Path("out"))) {
      ExpectSameFiles(from, directory.Path("out"));
    } else {
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
      EXPECT_THAT(directory.List(), IsEmpty());
    }
  }
}

}  // namespace
}  // namespace moe::checkpoint
