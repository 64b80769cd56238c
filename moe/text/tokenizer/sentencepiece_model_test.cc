#include "moe/text/tokenizer/sentencepiece_model.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::text {
namespace {

using Prefix = SentencePieceModel::Prefix;

std::string ModelBytes() {
  return base::ReadFile("testdata/tokenizers/sentencepiece/tokenizer.model",
                        1 << 20)
      .value();
}

TEST(SentencePieceModelTest, EncodesAndDecodes) {
  std::string error;
  const auto model =
      SentencePieceModel::Load(ModelBytes(), Prefix::kAsModelSays, &error);
  ASSERT_NE(model, nullptr) << error;
  EXPECT_EQ(model->size(), 2000);
  EXPECT_EQ(model->unk_id(), 0);
  EXPECT_EQ(model->bos_id(), 1);
  EXPECT_EQ(model->eos_id(), 2);
  EXPECT_EQ(model->PieceOf(1), "<s>");
  EXPECT_EQ(model->IdOf("<s>"), 1);
  EXPECT_EQ(model->IdOf("no such piece"), -1);
  EXPECT_TRUE(model->IsSpecial(0));
  EXPECT_TRUE(model->IsSpecial(1));
  EXPECT_FALSE(model->IsSpecial(3));
  std::vector<int32_t> ids;
  ASSERT_TRUE(model->Encode("the time", &ids, &error)) << error;
  EXPECT_EQ(model->PieceOf(ids[0]).substr(0, 3), "\u2581");
  std::string text;
  ASSERT_TRUE(model->Decode(ids, &text, &error)) << error;
  EXPECT_EQ(text, "the time");
}

TEST(SentencePieceModelTest, ThePrefixCanBeLeftOut) {
  std::string error;
  const auto model =
      SentencePieceModel::Load(ModelBytes(), Prefix::kNone, &error);
  ASSERT_NE(model, nullptr) << error;
  std::vector<int32_t> ids;
  ASSERT_TRUE(model->Encode("the", &ids, &error)) << error;
  EXPECT_NE(model->PieceOf(ids[0]).substr(0, 3), "\u2581");
}

TEST(SentencePieceModelTest, WhatIsNoModelIsAnError) {
  std::string error;
  EXPECT_EQ(SentencePieceModel::Load("no model", Prefix::kAsModelSays, &error),
            nullptr);
  EXPECT_NE(error, "");
}

}  // namespace
}  // namespace moe::text
