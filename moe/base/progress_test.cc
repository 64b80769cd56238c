#include "moe/base/progress.h"

#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace moe::base {
namespace {

class ProgressTest : public ::testing::Test {
 protected:
  Progress::Sink Sink() {
    return {[this](absl::string_view text) {
              text_.append(text.data(), text.size());
            },
            [this] { return now_; }};
  }
  void Pass(absl::Duration duration) { now_ += duration; }
  std::string TakeText() { return std::exchange(text_, std::string()); }

 private:
  std::string text_;
  absl::Time now_ = absl::UnixEpoch();
};

TEST_F(ProgressTest, LinesComeAtTheStartEveryHalfMinuteAndAtTheEnd) {
  Progress progress(Progress::Style::kLines, Sink());
  progress.Start("walk", 1000, "tokens");
  EXPECT_EQ(TakeText(), "walk:   0% 0 tokens\n");
  Pass(absl::Seconds(29));
  progress.Advance(100);
  EXPECT_EQ(TakeText(), "");
  Pass(absl::Seconds(1));
  progress.Advance(100);
  // 200 in 30 s = 6.67 a second; 800 more take 800 / 6.67 = 120 s.
  EXPECT_EQ(TakeText(), "walk:  20% 200 tokens, 6.7 tokens/s, 2:00 left\n");
  Pass(absl::Seconds(60));
  progress.Advance(800);
  TakeText();
  progress.Finish();
  EXPECT_EQ(TakeText(), "walk: 1000 tokens, 11.1 tokens/s, done in 1:30\n");
  progress.Finish();
  EXPECT_EQ(TakeText(), "");
}

TEST_F(ProgressTest, ABarIsRedrawnInPlace) {
  Progress progress(Progress::Style::kBar, Sink());
  progress.Start("copy", 4096, "bytes");
  EXPECT_EQ(TakeText(), "\rcopy: [........................]   0% 0 B");
  Pass(absl::Seconds(1));
  progress.Advance(1024);
  EXPECT_EQ(TakeText(),
            "\rcopy: [######..................]  25% 1.00 KiB, 1.00 KiB/s, "
            "0:03 left");
  Pass(absl::Milliseconds(99));
  progress.Advance(1024);
  EXPECT_EQ(TakeText(), "");
  Pass(absl::Hours(2));
  progress.Advance(2048);
  TakeText();
  progress.Finish();
  // 4096 bytes in 7201.1 s are less than a byte a second. The line before, with
  // its bar, had 53 columns, and this one has 38: 15 blanks.
  EXPECT_EQ(TakeText(), "\rcopy: 4.00 KiB, 0 B/s, done in 2:00:01" +
                            std::string(15, ' ') + "\n");
}

TEST_F(ProgressTest, ADetailIsShownUntilWorkAdvances) {
  Progress progress(Progress::Style::kLines, Sink());
  progress.SetDetail("no stage yet");
  progress.Start("walk", 10, "tokens");
  EXPECT_EQ(TakeText(), "walk:   0% 0 tokens\n");
  Pass(absl::Seconds(29));
  progress.SetDetail("iteration 1");
  EXPECT_EQ(TakeText(), "");
  Pass(absl::Seconds(1));
  progress.SetDetail("iteration 2");
  EXPECT_EQ(TakeText(), "walk:   0% 0 tokens; iteration 2\n");
  Pass(absl::Seconds(30));
  progress.Advance(5);
  EXPECT_EQ(TakeText(), "walk:  50% 5 tokens, 0.1 tokens/s, 1:00 left\n");
  progress.SetDetail("iteration 3");
  Pass(absl::Seconds(30));
  progress.Finish();
  EXPECT_EQ(TakeText(), "walk: 5 tokens, 0.1 tokens/s, done in 1:30\n");
}

TEST_F(ProgressTest, ABarIsCutToTheTerminal) {
  Progress::Sink sink = Sink();
  size_t columns = 20;
  sink.columns = [&] { return columns; };
  Progress progress(Progress::Style::kBar, sink);
  progress.Start("copy", 4096, "bytes");
  EXPECT_EQ(TakeText(), "\rcopy: [............");  // 19 columns.
  columns = 0;
  Pass(absl::Seconds(1));
  progress.SetDetail("slowly");
  EXPECT_EQ(TakeText(), "\rcopy: [........................]   0% 0 B; slowly");
}

TEST_F(ProgressTest, AnUnknownTotalShowsNoShare) {
  Progress progress(Progress::Style::kLines, Sink());
  progress.Start("read", 0, "lines");
  EXPECT_EQ(TakeText(), "read: 0 lines\n");
}

TEST_F(ProgressTest, AStageEndsWithTheNextOrStopsWithTheObject) {
  {
    Progress progress(Progress::Style::kLines, Sink());
    progress.Start("one", 1, "tensors");
    TakeText();
    progress.Start("two", 1, "tensors");
    EXPECT_EQ(TakeText(),
              "one: 0 tensors, done in 0:00\ntwo:   0% 0 tensors\n");
  }
  EXPECT_EQ(TakeText(), "two:   0% 0 tensors, stopped after 0:00\n");
}

TEST_F(ProgressTest, SilentWritesNothing) {
  {
    Progress progress(Progress::Style::kSilent, Sink());
    progress.Start("walk", 10, "tokens");
    progress.Advance(10);
  }
  EXPECT_EQ(TakeText(), "");
}

// A name from a file neither ends the line nor moves the cursor.
TEST_F(ProgressTest, ControlCharactersOfADetailAreEscaped) {
  Progress progress(Progress::Style::kLines, Sink());
  progress.Start("dig\x1b[1mest", 2, "fi\nles");
  EXPECT_EQ(TakeText(), "dig\\u001b[1mest:   0% 0 fi\\u000ales\n");
  Pass(absl::Seconds(30));
  progress.SetDetail("a\rb\nc\u202ed\x9b");
  EXPECT_EQ(TakeText(),
            "dig\\u001b[1mest:   0% 0 fi\\u000ales; "
            "a\\u000db\\u000ac\\u202ed\\x9b\n");
}

}  // namespace
}  // namespace moe::base
