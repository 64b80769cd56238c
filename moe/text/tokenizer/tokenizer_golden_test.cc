// The fixture tokenizers against testdata/tokenizers/goldens: what the
// tokenizers and sentencepiece packages make of some hundred strings each.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/text/tokenizer/tokenizer.h"

namespace moe::text {
namespace {

using ::moe::base::testing::IsOkAndHolds;

// Releases of Abseil differ in what HexStringToBytes gives.
std::string FromHex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    uint32_t byte = 0;
    EXPECT_TRUE(absl::SimpleHexAtoi(hex.substr(i, 2), &byte)) << hex;
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

class TokenizerGoldenTest : public ::testing::TestWithParam<const char*> {};

TEST_P(TokenizerGoldenTest, IsTheSameIdForId) {
  const std::string name = GetParam();
  const std::unique_ptr<Tokenizer> tokenizer =
      LoadTokenizer(absl::StrCat("testdata/tokenizers/", name)).value();
  const base::Json goldens =
      base::ParseJson(
          base::ReadFile(
              absl::StrCat("testdata/tokenizers/goldens/", name, ".json"),
              1 << 20)
              .value())
          .value();
  ASSERT_GE(goldens.size(), 200u);
  // Twice: the second time from the cache.
  for (int round = 0; round < 2; ++round) {
    for (const base::Json& golden : goldens) {
      const std::string text = golden.contains("text")
                                   ? golden["text"].get<std::string>()
                                   : FromHex(golden["hex"].get<std::string>());
      const std::vector<int32_t> ids = golden["ids"];
      const std::vector<int32_t> special = golden.contains("ids_special")
                                               ? golden["ids_special"]
                                               : golden["ids"];
      const std::string decoded = golden["decoded"];
      const std::string skipped = golden.contains("decoded_skipped")
                                      ? golden["decoded_skipped"]
                                      : golden["decoded"];
      EXPECT_THAT(tokenizer->Encode(text, false), IsOkAndHolds(ids)) << golden;
      EXPECT_THAT(tokenizer->Decode(special, false), IsOkAndHolds(decoded))
          << golden;
      EXPECT_THAT(tokenizer->Decode(special, true), IsOkAndHolds(skipped))
          << golden;
      if (name == "sentencepiece") continue;  // The library adds no BOS.
      EXPECT_THAT(tokenizer->Encode(text, true), IsOkAndHolds(special))
          << golden;
    }
  }
}

std::string CaseName(const ::testing::TestParamInfo<const char*>& info) {
  return std::string(info.param);
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerGoldenTest,
                         ::testing::Values("gpt2_style", "llama3_style",
                                           "smollm2_style", "llama2_style",
                                           "sentencepiece"),
                         CaseName);

}  // namespace
}  // namespace moe::text
