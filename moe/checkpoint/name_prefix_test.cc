#include "moe/checkpoint/name_prefix.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace moe {
namespace {

const std::vector<std::string>& ModelNames() {
  static const auto* const names = new std::vector<std::string>{
      "lm_head.weight", "model.embed_tokens.weight",
      "model.layers.0.mlp.up_proj.weight", "model.norm.weight"};
  return *names;
}

TEST(FindNamePrefixTest, TakesAWrappersPrefixOff) {
  for (const std::string wrapper :
       {"", "module.", "_orig_mod.", "base_model.model.", "module._orig_mod.",
        "model.", "a_trainer_nobody_knows."}) {
    std::vector<std::string> names;
    for (const std::string& name : ModelNames()) {
      names.push_back(absl::StrCat(wrapper, name));
    }
    const NamePrefix prefix = FindNamePrefix(names);
    EXPECT_EQ(prefix.wrapper, wrapper);
    EXPECT_EQ(prefix.IsNone(), wrapper.empty());
    for (size_t i = 0; i < names.size(); ++i) {
      EXPECT_EQ(prefix.ModelName(names[i]), ModelNames()[i]);
    }
  }
}

TEST(FindNamePrefixTest, AddsModelWhereItIsMissing) {
  for (const std::string wrapper : {"", "module."}) {
    const NamePrefix prefix =
        FindNamePrefix({wrapper + "embed_tokens.weight",
                        wrapper + "lm_head.weight", wrapper + "norm.weight"});
    EXPECT_FALSE(prefix.IsNone());
    EXPECT_EQ(prefix.ModelName(wrapper + "norm.weight"), "model.norm.weight");
    EXPECT_EQ(prefix.ModelName(wrapper + "lm_head.weight"), "lm_head.weight");
  }
}

TEST(FindNamePrefixTest, NoneWhereNotAllNamesHaveIt) {
  EXPECT_TRUE(
      FindNamePrefix({"module.model.embed_tokens.weight", "model.norm.weight"})
          .IsNone());
  EXPECT_TRUE(FindNamePrefix({}).IsNone());
  EXPECT_TRUE(FindNamePrefix({"model.norm.weight"}).IsNone());
  EXPECT_TRUE(FindNamePrefix({"a.embed_tokens.weight", "b.embed_tokens.weight"})
                  .IsNone());
  EXPECT_TRUE(FindNamePrefix({"my_embed_tokens.weight"}).IsNone());
}

TEST(NearestTensorNameTest, SharesMostPartsFromTheEnd) {
  EXPECT_EQ(NearestTensorName("model.layers.0.mlp.up_proj.weight",
                              {"other.weight", "layers.1.mlp.up_proj.weight",
                               "layers.0.mlp.up_proj.weight"}),
            "layers.0.mlp.up_proj.weight");
  EXPECT_EQ(NearestTensorName("lm_head.weight", {"wte.weight", "head.weight"}),
            "wte.weight");
  EXPECT_EQ(NearestTensorName("lm_head.weight", {}), "");
}

}  // namespace
}  // namespace moe
