#include "moe/convert/background_appender.h"

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::convert {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::HasSubstr;

TEST(BackgroundAppenderTest, KeepsTheOrder) {
  std::string written;
  std::string want;
  std::vector<std::string> pieces;
  for (int i = 0; i < 1000; ++i) pieces.push_back(absl::StrCat(i, ","));
  {
    BackgroundAppender appender([&](absl::string_view bytes) {
      written.append(bytes.data(), bytes.size());
      return absl::OkStatus();
    });
    MOE_EXPECT_OK(appender.Wait(0));
    int64_t ticket = 0;
    for (const std::string& piece : pieces) {
      want += piece;
      EXPECT_EQ(appender.Append(piece), ticket + 1);
      ++ticket;
    }
    MOE_EXPECT_OK(appender.Wait(ticket));
    EXPECT_EQ(written, want);
    MOE_EXPECT_OK(appender.Wait(1));
  }
  EXPECT_EQ(written, want);
}

TEST(BackgroundAppenderTest, TheFirstErrorStaysAndStopsTheRest) {
  std::vector<std::string> seen;
  BackgroundAppender appender([&](absl::string_view bytes) {
    seen.emplace_back(bytes.data(), bytes.size());
    return bytes == "bad" ? absl::ResourceExhaustedError("disk full")
                          : absl::OkStatus();
  });
  appender.Append("good");
  const int64_t bad = appender.Append("bad");
  const int64_t after = appender.Append("never");
  const auto is_full =
      StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("disk full"));
  EXPECT_THAT(appender.Wait(after), is_full);
  EXPECT_THAT(appender.Wait(bad), is_full);
  EXPECT_THAT(appender.Wait(appender.Append("nor this")), is_full);
  EXPECT_THAT(seen, ::testing::ElementsAre("good", "bad"));
}

// The bytes of what was dropped may be gone by then.
TEST(BackgroundAppenderTest, EndsWithoutWhatIsLeft) {
  std::mutex held;
  held.lock();
  int num_seen = 0;
  {
    BackgroundAppender appender([&](absl::string_view) {
      const std::lock_guard<std::mutex> lock(held);
      ++num_seen;
      return absl::InternalError("over");
    });
    appender.Append("a");
    appender.Append("b");
    held.unlock();
    EXPECT_FALSE(appender.Wait(1).ok());
  }
  EXPECT_EQ(num_seen, 1);
}

}  // namespace
}  // namespace moe::convert
