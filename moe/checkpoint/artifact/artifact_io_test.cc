#include "moe/checkpoint/artifact/artifact_io.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/artifact/importance_scores.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/checkpoint/artifact/scale_factors.h"
#include "moe/checkpoint/artifact/testing/example_artifacts.h"
#include "moe/checkpoint/safetensors_file.h"

namespace moe::checkpoint {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr uint64_t kMaxBytes = 1 << 20;

ArtifactMetadata Metadata() { return {"1.0", "a_step", "abc", 42}; }

template <typename Artifact>
Artifact Example();
template <>
GateWeights Example() {
  return testing::ExampleGateWeights();
}
template <>
ImportanceScores Example() {
  return testing::ExampleImportanceScores(/*token_count=*/false);
}
template <>
NeuronIndices Example() {
  return testing::ExampleNeuronIndices(/*residual=*/true);
}
template <>
Distribution Example() {
  return testing::ExampleDistribution();
}
template <>
ScaleFactors Example() {
  return testing::ExampleScaleFactors();
}

template <typename Artifact>
class ArtifactIoTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& directory, const std::string& suffix) {
    return absl::StrCat(directory_.Path(directory), "/", Artifact::kName,
                        suffix);
  }
  absl::Status Write(const std::string& directory, const Artifact& artifact,
                     bool overwrite = false) {
    return WriteArtifact(artifact, Metadata(), directory_.Path(directory),
                         {.pt = true, .overwrite = overwrite});
  }

  const TempDirectory directory_;
};

using Artifacts = ::testing::Types<GateWeights, ImportanceScores, NeuronIndices,
                                   Distribution, ScaleFactors>;
TYPED_TEST_SUITE(ArtifactIoTest, Artifacts);

TYPED_TEST(ArtifactIoTest, BothFormatsHoldTheSame) {
  const TypeParam artifact = Example<TypeParam>();
  MOE_ASSERT_OK(this->Write("a", artifact));
  EXPECT_THAT(ReadArtifact<TypeParam>(this->Path("a", ".safetensors")),
              IsOkAndHolds(artifact));
  EXPECT_THAT(ReadArtifact<TypeParam>(this->Path("a", ".pt")),
              IsOkAndHolds(artifact));
}

TYPED_TEST(ArtifactIoTest, WriteReadWriteGivesTheSameBytes) {
  MOE_ASSERT_OK(this->Write("a", Example<TypeParam>()));
  for (const std::string suffix : {".safetensors", ".pt"}) {
    MOE_ASSERT_OK_AND_ASSIGN(const TypeParam read,
                             ReadArtifact<TypeParam>(this->Path("a", suffix)));
    MOE_ASSERT_OK(this->Write("b", read, /*overwrite=*/true));
    MOE_ASSERT_OK_AND_ASSIGN(
        const std::string bytes,
        base::ReadFile(this->Path("a", suffix), kMaxBytes));
    EXPECT_THAT(base::ReadFile(this->Path("b", suffix), kMaxBytes),
                IsOkAndHolds(bytes));
  }
}

TYPED_TEST(ArtifactIoTest, MetadataIsFixed) {
  MOE_ASSERT_OK(this->Write("a", Example<TypeParam>()));
  MOE_ASSERT_OK_AND_ASSIGN(
      const SafetensorsFile file,
      SafetensorsFile::Open(this->Path("a", ".safetensors")));
  EXPECT_THAT(file.metadata(),
              ElementsAre(Pair("artifact", std::string(TypeParam::kName)),
                          Pair("seed", "42"), Pair("spec_digest", "abc"),
                          Pair("step", "a_step"), Pair("tool_version", "1.0")));
}

TYPED_TEST(ArtifactIoTest, ExistingFilesAreLeftAlone) {
  for (const std::string suffix : {".safetensors", ".pt"}) {
    const std::string there =
        absl::StrCat("dir", suffix, "/", std::string(TypeParam::kName), suffix);
    this->directory_.Write(there, "mine");
    const std::string directory = absl::StrCat("dir", suffix);
    EXPECT_THAT(this->Write(directory, Example<TypeParam>()),
                StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(suffix)));
    EXPECT_THAT(base::ReadFile(this->directory_.Path(there), kMaxBytes),
                IsOkAndHolds(std::string("mine")));
    EXPECT_NE(
        ReadArtifact<TypeParam>(
            this->Path(directory, suffix == ".pt" ? ".safetensors" : ".pt"))
            .status()
            .code(),
        absl::StatusCode::kOk);
    MOE_EXPECT_OK(this->Write(directory, Example<TypeParam>(), true));
  }
}

TYPED_TEST(ArtifactIoTest, TruncatedFilesAreRefusedWithTheirPath) {
  MOE_ASSERT_OK(this->Write("a", Example<TypeParam>()));
  for (const std::string suffix : {".safetensors", ".pt"}) {
    MOE_ASSERT_OK_AND_ASSIGN(
        const std::string bytes,
        base::ReadFile(this->Path("a", suffix), kMaxBytes));
    for (const size_t size : {size_t{0}, size_t{3}, size_t{4}, size_t{9},
                              bytes.size() / 2, bytes.size() - 1}) {
      const std::string path =
          this->directory_.Write("cut" + suffix, bytes.substr(0, size));
      EXPECT_THAT(ReadArtifact<TypeParam>(path),
                  StatusIs(absl::StatusCode::kDataLoss, HasSubstr(path)))
          << size;
    }
  }
}

TEST(ArtifactIoKindTest, AnotherKindIsRefusedByName) {
  const TempDirectory directory;
  MOE_ASSERT_OK(WriteArtifact(Example<ScaleFactors>(), Metadata(),
                              directory.path(), {.pt = true}));
  EXPECT_THAT(
      ReadArtifact<Distribution>(directory.Path("scale_factors.safetensors")),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr(directory.path()),
                     HasSubstr("expected the artifact \"distribution\", "
                               "found \"scale_factors\""))));
  EXPECT_THAT(ReadArtifact<Distribution>(directory.Path("scale_factors.pt")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("as distribution: ")));
}

TEST(ArtifactIoKindTest, AFileWithoutAKindIsTakenByItsNames) {
  const TempDirectory directory;
  const std::string path = directory.Path("made_elsewhere.safetensors");
  MOE_ASSERT_OK(WriteSafetensorsFile(path, Example<GateWeights>().ToTensors(),
                                     {}, false));
  EXPECT_THAT(ReadArtifact<GateWeights>(path),
              IsOkAndHolds(Example<GateWeights>()));
  EXPECT_THAT(ReadArtifact<ScaleFactors>(path),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("found \"layers.0\"")));
}

TEST(ArtifactIoKindTest, WithoutPtThereIsNone) {
  const TempDirectory directory;
  MOE_ASSERT_OK(
      WriteArtifact(Example<GateWeights>(), Metadata(), directory.path(), {}));
  EXPECT_THAT(directory.List(), ElementsAre("gate_weights.safetensors"));
}

TEST(ArtifactIoKindTest, NoStalePtStaysBesideANewSafetensorsFile) {
  const TempDirectory directory;
  directory.Write("gate_weights.pt", "stale");
  EXPECT_THAT(
      WriteArtifact(Example<GateWeights>(), Metadata(), directory.path(), {}),
      StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(".pt")));
  EXPECT_THAT(directory.List(), ElementsAre("gate_weights.pt"));
  MOE_ASSERT_OK(WriteArtifact(Example<GateWeights>(), Metadata(),
                              directory.path(), {.overwrite = true}));
  EXPECT_THAT(directory.List(), ElementsAre("gate_weights.safetensors"));
}

TEST(ArtifactIoKindTest, AFailureLeavesNoStalePt) {
  for (const bool pt : {false, true}) {
    const TempDirectory directory;
    directory.Write("gate_weights.pt", "stale");
    // A directory with something in it cannot be replaced by a file.
    directory.Write("gate_weights.safetensors/mine", "mine");
    EXPECT_FALSE(WriteArtifact(Example<GateWeights>(), Metadata(),
                               directory.path(), {.pt = pt, .overwrite = true})
                     .ok());
    EXPECT_THAT(directory.List(), ElementsAre("gate_weights.safetensors"));
  }
}

TEST(ArtifactIoKindTest, ADirectoryIsNoStalePt) {
  const TempDirectory directory;
  const std::string mine = directory.Write("gate_weights.pt/mine", "mine");
  EXPECT_THAT(WriteArtifact(Example<GateWeights>(), Metadata(),
                            directory.path(), {.pt = true, .overwrite = true}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("gate_weights.pt: expected a file")));
  EXPECT_THAT(base::ReadFile(mine, kMaxBytes),
              IsOkAndHolds(std::string("mine")));
  EXPECT_THAT(directory.List(), ElementsAre("gate_weights.pt"));
}

TEST(ArtifactIoKindTest, MissingAndOldFiles) {
  const TempDirectory directory;
  EXPECT_THAT(ReadArtifact<GateWeights>(directory.Path("none.pt")),
              StatusIs(absl::StatusCode::kNotFound));
  const std::string legacy =
      directory.Write("old.pt", "\x80\x02\x8a\x0al\xfc\x9c\x46");
  EXPECT_THAT(ReadArtifact<GateWeights>(legacy),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("old.pt")));
}

}  // namespace

namespace {

using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
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
              Refuses("expected a part of distribution"));
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
  EXPECT_THAT(Check({}), Refuses("expected parts to merge, found none"));
  EXPECT_THAT(Check({zero, two}),
              Refuses("expected 3 parts, found 2: shard 1 is missing"));
  EXPECT_THAT(Check({zero, one, zero}), Refuses("found shard 0 of 3 in both"));
  EXPECT_THAT(Check({zero, Write(Part(2, 1), other)}),
              Refuses("found one of 3 shards and one of 2"));
  ArtifactPart part = Part(3, 1);
  part.inputs_digest[5] = 'b';
  EXPECT_THAT(Check({zero, Write(part, other), two}),
              Refuses("found different inputs"));
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
  EXPECT_THAT(Check({path}), Refuses("does not say what it holds"));
  write({{"artifact", "importance_scores"}});
  EXPECT_THAT(Check({path}), Refuses("found \"importance_scores\""));
  SafetensorsMetadata metadata = {{"artifact", "importance_scores part"},
                                  {"inputs_digest", "a"},
                                  {"num_shards", "2"},
                                  {"seed", "0"},
                                  {"shard", "2"},
                                  {"spec_digest", ""},
                                  {"step", "s"},
                                  {"tool_version", "1"}};
  write(metadata);
  EXPECT_THAT(Check({path}),
              Refuses("metadata: shard: expected 0 to 1, found 2"));
  metadata["shard"] = "two";
  write(metadata);
  EXPECT_THAT(Check({path}),
              Refuses("metadata: shard: expected a number, found \"two\""));
  metadata.erase("shard");
  write(metadata);
  EXPECT_THAT(Check({path}),
              Refuses("metadata: expected \"shard\", found none"));
}

}  // namespace
}  // namespace moe::checkpoint
