#include "moe/checkpoint/artifact/importance_scores.h"

#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/checkpoint/artifact/artifact_tensors.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/artifact/testing/example_artifacts.h"
#include "moe/checkpoint/safetensors_file.h"

namespace moe::checkpoint {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Key;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

using ::moe::checkpoint::testing::ExampleImportanceScores;

constexpr ImportanceScoresShape kShape = {2, 2, 4};

TEST(ImportanceScoresTest, RoundTrips) {
  const ImportanceScores scores = ExampleImportanceScores(true);
  const HostTensors tensors = scores.ToTensors();
  EXPECT_THAT(tensors,
              ElementsAre(Key("layers.0"), Key("layers.0.token_count"),
                          Key("layers.1"), Key("layers.1.token_count")));
  EXPECT_THAT(ImportanceScores::FromTensors(tensors), IsOkAndHolds(scores));
  MOE_EXPECT_OK(ValidateImportanceScores(scores, kShape, "p"));
}

TEST(ImportanceScoresTest, TokenCountsMayBeAbsent) {
  const ImportanceScores scores = ExampleImportanceScores(false);
  EXPECT_THAT(ImportanceScores::FromTensors(scores.ToTensors()),
              IsOkAndHolds(scores));
  // The .pt structure has no place for them.
  EXPECT_THAT(ImportanceScores::FromPt(ExampleImportanceScores(true).ToPt()),
              IsOkAndHolds(scores));
  MOE_EXPECT_OK(ValidateImportanceScores(scores, kShape, "p"));
}

TEST(ImportanceScoresTest, RefusesMissingAndExtra) {
  HostTensors tensors = ExampleImportanceScores(true).ToTensors();
  tensors.erase("layers.0");
  EXPECT_THAT(
      ImportanceScores::FromTensors(tensors),
      StatusIs(kInvalid, HasSubstr("expected the tensor \"layers.0\"")));
  tensors = ExampleImportanceScores(true).ToTensors();
  tensors["layers.0.count"] = tensors.at("layers.0");
  EXPECT_THAT(ImportanceScores::FromTensors(tensors),
              StatusIs(kInvalid, HasSubstr("\"layers.0.count\"")));
}

TEST(ImportanceScoresTest, RefusesRaggedClusters) {
  PtDict clusters;
  clusters.Add(int64_t{0}, {FloatTensor({1.0f, 2.0f}, {2})});
  clusters.Add(int64_t{1}, {FloatTensor({1.0f}, {1})});
  PtDict layers;
  layers.Add(int64_t{0}, {clusters});
  EXPECT_THAT(
      ImportanceScores::FromPt({layers}),
      StatusIs(kInvalid,
               HasSubstr("[0][1]: expected 2 scores, as before, found 1")));
}

TEST(ImportanceScoresTest, RefusesWhatDoesNotFit) {
  const ImportanceScores scores = ExampleImportanceScores(true);
  EXPECT_THAT(
      ValidateImportanceScores(scores, {1, 2, 4}, "p"),
      StatusIs(kInvalid, HasSubstr("p: expected num_layers 1, found 2")));
  EXPECT_THAT(
      ValidateImportanceScores(scores, {2, 3, 4}, "p"),
      StatusIs(kInvalid,
               HasSubstr("layers.0: expected num_clusters 3, found 2")));
  EXPECT_THAT(
      ValidateImportanceScores(scores, {2, 2, 5}, "p"),
      StatusIs(kInvalid, HasSubstr("expected intermediate_size 5, found 4")));
}

TEST(ImportanceScoresTest, RefusesBadValues) {
  ImportanceScores scores = ExampleImportanceScores(true);
  scores.layers[1].scores.values()[6] = kInfinity;
  EXPECT_THAT(
      ValidateImportanceScores(scores, kShape, "p"),
      StatusIs(
          kInvalid,
          HasSubstr("layers.1[1, 2]: expected a finite value, found inf")));
  scores = ExampleImportanceScores(true);
  scores.layers[1].token_count = {3, -1};
  EXPECT_THAT(
      ValidateImportanceScores(scores, kShape, "p"),
      StatusIs(
          kInvalid,
          HasSubstr("layers.1.token_count[1]: expected 0 or more, found -1")));
  scores.layers[1].token_count = {3};
  EXPECT_THAT(ValidateImportanceScores(scores, kShape, "p"),
              StatusIs(kInvalid, HasSubstr("layers.1.token_count: ")));
}

}  // namespace
}  // namespace moe::checkpoint
