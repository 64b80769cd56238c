#include "moe/base/notice.h"

#include "gtest/gtest.h"

namespace moe {
namespace {

TEST(SayNoticeTest, EachTextOnce) {
  ::testing::internal::CaptureStderr();
  SayNotice("one");
  SayNotice("two");
  SayNotice("one");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "notice: one\nnotice: two\n");
}

TEST(SayNoticeTest, EscapesControlCharacters) {
  ::testing::internal::CaptureStderr();
  SayNotice("a\nb");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "notice: a\\u000ab\n");
}

}  // namespace
}  // namespace moe
