#include "moe/checkpoint/artifact/layer_parts.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace moe::checkpoint {
namespace {

TEST(LayerPartsTest, NamesItsParts) {
  LayerParts<int> layer;
  EXPECT_TRUE(layer.empty());
  std::string names;
  for (const auto& [name, part] : layer.Named()) {
    names += std::string(name) + " ";
    if (name == "mlp") *part = 3;
  }
  EXPECT_EQ(names, "attn mlp ");
  EXPECT_FALSE(layer.empty());
  EXPECT_EQ(layer.mlp, 3);
  EXPECT_FALSE(layer.attn.has_value());
}

}  // namespace
}  // namespace moe::checkpoint
