#include "moe/model/aten/aten_types.h"

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include "gtest/gtest.h"
#include "moe/model/aten/aten_options.h"

namespace moe::model {
namespace {

TEST(AtenTypesTest, AreLibTorchs) {
  EXPECT_TRUE(ToTorchDevice(AtenDevice::kCpu).is_cpu());
  EXPECT_TRUE(ToTorchDevice(AtenDevice::kCuda).is_cuda());
  EXPECT_EQ(ToScalarType(AtenProducts::kFloat32), c10::kFloat);
  EXPECT_EQ(ToScalarType(AtenProducts::kBFloat16), c10::kBFloat16);
}

}  // namespace
}  // namespace moe::model
