#include "moe/checkpoint/artifact/artifact_part.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/artifact/artifact_io.h"
#include "moe/checkpoint/artifact/importance_scores.h"
#include "moe/checkpoint/safetensors_file.h"

namespace moe {
namespace {

using ::moe::testing::StatusIs;
using ::moe::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

ArtifactPart Part(int64_t num_shards, int64_t shard) {
  return {"importance_scores",
          std::string(64, 'a'),
          num_shards,
          shard,
          {"1.0", "split_gradient_get_grads", "", 7},
          {{"layers.0", absl::StrCat("sums of ", shard)},
           {"loss", std::string("\0\xff", 2)}}};
}

std::string Write(const ArtifactPart& part, const TempDirectory& dir) {
  MOE_EXPECT_OK(WriteArtifactPart(part, dir.path(), /*overwrite=*/true));
  return PathOfPart(dir.path(), part.artifact, part.num_shards, part.shard);
}

auto Refuses(const char* text) {
  return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(text));
}

absl::Status Check(const std::vector<std::string>& paths) {
  return ForEachArtifactPart(
      paths, "importance_scores",
      [](const ArtifactPart&) { return absl::OkStatus(); });
}

TEST(ArtifactPartTest, ReadsWhatWasWritten) {
  const TempDirectory dir;
  const std::string path = Write(Part(4, 2), dir);
  EXPECT_EQ(path, absl::StrCat(dir.path(),
                               "/importance_scores.part-2-of-4.safetensors"));
  MOE_ASSERT_OK_AND_ASSIGN(const ArtifactPart read,
                           ReadArtifactPart(path, "importance_scores"));
  EXPECT_EQ(read, Part(4, 2));
  EXPECT_THAT(WriteArtifactPart(Part(4, 2), dir.path(), /*overwrite=*/false),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(path)));
  // A part is not taken for the artifact, nor for one of another.
  EXPECT_THAT(ReadArtifact<ImportanceScores>(path).status(),
              Refuses("importance_scores part"));
  EXPECT_THAT(ReadArtifactPart(path, "distribution").status(),
              Refuses("is no part of distribution"));
}

TEST(ArtifactPartTest, EveryPartOnceInTheGivenOrder) {
  const TempDirectory dir;
  std::vector<std::string> paths;
  for (const int64_t shard : {2, 0, 1}) {
    paths.push_back(Write(Part(3, shard), dir));
  }
  std::vector<int64_t> shards;
  MOE_EXPECT_OK(ForEachArtifactPart(paths, "importance_scores",
                                    [&](const ArtifactPart& part) {
                                      shards.push_back(part.shard);
                                      EXPECT_EQ(part, Part(3, part.shard));
                                      return absl::OkStatus();
                                    }));
  EXPECT_THAT(shards, ElementsAre(2, 0, 1));
  EXPECT_THAT(
      ForEachArtifactPart(paths, "importance_scores",
                          [](const ArtifactPart&) {
                            return absl::DataLossError("the body's");
                          }),
      StatusIs(absl::StatusCode::kDataLoss,
               AllOf(HasSubstr("the body's"), HasSubstr("part-2-of-3"))));
}

TEST(ArtifactPartTest, PartsThatAreNotOneSetAreRefused) {
  const TempDirectory dir, other;
  const std::string zero = Write(Part(3, 0), dir), one = Write(Part(3, 1), dir),
                    two = Write(Part(3, 2), dir);
  EXPECT_THAT(Check({}), Refuses("no parts"));
  EXPECT_THAT(Check({zero, two}),
              Refuses("shard 1 of 3 is missing: there are 2 parts"));
  EXPECT_THAT(Check({zero, one, zero}), Refuses("are both shard 0 of 3"));
  EXPECT_THAT(Check({zero, Write(Part(2, 1), other)}),
              Refuses("one of 3 shards, the other of 2"));
  ArtifactPart part = Part(3, 1);
  part.inputs_digest[5] = 'b';
  EXPECT_THAT(Check({zero, Write(part, other), two}),
              Refuses("made from different inputs"));
  part = Part(3, 1);
  part.metadata.seed = 8;
  EXPECT_THAT(Check({zero, Write(part, other), two}), Refuses("seeds"));
}

TEST(ArtifactPartTest, FilesThatAreNoPartsAreRefused) {
  const TempDirectory dir;
  const std::string path = absl::StrCat(dir.path(), "/file");
  const auto write = [&](const SafetensorsMetadata& metadata) {
    MOE_EXPECT_OK(WriteSafetensorsFile(path, {}, metadata, true));
  };
  write({});
  EXPECT_THAT(Check({path}), Refuses("does not say what it is"));
  write({{"artifact", "importance_scores"}});
  EXPECT_THAT(Check({path}), Refuses("holds \"importance_scores\""));
  SafetensorsMetadata metadata = {{"artifact", "importance_scores part"},
                                  {"inputs_digest", "a"},
                                  {"num_shards", "2"},
                                  {"seed", "0"},
                                  {"shard", "2"},
                                  {"spec_digest", ""},
                                  {"step", "s"},
                                  {"tool_version", "1"}};
  write(metadata);
  EXPECT_THAT(Check({path}), Refuses("its metadata say shard 2 of 2"));
  metadata["shard"] = "two";
  write(metadata);
  EXPECT_THAT(Check({path}), Refuses("is \"two\", which is no number"));
  metadata.erase("shard");
  write(metadata);
  EXPECT_THAT(Check({path}), Refuses("have no \"shard\""));
}

}  // namespace
}  // namespace moe
