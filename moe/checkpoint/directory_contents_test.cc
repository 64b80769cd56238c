#include "moe/checkpoint/directory_contents.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/temp_directory.h"

namespace moe::checkpoint {
namespace {

using ::moe::base::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(WhatIsThereInsteadTest, NamesWhatItFoundAndWhatToDo) {
  struct Case {
    std::vector<std::string> files;
    std::string what;
    std::string remedy;
  };
  const Case kCases[] = {
      {{"pytorch_model.bin"}, "pytorch_model.bin", "save_pretrained"},
      {{"pytorch_model-00001-of-00002.bin", "pytorch_model.bin.index.json"},
       "pytorch_model-00001-of-00002.bin",
       "save_pretrained"},
      {{"consolidated.00.pth", "params.json"},
       "consolidated.00.pth",
       "convert_llama_weights_to_hf.py"},
      {{"original/consolidated.00.pth"}, "original", "Hugging Face form"},
      {{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"},
       "model-00001-of-00002.safetensors, model-00002-of-00002.safetensors",
       "shards without model.safetensors.index.json"},
      {{"adapter_config.json", "adapter_model.safetensors"},
       "adapter_model.safetensors",
       "merge_and_unload"},
      {{"models--acme--Fox/snapshots/1/config.json", "version.txt"},
       "models--acme--Fox",
       "ORG/NAME"},
      {{"snapshots/1/config.json", "refs/main"}, "snapshots", "folders in"},
      {{"fox-Q4_K_M.gguf"}, "fox-Q4_K_M.gguf", "llama.cpp"},
      {{"tf_model.h5"}, "tf_model.h5", "save_pretrained"},
      {{"zero_to_fp32.py", "latest"}, "zero_to_fp32.py", "DeepSpeed"},
      {{"__0_0.distcp"}, "__0_0.distcp", "merge-weights"},
      {{"fox.safetensors"}, "fox.safetensors", "name it model.safetensors"},
      {{"checkpoint-500/config.json", "checkpoint-500/model.safetensors"},
       "checkpoint-500",
       "name that folder"},
      {{"README.md"}, "give the directory", "model.safetensors"},
  };
  for (const Case& c : kCases) {
    const TempDirectory directory;
    directory.Write("config.json", "{}");
    for (const std::string& file : c.files) directory.Write(file, "");
    EXPECT_THAT(WhatIsThereInstead(directory.path()),
                AllOf(HasSubstr(c.what), HasSubstr(c.remedy)));
  }
}

TEST(WhatIsThereInsteadTest, AFileOrNothing) {
  const TempDirectory directory;
  EXPECT_THAT(WhatIsThereInstead(directory.Write("model.safetensors", "")),
              HasSubstr("name the directory"));
  EXPECT_THAT(WhatIsThereInstead(directory.Write("fox.gguf", "")),
              HasSubstr("llama.cpp"));
  EXPECT_THAT(WhatIsThereInstead(directory.Path("absent")),
              HasSubstr("give the directory"));
}

TEST(WhatIsThereInsteadTest, ListsFewOfMany) {
  const TempDirectory directory;
  for (int i = 0; i < 9; ++i) {
    directory.Write("model-0000" + std::to_string(i) + ".safetensors", "");
  }
  EXPECT_THAT(WhatIsThereInstead(directory.path()),
              AllOf(HasSubstr("model-00003.safetensors and 5 more"),
                    Not(HasSubstr("model-00004"))));
}

}  // namespace
}  // namespace moe::checkpoint
