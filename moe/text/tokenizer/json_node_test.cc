#include "moe/text/tokenizer/json_node.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::text {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::testing::HasSubstr;

TEST(JsonNodeTest, ReadsAndSaysWhere) {
  const base::SortedJson document =
      base::ParseSortedJson(
          R"({"a":{"b":[1,"x",-3,true,null,"é"]},"n":null,"big":18446744073709551615})")
          .value();
  const JsonNode root(document);
  EXPECT_EQ(root.path(), "/");
  MOE_ASSERT_OK_AND_ASSIGN(const JsonNode a, root.Get("a"));
  MOE_ASSERT_OK_AND_ASSIGN(const JsonNode b, a.Get("b"));
  MOE_ASSERT_OK_AND_ASSIGN(const std::vector<JsonNode> items, b.Items());
  EXPECT_THAT(items[0].AsInt(0, 1), IsOkAndHolds(1));
  EXPECT_THAT(items[2].AsInt(-3, 1), IsOkAndHolds(-3));
  EXPECT_THAT(items[1].AsString(), IsOkAndHolds("x"));
  EXPECT_THAT(items[5].AsCharacter(), IsOkAndHolds("é"));
  EXPECT_THAT(items[3].AsBool(), IsOkAndHolds(true));
  EXPECT_THAT(items[1].AsInt(0, 9),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("/a/b/1: expected a whole number from 0 to "
                                 "9, found \"x\"")));
  EXPECT_THAT(items[0].AsInt(2, 9),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(root.Get("big")->AsInt(0, INT64_MAX),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(items[0].AsString(),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(items[0].AsBool(), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(items[0].Items(), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(a.AsCharacter(), StatusIs(absl::StatusCode::kInvalidArgument,
                                        HasSubstr("an object of 1")));
}

TEST(JsonNodeTest, AbsentAndNullAreAlike) {
  const base::SortedJson document =
      base::ParseSortedJson(R"({"n":null,"t":true})").value();
  const JsonNode root(document);
  EXPECT_THAT(root.Get("n"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("expected the field \"n\", found none")));
  EXPECT_THAT(root.GetBoolOr("n", true), IsOkAndHolds(true));
  EXPECT_THAT(root.GetBoolOr("x", false), IsOkAndHolds(false));
  EXPECT_THAT(root.GetBoolOr("t", false), IsOkAndHolds(true));
  EXPECT_FALSE(root.Find("n")->has_value());
  EXPECT_THAT(root.Get("t")->Find("x"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("/t: expected an object, found true")));
}

TEST(JsonNodeTest, NullMayMatter) {
  const base::SortedJson document =
      base::ParseSortedJson(R"({"n":null})").value();
  const JsonNode root(document);
  EXPECT_THAT(root.FindEvenNull("n").value()->AsString(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("/n: expected a string, found null")));
  EXPECT_FALSE(root.FindEvenNull("x")->has_value());
}

TEST(JsonNodeTest, Choices) {
  const base::SortedJson document =
      base::ParseSortedJson(R"({"one":{"A":7},"none":{},"two":{"A":1,"B":2}})")
          .value();
  const JsonNode root(document);
  MOE_ASSERT_OK_AND_ASSIGN(const JsonNode one, root.Get("one"));
  MOE_ASSERT_OK_AND_ASSIGN(const JsonNode::Choice choice, one.AsChoice("A, B"));
  EXPECT_EQ(choice.name, "A");
  EXPECT_EQ(choice.value.path(), "/one/A");
  EXPECT_THAT(choice.value.AsUnsigned(7), IsOkAndHolds(7u));
  EXPECT_THAT(
      choice.value.AsUnsigned(6),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("expected a whole number from 0 to 6, found 7")));
  for (const char* field : {"none", "two"}) {
    EXPECT_THAT(root.Get(field)->AsChoice("A, B").status(),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("expected an object with one field of A, B, "
                                   "found an object of ")));
  }
}

TEST(JsonNodeTest, OnlyKnownFields) {
  const base::SortedJson document =
      base::ParseSortedJson(R"({"a":1,"b":2})").value();
  const JsonNode root(document);
  MOE_EXPECT_OK(root.OnlyFields({"a", "b", "c"}));
  EXPECT_THAT(root.OnlyFields({"a", "c"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("/: expected no fields but a, c, found \"b\"; "
                                 "remove it")));
}

// A name of 100,000 bytes over as many items would take 10 GB.
TEST(JsonNodeTest, PathsAreShort) {
  const std::string name(100'000, 'n');
  base::SortedJson document;
  document[name] = std::vector<int>(100'000);
  MOE_ASSERT_OK_AND_ASSIGN(const JsonNode list, JsonNode(document).Get(name));
  EXPECT_EQ(list.path(), absl::StrCat("/", std::string(60, 'n'), "..."));
  MOE_ASSERT_OK_AND_ASSIGN(const std::vector<JsonNode> items, list.Items());
  EXPECT_EQ(items.back().path(), list.path() + "/99999");
  MOE_ASSERT_OK_AND_ASSIGN(const JsonNode::Choice choice,
                           JsonNode(document).AsChoice("any"));
  EXPECT_EQ(choice.value.path(), list.path());
}

TEST(JsonNodeTest, UnknownTypes) {
  const base::SortedJson document = base::ParseSortedJson(R"({"t":1})").value();
  EXPECT_THAT(JsonNode(document).UnknownType("Foo", "A, B"),
              StatusIs(absl::StatusCode::kUnimplemented,
                       HasSubstr("/: expected one of A, B, found \"Foo\", "
                                 "which is not implemented")));
}

}  // namespace
}  // namespace moe::text
