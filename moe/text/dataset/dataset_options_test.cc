#include "moe/text/dataset/dataset_options.h"

#include <cstdint>
#include <limits>
#include <optional>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/options/options.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/text/dataset/dataset_options.pb.h"

namespace moe::text {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::testing::Eq;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(DatasetOptionsTest, DefaultsAreValid) {
  EXPECT_THAT(base::CheckOptions(TokenizeOptions()), IsOk());
  EXPECT_THAT(base::CheckOptions(BatchOptions()), IsOk());
  EXPECT_EQ(ModelMaxLength({}), 2048);
  EXPECT_EQ(BatchOptions().batch_size(), 1);
}

TEST(DatasetOptionsTest, EndsOfTextsAreSetOrFollowTheFiles) {
  TokenizeOptions options;
  EXPECT_EQ(TextEndsOf(options).add_bos, std::nullopt);
  EXPECT_EQ(TextEndsOf(options).add_eos, std::nullopt);
  options.set_add_bos(false);
  options.set_add_eos(true);
  EXPECT_EQ(TextEndsOf(options).add_bos, false);
  EXPECT_EQ(TextEndsOf(options).add_eos, true);
}

TEST(DatasetOptionsTest, EveryBadFieldIsNamed) {
  TokenizeOptions tokenize;
  tokenize.set_model_max_length(0);
  EXPECT_THAT(
      base::CheckOptions(tokenize),
      StatusIs(kInvalid, Eq("model_max_length: expected 1 or more, found 0")));
  tokenize.set_model_max_length(1);
  EXPECT_THAT(base::CheckOptions(tokenize), IsOk());
  tokenize.set_chat_template(static_cast<TokenizeOptions::ChatTemplate>(99));
  EXPECT_THAT(
      base::CheckOptions(tokenize),
      StatusIs(kInvalid, ::testing::AllOf(HasSubstr("chat_template: expected"),
                                          HasSubstr("found 99"))));
  BatchOptions batch;
  batch.set_seed(-1);
  EXPECT_THAT(base::CheckOptions(batch),
              StatusIs(kInvalid, Eq("seed: expected 0 or more, found -1")));
  batch.set_seed(0);
  batch.set_max_steps(0);
  EXPECT_THAT(base::CheckOptions(batch),
              StatusIs(kInvalid, Eq("max_steps: expected 1 or more, found 0")));
  batch.set_max_steps(1);
  batch.set_batch_size(-3);
  EXPECT_THAT(
      base::CheckOptions(batch),
      StatusIs(kInvalid, Eq("batch_size: expected 1 or more, found -3")));
}

TEST(DatasetOptionsTest, CountsSequences) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  BatchOptions options;
  options.set_batch_size(4);
  EXPECT_EQ(MaxSequences(options), kMax);
  options.set_max_steps(3);
  EXPECT_EQ(MaxSequences(options), 12);  // 3 * 4
  options.set_max_steps(kMax / 4 + 1);   // The product is 2^63.
  EXPECT_EQ(MaxSequences(options), kMax);
}

TEST(DatasetOptionsTest, TemplateNamesAreReadAsTheyAreWritten) {
  for (const auto value : {TokenizeOptions::AUTO, TokenizeOptions::LLAMA3,
                           TokenizeOptions::CHATML, TokenizeOptions::NONE}) {
    EXPECT_THAT(ParseChatTemplateName(ChatTemplateName(value)),
                IsOkAndHolds(value));
  }
  EXPECT_THAT(ParseChatTemplateName("fox"),
              StatusIs(kInvalid, HasSubstr("\"fox\"")));
}

}  // namespace
}  // namespace moe::text
