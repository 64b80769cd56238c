#include "moe/text/tokenizer/post_processor.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace moe {
namespace {

using ::testing::ElementsAre;

TEST(PostProcessorTest, PutsSpecialTokensAround) {
  const PostProcessor processor(
      {std::vector<int32_t>{1, 2}, TextPlace{}, std::vector<int32_t>{3}});
  EXPECT_THAT(processor.Run({7, 8}, true), ElementsAre(1, 2, 7, 8, 3));
  EXPECT_THAT(processor.Run({7, 8}, false), ElementsAre(7, 8));
  EXPECT_THAT(processor.Run({}, true), ElementsAre(1, 2, 3));
}

TEST(PostProcessorTest, KnowsItsEnds) {
  const PostProcessor processor({std::vector<int32_t>{1, 2}, TextPlace{},
                                 std::vector<int32_t>{3}, TextPlace{},
                                 std::vector<int32_t>{4}});
  EXPECT_THAT(processor.IdsBefore(), ElementsAre(1, 2));
  EXPECT_THAT(processor.IdsBehind(), ElementsAre(4));
  EXPECT_THAT(PostProcessor::Identity().IdsBefore(), ElementsAre());
  EXPECT_THAT(PostProcessor::Identity().IdsBehind(), ElementsAre());
  const PostProcessor no_text({std::vector<int32_t>{1}});
  EXPECT_THAT(no_text.IdsBefore(), ElementsAre(1));
  EXPECT_THAT(no_text.IdsBehind(), ElementsAre());
}

TEST(PostProcessorTest, IdentityAndRepeats) {
  EXPECT_THAT(PostProcessor::Identity().Run({7}, true), ElementsAre(7));
  EXPECT_THAT(PostProcessor({TextPlace{}, TextPlace{}}).Run({7}, false),
              ElementsAre(7, 7));
  EXPECT_THAT(PostProcessor({}).Run({7}, true), ElementsAre());
}

}  // namespace
}  // namespace moe
