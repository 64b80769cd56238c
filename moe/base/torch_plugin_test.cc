#include "moe/base/torch_plugin.h"

#include <cstdlib>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/float_environment.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"

namespace moe::base::internal {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// bazel test sets RUNFILES_DIR.
std::string Runfile(const std::string& name) {
  return absl::StrCat(std::getenv("RUNFILES_DIR"), "/llama_moe/", name);
}

TEST(TorchPluginPathsTest, NamesThePlacesOfBuildsAndInstallations) {
  EXPECT_THAT(
      TorchPluginPaths("/opt/bin/llama_moe"),
      ElementsAre("/opt/bin/libllama_moe_torch.so",
                  "/opt/bin/../lib/llama_moe/libllama_moe_torch.so",
                  "/opt/bin/llama_moe.runfiles/llama_moe/moe/torch_plugin/"
                  "libllama_moe_torch.so",
                  Runfile("moe/torch_plugin/libllama_moe_torch.so")));
}

TEST(TorchPluginPathsTest, AVariableOverridesThem) {
  ::setenv("MOE_TORCH_PLUGIN", "/some/plugin.so", /*overwrite=*/1);
  EXPECT_THAT(TorchPluginPaths("/opt/bin/llama_moe"),
              ElementsAre("/some/plugin.so"));
  ::unsetenv("MOE_TORCH_PLUGIN");
}

TEST(FindInTorchPluginTest, SaysWhereItLooked) {
  EXPECT_THAT(
      FindInTorchPlugin({"/no/a.so", "/no/b.so"}, "f"),
      StatusIs(absl::StatusCode::kNotFound,
               AllOf(HasSubstr("at /no/a.so or /no/b.so, found nothing"),
                     HasSubstr("set MOE_TORCH_PLUGIN"))));
}

TEST(FindInTorchPluginTest, SaysWhyALibraryDoesNotLoad) {
  const TempDirectory directory;
  const std::string path = directory.Write("plugin.so", "no library");
  EXPECT_THAT(FindInTorchPlugin({"/no/a.so", path}, "f"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr(path + ": cannot be loaded: "),
                             HasSubstr("install LibTorch"))));
}

// One that flushes subnormal numbers besides, which no later stage meets.
TEST(FindInTorchPluginTest, RefusesAnotherLibraryAndItsFloatingPointModes) {
  const std::string path = Runfile("moe/kernels/testing/libflush_to_zero.so");
  EXPECT_THAT(FindInTorchPlugin({path}, "f"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr(path + ": expected a plugin of llama_moe, "
                                        "found a library without")));
  MOE_EXPECT_OK(CheckFloatEnvironment("a stage after loading"));
}

TEST(FindInTorchPluginTest, RefusesAPluginOfAnotherBuild) {
  const std::string path = Runfile("moe/base/testing/libother_plugin.so");
  EXPECT_THAT(
      FindInTorchPlugin({path}, "llama_moe_torch_identity"),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               HasSubstr("found \"border 1, compiler of tomorrow\"; install "
                         "the program and its plugin together")));
}

}  // namespace
}  // namespace moe::base::internal
