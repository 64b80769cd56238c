#include "tools/cli/nearest_name.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace moe::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(EditDistanceTest, CountsMistakes) {
  EXPECT_EQ(EditDistance("", ""), 0);
  EXPECT_EQ(EditDistance("", "abc"), 3);
  EXPECT_EQ(EditDistance("seed", "seed"), 0);
  EXPECT_EQ(EditDistance("sed", "seed"), 1);    // Left out.
  EXPECT_EQ(EditDistance("seeed", "seed"), 1);  // Added.
  EXPECT_EQ(EditDistance("sead", "seed"), 1);   // Replaced.
  EXPECT_EQ(EditDistance("sede", "seed"), 1);   // Swapped.
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3);
}

const std::vector<std::string>& Names() {
  static const auto& names = *new std::vector<std::string>{
      "--model_path", "--save_path", "--seed", "--top_k", "--top_k_attn"};
  return names;
}

TEST(NearestNamesTest, FindsTheNearest) {
  EXPECT_THAT(NearestNames("--modle_path", Names()),
              ElementsAre("--model_path"));
  EXPECT_THAT(NearestNames("--model-path", Names()),
              ElementsAre("--model_path"));
  EXPECT_THAT(NearestNames("--SEED", Names()), ElementsAre("--seed"));
}

TEST(NearestNamesTest, TakesBeginnings) {
  EXPECT_THAT(NearestNames("--top", Names()),
              ElementsAre("--top_k", "--top_k_attn"));
}

TEST(NearestNamesTest, DoesNotGuessWildly) {
  EXPECT_THAT(NearestNames("--verbose", Names()), IsEmpty());
  EXPECT_EQ(DidYouMean("--verbose", Names()), "");
}

TEST(DidYouMeanTest, NamesAllThatAreAsNear) {
  EXPECT_EQ(DidYouMean("--top", Names()),
            "; did you mean --top_k or --top_k_attn?");
}

}  // namespace
}  // namespace moe::cli
