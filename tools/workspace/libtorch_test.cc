#include <ATen/ATen.h>

#include "gtest/gtest.h"

namespace {

TEST(LibTorchTest, LinksAndHoldsData) {
  const at::Tensor tensor = at::tensor({1.0f, 2.0f, 3.0f});
  EXPECT_EQ(tensor.dtype(), at::kFloat);
  EXPECT_EQ((tensor * 2)[2].item<float>(), 6.0f);
}

}  // namespace
