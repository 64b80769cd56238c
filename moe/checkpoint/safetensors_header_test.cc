#include "moe/checkpoint/safetensors_header.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// A header with `data_bytes` bytes of data behind it.
absl::StatusOr<SafetensorsHeader> Parse(absl::string_view json,
                                        uint64_t data_bytes) {
  return ParseSafetensorsHeader(json, 8 + json.size() + data_bytes);
}

TEST(SafetensorsHeaderSizeTest, IsLittleEndian) {
  EXPECT_THAT(ParseSafetensorsHeaderSize(
                  absl::string_view("\x34\x12\0\0\0\0\0\0", 8), 10000),
              IsOkAndHolds(0x1234u));
  EXPECT_THAT(ParseSafetensorsHeaderSize("abc", 3),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("3 bytes")));
}

TEST(SafetensorsHeaderSizeTest, HasALimitAndMustFitTheFile) {
  // 100,000,000 = 0x05f5e100.
  const absl::string_view limit("\x00\xe1\xf5\x05\0\0\0\0", 8);
  EXPECT_THAT(ParseSafetensorsHeaderSize(limit, 100'000'008),
              IsOkAndHolds(100'000'000u));
  EXPECT_THAT(ParseSafetensorsHeaderSize(limit, 100'000'007),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("expected 100000000 bytes"),
                             HasSubstr("found 99999999"))));
  EXPECT_THAT(ParseSafetensorsHeaderSize(
                  absl::string_view("\x01\xe1\xf5\x05\0\0\0\0", 8), 1 << 30),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("100000001"), HasSubstr("100000000"))));
}

TEST(ParseSafetensorsHeaderTest, OrdersTensorsByTheirData) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const SafetensorsHeader header,
      Parse(R"({"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]},)"
            R"("__metadata__":{"format":"pt","x":"y"},)"
            R"("a":{"shape":[],"data_offsets":[0,4],"dtype":"F32"}}  )",
            16));
  ASSERT_THAT(header.tensors, SizeIs(2));
  EXPECT_EQ(header.tensors[0].spec, (TensorSpec{"a", Dtype::kF32, {}}));
  EXPECT_EQ(header.tensors[1].spec, (TensorSpec{"b", Dtype::kBF16, {2, 3}}));
  EXPECT_EQ(header.tensors[1].begin, 4u);
  EXPECT_EQ(header.tensors[1].end, 16u);
  EXPECT_THAT(header.metadata,
              ElementsAre(Pair("format", "pt"), Pair("x", "y")));
}

TEST(ParseSafetensorsHeaderTest, TakesNoTensorsAndEmptyTensors) {
  MOE_ASSERT_OK_AND_ASSIGN(const SafetensorsHeader none, Parse("{}", 0));
  EXPECT_THAT(none.tensors, IsEmpty());
  MOE_ASSERT_OK_AND_ASSIGN(
      const SafetensorsHeader empty,
      Parse(R"({"full":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
            R"("none":{"dtype":"F32","shape":[0,5],"data_offsets":[0,0]},)"
            R"("last":{"dtype":"F32","shape":[5,0],"data_offsets":[1,1]}})",
            1));
  EXPECT_THAT(empty.tensors, SizeIs(3));
}

std::string OneTensor(absl::string_view fields) {
  return absl::StrCat("{\"t\":{", fields, "}}");
}

TEST(ParseSafetensorsHeaderTest, RefusesWhatIsMalformed) {
  const struct {
    std::string json;
    const char* message;
  } kCases[] = {
      {"", "expected '{' at its start"},
      {" {}", "expected '{' at its start"},
      {"[]", "expected '{' at its start"},
      {"{", "at byte"},
      {"{} {}", "at byte"},
      {R"({"t":7})", "\"t\": expected an object, found the number 7"},
      {R"({"t":null})", "\"t\": expected an object, found null"},
      {R"({"t":{},"t":{}})", "\"t\": expected dtype, found none"},
      {R"({"__metadata__":[]})",
       "__metadata__: expected an object, found an array"},
      {R"({"__metadata__":{"a":{}}})",
       "__metadata__: \"a\": expected a string, found an object"},
      {R"({"__metadata__":{"a":"1","a":"2"}})", "\"a\" occurs twice"},
      {R"({"__metadata__":{},"__metadata__":{}})",
       "\"__metadata__\" occurs twice"},
      {OneTensor(R"("dtype":1)"),
       "dtype: expected a string, found the number 1"},
      {OneTensor(R"("dtype":"F32","dtype":"F32")"), "dtype occurs twice"},
      {OneTensor(R"("shape":"x")"),
       "shape: expected an array of numbers, found a string"},
      {OneTensor(R"("shape":[1,[2]])"),
       "shape: expected whole numbers, found an array"},
      {OneTensor(R"("shape":[true])"), "whole numbers, found a boolean"},
      {OneTensor(R"("shape":[1.5])"), "whole numbers, found the number 1.5"},
      {OneTensor(R"("shape":[-1])"),
       "whole numbers, found the negative number -1"},
      {OneTensor(R"("shape":[9223372036854775808])"), "overflows"},
      {OneTensor(R"("data_offsets":[1])"),
       "data_offsets: expected 2 numbers, found 1"},
      {OneTensor(R"("offsets":[1])"), "found the field \"offsets\""},
      {OneTensor(R"("dtype":"F32","shape":[])"),
       "expected data_offsets, found none"},
      {OneTensor(R"("dtype":"F32","shape":[],"data_offsets":[1,5])"),
       "there is a gap before it"},
      {OneTensor(R"("dtype":"F32","shape":[],"data_offsets":[4,0])"),
       "ends before it begins"},
      {OneTensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])"),
       "expected 8 bytes for F32 [2], found 4 in data_offsets [0, 4]"},
  };
  for (const auto& [json, message] : kCases) {
    EXPECT_THAT(Parse(json, 4), StatusIs(kInvalid, HasSubstr(message))) << json;
  }
}

TEST(ParseSafetensorsHeaderTest, TheDataMustCoverTheFile) {
  const std::string json =
      OneTensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])");
  EXPECT_THAT(Parse(json, 8), IsOk());
  EXPECT_THAT(Parse(json, 7),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("tensor \"t\"")));
  EXPECT_THAT(Parse(json, 9),
              StatusIs(kInvalid, HasSubstr("1 bytes at its end")));
}

TEST(FormatSafetensorsHeaderTest, ParsesBack) {
  const std::vector<TensorSpec> tensors = {
      {"a \"quoted\" \xc3\xa9", Dtype::kI64, {3}},
      {"b", Dtype::kF16, {2, 0}},
      {"c", Dtype::kBF16, {}}};
  const SafetensorsMetadata metadata = {{"format", "pt"}};
  const std::string text = FormatSafetensorsHeader(tensors, metadata);
  EXPECT_EQ(text.size() % 8, 0u);
  MOE_ASSERT_OK_AND_ASSIGN(
      const uint64_t size,
      ParseSafetensorsHeaderSize(text.substr(0, 8), text.size() + 26));
  EXPECT_EQ(size, text.size() - 8);
  MOE_ASSERT_OK_AND_ASSIGN(
      const SafetensorsHeader header,
      ParseSafetensorsHeader(absl::string_view(text).substr(8),
                             text.size() + 26));  // 26 = 3 * 8 + 0 + 2
  ASSERT_THAT(header.tensors, SizeIs(3));
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(header.tensors[i].spec, tensors[i]);
  }
  EXPECT_EQ(header.metadata, metadata);
  EXPECT_EQ(header.data_offset, text.size());
}

TEST(FormatSafetensorsHeaderTest, IsTheReferencesText) {
  EXPECT_EQ(FormatSafetensorsHeader({{"w", Dtype::kF32, {2, 2}}}, {}),
            std::string("\x40\0\0\0\0\0\0\0", 8) +
                R"({"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}})" +
                std::string(7, ' '));  // 57 bytes of JSON, padded to 64 = 0x40
}

}  // namespace
}  // namespace moe::checkpoint
