#include "moe/base/options/options_json.h"

#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/options/options_test.pb.h"

namespace moe::base {
namespace {

using ::moe::testing::SampleOptions;

TEST(OptionsToJsonTest, HasWhatIsSetOrHasADefault) {
  SampleOptions options;
  EXPECT_EQ(OptionsToJson(options).dump(),
            R"({"count":8,"share":0.4,"quick":false,"color":"red"})");
  options.set_limit(0);
  options.set_share(0.5);
  options.set_quick(true);
  options.set_polite(false);
  options.set_color(SampleOptions::DARK_BLUE);
  options.set_name("a");
  EXPECT_EQ(OptionsToJson(options, {"count"}).dump(),
            R"({"limit":0,"share":0.5,"quick":true,"polite":false,)"
            R"("color":"dark_blue","name":"a"})");
}

}  // namespace
}  // namespace moe::base
