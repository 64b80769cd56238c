// A foreign library that flushes subnormal numbers to zero is noticed by the
// check of the floating-point modes, and changes no bit of what kernels give.

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace moe::kernels {
namespace {

std::string Runfile(const std::string& name) {
  return absl::StrCat(std::getenv("TEST_SRCDIR"), "/",
                      std::getenv("TEST_WORKSPACE"), "/moe/kernels/testing/",
                      name);
}

// The lines that the program prints.
std::vector<std::string> LinesOf(const std::string& environment) {
  const std::string command =
      absl::StrCat(environment, " '", Runfile("subnormal_digest"), "'");
  std::FILE* const pipe = ::popen(command.c_str(), "r");
  std::string output;
  std::array<char, 256> buffer;
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) {
    output += buffer.data();
  }
  EXPECT_EQ(::pclose(pipe), 0) << command;
  return absl::StrSplit(output, '\n', absl::SkipEmpty());
}

TEST(FlushToZeroTest, APreloadedLibraryIsNoticedAndChangesNothing) {
  const std::vector<std::string> alone = LinesOf("");
  // AddressSanitizer's own library insists on being first otherwise.
  const std::vector<std::string> preloaded =
      LinesOf(absl::StrCat("ASAN_OPTIONS=verify_asan_link_order=0 LD_PRELOAD='",
                           Runfile("libflush_to_zero.so"), "'"));
  ASSERT_EQ(alone.size(), 2);
  ASSERT_EQ(preloaded.size(), 2);
  EXPECT_EQ(alone[0], "ok");
  EXPECT_EQ(preloaded[0], "flushes");
  EXPECT_EQ(alone[1], preloaded[1]);
  EXPECT_EQ(alone[1], "5331c6331672ee0c");
}

}  // namespace
}  // namespace moe::kernels
