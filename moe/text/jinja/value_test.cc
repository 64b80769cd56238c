#include "moe/text/jinja/value.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::text::jinja {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;

Value Of(const char* json) {
  return Value::FromJson(base::ParseJson(json).value()).value();
}

TEST(ValueTest, WritesAsPythonDoes) {
  EXPECT_EQ(Of(R"([1, 1.0, null, true, "a", {"k": [0.1, 1e20]}])").ToString(),
            "[1, 1.0, None, True, 'a', {'k': [0.1, 1e+20]}]");
  EXPECT_EQ(Value().ToString(), "");
  EXPECT_EQ(Value("a").ToString(), "a");
}

TEST(ValueTest, WritesJsonAsPythonDoes) {
  const Value value = Of(R"({"b": [1, {}], "a": "ë"})");
  EXPECT_THAT(ToJson(value, {}), IsOkAndHolds(R"({"b": [1, {}], "a": "ë"})"));
  JsonStyle style;
  style.indent = 1;
  style.sort_keys = true;
  EXPECT_THAT(ToJson(value, style),
              IsOkAndHolds("{\n \"a\": \"ë\",\n \"b\": [\n  1,\n  {}\n ]\n}"));
  EXPECT_THAT(ToJson(Value(), {}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(ValueTest, ComparesAsPythonDoes) {
  EXPECT_TRUE(Value(true) == Value(int64_t{1}));
  EXPECT_TRUE(Value(1.0) == Value(int64_t{1}));
  EXPECT_FALSE(Value("1") == Value(int64_t{1}));
  EXPECT_TRUE(Of(R"({"a": 1, "b": 2})") == Of(R"({"b": 2, "a": 1})"));
  EXPECT_THAT(Compare(Of("[1, 2]"), Of("[1, 3]")), IsOkAndHolds(-1));
  EXPECT_THAT(Compare(Value("a"), Value(int64_t{1})),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(ValueTest, NestsNoDeeperThanTheLimit) {
  Value value(int64_t{1});
  for (int i = 0; i < kMaxValueDepth; ++i) {
    value = Value::FromList({value}).value();
  }
  EXPECT_THAT(Value::FromList({value}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Value::FromList({Value(std::make_shared<Value::Dict>())}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(ValueTest, NumbersBeyond64BitsAreRefused) {
  EXPECT_THAT(Value::FromJson(base::Json(UINT64_MAX)),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace moe::text::jinja
