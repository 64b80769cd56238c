#include "moe/reconstruct/reconstructed_checkpoint.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/directory_manifest.h"
#include "moe/base/file_system.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/testing/tiny_checkpoint.h"
#include "moe/model/layer/checkpoint_weights.h"
#include "moe/model/walk/testing/walk_fixture.h"
#include "moe/reconstruct/refitted_weights.h"
#include "moe/reconstruct/testing/converted_case.h"

namespace moe::reconstruct {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::moe::convert::testing::ReadTensors;
using ::moe::model::testing::WalkMachine;
using ::moe::reconstruct::testing::kDenseF32;
using ::moe::reconstruct::testing::WriteConverted;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Key;

class ReconstructedCheckpointTest : public ::testing::Test {
 protected:
  ReconstructedCheckpointTest() { WriteConverted({}, from_); }

  // Replaces the matrix by its bytes in reverse order of their elements.
  void Refit(const checkpoint::Checkpoint& from,
             const checkpoint::TensorName& name) {
    std::string bytes = model::ReadWeight(from, name).value().bytes;
    std::string turned;
    for (size_t end = bytes.size(); end > 0; end -= sizeof(float)) {
      turned += bytes.substr(end - sizeof(float), sizeof(float));
    }
    ASSERT_NE(turned, bytes);
    MOE_ASSERT_OK(weights_.Put(name, turned));
    want_[checkpoint::FormatTensorName(name)] = turned;
  }

  absl::StatusOr<convert::WrittenCheckpoint> Write(
      const std::string& from, const convert::ConversionOutput& output) {
    WalkMachine machine;
    return WriteReconstructedCheckpoint(
        checkpoint::Checkpoint::Open(from).value(), weights_, output,
        {machine.pool, machine.progress});
  }

  // Every file's bytes by its name.
  static std::map<std::string, std::string> FilesOf(
      const std::string& directory) {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      files[entry.path().filename().string()] =
          base::ReadFile(entry.path().string(), uint64_t{1} << 30).value();
    }
    return files;
  }

  // The files in either that are not in both with the same bytes.
  static std::set<std::string> Differences(const std::string& a,
                                           const std::string& b) {
    const std::map<std::string, std::string> of_a = FilesOf(a),
                                             of_b = FilesOf(b);
    std::set<std::string> different;
    for (const auto& [name, bytes] : of_a) {
      const auto other = of_b.find(name);
      if (other == of_b.end() || other->second != bytes) different.insert(name);
    }
    for (const auto& [name, bytes] : of_b) {
      if (of_a.count(name) == 0) different.insert(name);
    }
    return different;
  }

  // Whether only the refitted tensors differ.
  void ExpectRefitted(const std::string& from, const std::string& to) {
    checkpoint::HostTensors want = ReadTensors(from);
    for (const auto& [name, bytes] : want_) want.at(name).bytes = bytes;
    EXPECT_EQ(ReadTensors(to), want);
  }

  const TempDirectory directory_;
  const std::string from_ = directory_.Path("from");
  const std::string to_ = directory_.Path("to");
  RefittedWeights weights_ =
      RefittedWeights::Create(directory_.path(), 1 << 20).value();
  std::map<std::string, std::string> want_;
};

TEST_F(ReconstructedCheckpointTest, OnlyTheRefittedMatricesDiffer) {
  const checkpoint::Checkpoint from =
      checkpoint::Checkpoint::Open(from_).value();
  std::set<std::string> shards;
  for (const checkpoint::TensorName& name :
       {checkpoint::TensorName{checkpoint::TensorKind::kExpertDown, 1, 3},
        checkpoint::TensorName{checkpoint::TensorKind::kResidualDown, 1}}) {
    Refit(from, name);
    shards.insert(
        base::SplitPath(model::LocateWeight(from, name).shard->path()).name);
  }
  MOE_ASSERT_OK_AND_ASSIGN(const convert::WrittenCheckpoint written,
                           Write(from_, {to_}));
  EXPECT_EQ(written.num_shards, 3);
  EXPECT_LT(shards.size(), 3u);
  MOE_EXPECT_OK(checkpoint::Checkpoint::Open(to_).status());
  ExpectRefitted(from_, to_);
  EXPECT_EQ(Differences(from_, to_), shards);
  EXPECT_THAT(FilesOf(to_), AllOf(Contains(Key("config.json")),
                                  Contains(Key("tokenizer.json")),
                                  Contains(Key("modeling_llama_moe.py"))));
}

// As of one with neurons removed.
TEST_F(ReconstructedCheckpointTest, ADenseCheckpointStaysDense) {
  const checkpoint::Checkpoint from =
      checkpoint::Checkpoint::Open(kDenseF32).value();
  Refit(from, {checkpoint::TensorKind::kMlpDown, 2});
  MOE_ASSERT_OK(Write(kDenseF32, {to_}).status());
  MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Checkpoint made,
                           checkpoint::Checkpoint::Open(to_));
  EXPECT_NE(made.dense_config(), nullptr);
  ExpectRefitted(kDenseF32, to_);
  // It gets the record of what was written.
  const checkpoint::TensorLocation down =
      model::LocateWeight(from, {checkpoint::TensorKind::kMlpDown, 2});
  EXPECT_THAT(Differences(kDenseF32, to_),
              ElementsAre(base::kManifestFile,
                          base::SplitPath(down.shard->path()).name));
}

TEST_F(ReconstructedCheckpointTest, CutsShardsOfTheGivenSize) {
  const checkpoint::Checkpoint from =
      checkpoint::Checkpoint::Open(from_).value();
  Refit(from, {checkpoint::TensorKind::kExpertDown, 1, 3});
  convert::ConversionOutput output = {to_};
  output.max_shard_bytes = 100000;
  MOE_ASSERT_OK_AND_ASSIGN(const convert::WrittenCheckpoint written,
                           Write(from_, output));
  EXPECT_GT(written.num_shards, 3);
  ExpectRefitted(from_, to_);
}

TEST_F(ReconstructedCheckpointTest, SaysBeforeTheWorkWhatIsInTheWay) {
  const checkpoint::Checkpoint from =
      checkpoint::Checkpoint::Open(from_).value();
  const auto check = [&](const std::string& path, bool overwrite = false) {
    return CheckReconstructedOutput(from, {path, overwrite});
  };
  MOE_EXPECT_OK(check(to_));
  // It leaves nothing behind.
  EXPECT_THAT(directory_.List(), ElementsAre("from"));
  EXPECT_THAT(check(from_, /*overwrite=*/true),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("never written to")));
  MOE_ASSERT_OK(Write(from_, {to_}).status());
  EXPECT_THAT(check(to_), StatusIs(absl::StatusCode::kAlreadyExists,
                                   HasSubstr("--overwrite")));
  MOE_EXPECT_OK(check(to_, /*overwrite=*/true));
  directory_.Write("to/mine.txt", "x");
  EXPECT_THAT(check(to_, /*overwrite=*/true),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("found also mine.txt")));
}

}  // namespace
}  // namespace moe::reconstruct
