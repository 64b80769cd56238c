#include "moe/text/tokenizer/text_ends.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/text/tokenizer/post_processor.h"
#include "moe/text/tokenizer/tokenizer.h"
#include "moe/text/tokenizer/tokenizer_config.h"

namespace moe::text {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Ids = std::vector<int32_t>;

// BOS 1, EOS 2; a text is 9.
class ChooseTextEndsTest : public ::testing::Test {
 protected:
  Ids Run(const PostProcessor& of_file) {
    ::testing::internal::CaptureStderr();
    const auto chosen =
        ChooseTextEnds(of_file, {&config_, asked_, 1, 2, [this](int32_t id) {
                                   return absl::StrCat("<", salt_, id, ">");
                                 }});
    notice_ = ::testing::internal::GetCapturedStderr();
    return chosen.value().Run({9}, true);
  }

  const PostProcessor plain_ = PostProcessor::Identity();
  const PostProcessor bos_ = PostProcessor({Ids{1}, TextPlace{}});
  TokenizerConfig config_;
  TextEnds asked_;
  std::string salt_ =
      ::testing::UnitTest::GetInstance()->current_test_info()->name();
  std::string notice_;
};

TEST_F(ChooseTextEndsTest, WhereNothingIsSaidTheFileCounts) {
  EXPECT_THAT(Run(plain_), ElementsAre(9));
  EXPECT_THAT(Run(bos_), ElementsAre(1, 9));
  EXPECT_THAT(Run(PostProcessor({TextPlace{}, Ids{2}})), ElementsAre(9, 2));
  EXPECT_THAT(notice_, IsEmpty());
}

TEST_F(ChooseTextEndsTest, AClassThatMakesAPostProcessorCounts) {
  config_.tokenizer_class = "LlamaTokenizerFast";
  EXPECT_THAT(Run(bos_), ElementsAre(1, 9));
  EXPECT_THAT(notice_, IsEmpty());
  EXPECT_THAT(Run(plain_), ElementsAre(1, 9));  // By default.
  EXPECT_THAT(notice_, HasSubstr("add_bos_token not set"));
  config_.add_bos_token = true;
  config_.add_eos_token = true;
  EXPECT_THAT(Run(plain_), ElementsAre(1, 9, 2));
  EXPECT_THAT(notice_,
              AllOf(HasSubstr("LlamaTokenizerFast, add_bos_token true"),
                    HasSubstr("before a text, but the post-processor of "
                              "tokenizer.json puts nothing"),
                    HasSubstr("; tokenizer_config.json counts"),
                    HasSubstr("--add_bos=true or --add_bos=false"),
                    HasSubstr("--add_eos=true")));
  config_.add_bos_token = false;
  config_.add_eos_token = false;
  EXPECT_THAT(Run(bos_), ElementsAre(9));
}

TEST_F(ChooseTextEndsTest, WithAnotherClassTheFileCountsAndANoticeSaysSo) {
  config_.tokenizer_class = "PreTrainedTokenizerFast";
  config_.add_bos_token = false;
  EXPECT_THAT(Run(bos_), ElementsAre(1, 9));
  EXPECT_THAT(notice_, HasSubstr("; tokenizer.json counts"));
  config_.add_bos_token = true;
  EXPECT_THAT(Run(plain_), ElementsAre(9));
  EXPECT_THAT(notice_, HasSubstr("; tokenizer.json counts"));
  EXPECT_THAT(Run(bos_), ElementsAre(1, 9));
  EXPECT_THAT(notice_, IsEmpty());
}

TEST_F(ChooseTextEndsTest, AnotherBosTokenIsANotice) {
  const PostProcessor other({Ids{7}, TextPlace{}});
  EXPECT_THAT(Run(other), ElementsAre(7, 9));
  EXPECT_THAT(notice_, AllOf(HasSubstr(absl::StrCat("<", salt_, "1>")),
                             HasSubstr(absl::StrCat("<", salt_, "7>"))));
  config_.tokenizer_class = "LlamaTokenizer";
  EXPECT_THAT(Run(other), ElementsAre(1, 9));
}

TEST_F(ChooseTextEndsTest, WhatIsAskedForCountsWithoutANotice) {
  asked_.add_bos = true;
  asked_.add_eos = true;
  config_.add_bos_token = false;
  EXPECT_THAT(Run(plain_), ElementsAre(1, 9, 2));
  EXPECT_THAT(notice_, IsEmpty());
  asked_ = {false, false};
  EXPECT_THAT(Run(bos_), ElementsAre(9));
  EXPECT_THAT(Run(PostProcessor({Ids{7, 8}, TextPlace{}, Ids{2}})),
              ElementsAre(9));
}

TEST_F(ChooseTextEndsTest, AClassWithoutABosTokenLeavesTheFile) {
  config_.tokenizer_class = "LlamaTokenizer";
  const auto chosen = ChooseTextEnds(
      bos_, {&config_, {}, std::nullopt, std::nullopt, [](int32_t id) {
               return absl::StrCat(id);
             }});
  EXPECT_THAT(chosen.value().Run({9}, true), ElementsAre(1, 9));
}

TEST(CheckTextEndsTest, ATokenThatIsAskedForIsThere) {
  EXPECT_THAT(CheckTextEnds({}, false, false), IsOk());
  EXPECT_THAT(CheckTextEnds({true, true}, true, true), IsOk());
  EXPECT_THAT(CheckTextEnds({false, false}, false, false), IsOk());
  EXPECT_THAT(CheckTextEnds({true, {}}, false, true),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("--add_bos: expected a tokenizer with the "
                                 "bos_token, found none")));
  EXPECT_THAT(CheckTextEnds({{}, true}, true, false),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("--add_eos: expected a tokenizer with the "
                                 "eos_token, found none")));
}

}  // namespace
}  // namespace moe::text
