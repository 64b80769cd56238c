#include "moe/kernels/numerics_contract.h"

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::kernels {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::testing::HasSubstr;

std::string Runfile(const std::string& name) {
  return absl::StrCat(std::getenv("TEST_SRCDIR"), "/",
                      std::getenv("TEST_WORKSPACE"), "/", name);
}

TEST(NumericsContractTest, TheTextAndTheChangelogHaveTheVersion) {
  const std::string version =
      absl::StrCat("contract version ", kNumericsContractVersion);
  EXPECT_THAT(base::ReadFile(Runfile("moe/kernels/README.md"), 1 << 20),
              IsOkAndHolds(HasSubstr(version)));
  EXPECT_THAT(base::ReadFile(Runfile("CHANGELOG.md"), 1 << 20),
              IsOkAndHolds(HasSubstr(version)));
}

}  // namespace
}  // namespace moe::kernels
