#include "moe/convert/export_target.h"

#include <cstdint>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/convert/export_checkpoint.h"
#include "moe/convert/export_options.pb.h"
#include "moe/convert/testing/export_case.h"
#include "moe/convert/testing/tiny_checkpoint.h"

namespace moe::convert {
namespace {

using ::moe::base::testing::TempDirectory;
using ::moe::convert::testing::Export;
using ::moe::convert::testing::WithDenseEnds;
using ::moe::convert::testing::WriteTinyMoe;

struct AutoCase {
  int64_t residual;
  int64_t num_contract_layers;
  std::string target;
  size_t num_refusals;
};

TEST(ExportTargetTest, AutoTakesTheFirstThatHoldsIt) {
  const AutoCase cases[] = {{0, 0, "mixtral", 0},
                            {5, 0, "granitemoeshared", 1},
                            {0, 1, "ernie4_5_moe", 2},
                            {12, 1, "ernie4_5_moe", 2},
                            {5, 1, "qwen2_moe", 3}};
  for (const AutoCase& c : cases) {
    const TempDirectory directory;
    checkpoint::MoeConfig config = WithDenseEnds(c.residual);
    config.num_moe_contract_layers = c.num_contract_layers;
    WriteTinyMoe(config, {}, directory.Path("moe"));
    MOE_ASSERT_OK_AND_ASSIGN(const ExportedCheckpoint exported,
                             Export(directory, ExportOptions::AUTO));
    EXPECT_EQ(exported.target, c.target);
    EXPECT_THAT(exported.refusals,
                ::testing::AllOf(::testing::SizeIs(c.num_refusals),
                                 ::testing::Each(::testing::ContainsRegex(
                                     "^[a-z0-9_]+ cannot hold [^;]+$"))));
  }
}

}  // namespace
}  // namespace moe::convert
