#include "moe/model/aten/aten_device.h"

#include <ATen/Context.h>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/model/aten/aten_options.h"

namespace moe::model {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(AtenDeviceTest, ThereIsAlwaysAProcessor) {
  MOE_EXPECT_OK(CheckDevice(AtenDevice::kCpu));
}

TEST(AtenDeviceTest, SaysWhatToDoWithoutCuda) {
  if (at::hasCUDA()) {
    MOE_EXPECT_OK(CheckDevice(AtenDevice::kCuda));
    return;
  }
  EXPECT_THAT(CheckDevice(AtenDevice::kCuda),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("expected a CUDA device"),
                             HasSubstr("use --device=cpu"),
                             HasSubstr("LIBTORCH_HOME"))));
}

}  // namespace
}  // namespace moe::model
