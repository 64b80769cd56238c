#include "moe/text/tokenizer/decoder.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::text {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;

constexpr char kR[] = "\uFFFD";

absl::StatusOr<std::string> RunSteps(std::vector<DecoderStep> steps,
                                     std::vector<std::string> tokens) {
  RegexScratch scratch;
  return Decoder(std::move(steps)).Run(std::move(tokens), scratch);
}

ReplaceStep Replace(const char* from, const char* to) {
  return {Pattern::FromString(from).value(), to};
}

TEST(DecoderTest, ByteLevel) {
  EXPECT_THAT(RunSteps({ByteLevelDecoder{}}, {"a\u0120", "Ã", "©"}),
              IsOkAndHolds("a é"));
  EXPECT_THAT(RunSteps({ByteLevelDecoder{}}, {"Ã", "a"}),
              IsOkAndHolds(std::string(kR) + "a"));
  // A token with other characters stays as it is.
  EXPECT_THAT(RunSteps({ByteLevelDecoder{}}, {"\u0120 "}),
              IsOkAndHolds("\u0120 "));
}

TEST(DecoderTest, ByteFallback) {
  EXPECT_THAT(RunSteps({ByteFallbackDecoder{}}, {"a", "<0xC3>", "<0xA9>", "b"}),
              IsOkAndHolds("aéb"));
  EXPECT_THAT(RunSteps({ByteFallbackDecoder{}}, {"<0xC3>", "<0xA9>", "<0x80>"}),
              IsOkAndHolds(std::string(kR) + kR + kR));
  EXPECT_THAT(RunSteps({ByteFallbackDecoder{}}, {"<0x+4>", "<0xG0>", "<0x4>"}),
              IsOkAndHolds("\x04<0xG0><0x4>"));
}

TEST(DecoderTest, Llama2s) {
  const std::vector<DecoderStep> steps = {Replace("\u2581", " "),
                                          ByteFallbackDecoder{}, FuseDecoder{},
                                          StripDecoder{" ", 1, 0}};
  EXPECT_THAT(RunSteps(steps, {"\u2581a", "\u2581b"}), IsOkAndHolds("a b"));
  EXPECT_THAT(RunSteps(steps, {"\u2581\u2581a"}), IsOkAndHolds(" a"));
  EXPECT_THAT(RunSteps(steps, {}), IsOkAndHolds(""));
}

TEST(DecoderTest, MetaspaceAndStrip) {
  EXPECT_THAT(RunSteps({MetaspaceDecoder{"_", true}}, {"_a_", "_b"}),
              IsOkAndHolds("a b"));
  EXPECT_THAT(RunSteps({MetaspaceDecoder{"_", false}}, {"_a", "_b"}),
              IsOkAndHolds(" a b"));
  EXPECT_THAT(RunSteps({StripDecoder{"x", 2, 1}}, {"xxxaxx", "x", ""}),
              IsOkAndHolds("xax"));
}

TEST(DecoderTest, GrowthIsBounded) {
  std::vector<DecoderStep> steps(64, Replace("a", "aaaa"));
  EXPECT_THAT(RunSteps(std::move(steps), {"a"}),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

}  // namespace
}  // namespace moe::text
