#include "moe/checkpoint/artifact/artifact_io.h"

#include <cstdint>
#include <string>

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

namespace moe {
namespace {

using ::moe::testing::IsOkAndHolds;
using ::moe::testing::StatusIs;
using ::moe::testing::TempDirectory;
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
    MOE_ASSERT_OK_AND_ASSIGN(const std::string bytes,
                             ReadFile(this->Path("a", suffix), kMaxBytes));
    EXPECT_THAT(ReadFile(this->Path("b", suffix), kMaxBytes),
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
    EXPECT_THAT(ReadFile(this->directory_.Path(there), kMaxBytes),
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
    MOE_ASSERT_OK_AND_ASSIGN(const std::string bytes,
                             ReadFile(this->Path("a", suffix), kMaxBytes));
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
                     HasSubstr("holds the artifact \"scale_factors\", and "
                               "\"distribution\" was wanted"))));
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
                       HasSubstr("the tensor \"layers.0\"")));
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
                       HasSubstr("gate_weights.pt is a directory")));
  EXPECT_THAT(ReadFile(mine, kMaxBytes), IsOkAndHolds(std::string("mine")));
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
}  // namespace moe
