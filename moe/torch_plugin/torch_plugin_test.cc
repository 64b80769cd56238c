#include "moe/base/torch_plugin.h"

#include <fstream>
#include <iterator>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/float_environment.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::torch_plugin {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::HasSubstr;

bool HasLibTorch() {
  std::ifstream file("/proc/self/maps");
  const std::string maps(std::istreambuf_iterator<char>(file), {});
  return absl::StrContains(maps, "/libtorch_cpu") ||
         absl::StrContains(maps, "/libc10");
}

TEST(TorchPluginTest, IsLoadedWhenItsFirstFunctionIsWanted) {
  EXPECT_FALSE(HasLibTorch());
  for (const char* const name :
       {"llama_moe_torch_format_pt", "llama_moe_torch_forward"}) {
    MOE_EXPECT_OK(base::internal::FindInTorchPlugin(name)) << name;
  }
  EXPECT_TRUE(HasLibTorch());
  MOE_EXPECT_OK(base::CheckFloatEnvironment("a stage after loading"));
}

TEST(TorchPluginTest, ExportsNothingElse) {
  // PosixFileSystem, of which program and plugin each have their own.
  EXPECT_THAT(
      base::internal::FindInTorchPlugin("_ZN3moe4base15PosixFileSystemEv"),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               HasSubstr("expected the function")));
}

}  // namespace
}  // namespace moe::torch_plugin
