#include "tools/cli/escaping_stream.h"

#include <ios>
#include <sstream>
#include <string>

#include "gtest/gtest.h"

namespace moe::cli {
namespace {

TEST(EscapingStreamTest, LinesPassAndControlsDoNot) {
  std::ostringstream to;
  EscapingStream stream(to);
  stream << "a\tb\n"
         << 7 << '\x1b' << "[2J"
         << "\u202e\x9b" << '\r';
  stream.Finish();
  EXPECT_EQ(to.str(), "a\tb\n7\\u001b[2J\\u202e\\x9b\\u000d");
}

TEST(EscapingStreamTest, SequencesMayComeInPieces) {
  std::ostringstream to;
  {
    EscapingStream stream(to);
    for (const char byte : std::string("\u00e4\U0001f999\u2028")) {
      stream.put(byte);
      stream.flush();
    }
    EXPECT_EQ(to.str(), "\u00e4\U0001f999\\u2028");
    stream << "\xe2\x80";
    stream.flush();
    EXPECT_EQ(to.str(), "\u00e4\U0001f999\\u2028");
  }
  EXPECT_EQ(to.str(), "\u00e4\U0001f999\\u2028\\xe2\\x80");
}

TEST(EscapingStreamTest, FailsWhereTheStreamBehindFails) {
  std::ostringstream to;
  EscapingStream stream(to);
  stream << "a";
  EXPECT_TRUE(stream.good());
  to.setstate(std::ios::badbit);
  stream << "b";
  EXPECT_FALSE(stream.good());
}

}  // namespace
}  // namespace moe::cli
