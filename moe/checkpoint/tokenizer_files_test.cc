#include "moe/checkpoint/tokenizer_files.h"

#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/temp_directory.h"

namespace moe::checkpoint {
namespace {

using ::moe::base::testing::TempDirectory;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FindTokenizerFilesTest : public ::testing::Test {
 protected:
  std::set<std::string> Find() const {
    return FindTokenizerFiles(directory_.path(), directory_.List());
  }
  const TempDirectory directory_;
};

TEST_F(FindTokenizerFilesTest, CodeWithWhatItImportsAndReads) {
  directory_.Write("tokenizer_config.json", R"({"auto_map": {
      "AutoTokenizer": [null, "fox_tokens.FoxTokenizer"]}})");
  directory_.Write("fox_tokens.py",
                   "from .fox_units import units\n"
                   "from . import nothing\n"
                   "FILES = {'vocab_file': 'fox.tiktoken'}\n"
                   "W = \"model.safetensors\"\n");
  directory_.Write("fox_units.py", "  from .fox_tokens import x\nimport os\n");
  directory_.Write("fox.tiktoken", "");
  directory_.Write("model.safetensors", "");
  directory_.Write("modeling_fox.py", "");
  directory_.Write("tokenization_old.py", "");
  EXPECT_THAT(Find(), ElementsAre("fox.tiktoken", "fox_tokens.py",
                                  "fox_units.py", "tokenization_old.py"));
}

TEST_F(FindTokenizerFilesTest, OfTheModelsConfigOnlyTheTokenizer) {
  directory_.Write("config.json", R"({"auto_map": {
      "AutoTokenizer": "fox_tokens.FoxTokenizer",
      "AutoModelForCausalLM": "modeling_fox.FoxModel"}})");
  directory_.Write("tokenizer_config.json",
                   R"({"vocab_file": "fox.vocab", "a": "config.json"})");
  directory_.Write("fox_tokens.py", "");
  directory_.Write("fox.vocab", "");
  directory_.Write("modeling_fox.py", "");
  EXPECT_THAT(Find(), ElementsAre("fox.vocab", "fox_tokens.py"));
}

TEST_F(FindTokenizerFilesTest, NothingOfWhatIsElsewhereOrMalformed) {
  directory_.Write("tokenizer_config.json", R"({"auto_map": {
      "AutoTokenizer": ["acme/fox--fox_tokens.A", 3, "../x.B", "absent.C"]}})");
  directory_.Write("fox_tokens.py", "");
  EXPECT_THAT(Find(), IsEmpty());
  directory_.Write("tokenizer_config.json", "{");
  EXPECT_THAT(Find(), IsEmpty());
}

}  // namespace
}  // namespace moe::checkpoint
