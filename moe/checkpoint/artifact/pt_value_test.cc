#include "moe/checkpoint/artifact/pt_value.h"

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

PtValue Number(int64_t number) { return {number}; }

// {3: {"attn": {"mean": 1.5}}}
PtValue Nested() {
  PtDict fields;
  fields.Add("mean", {1.5});
  PtDict parts;
  parts.Add("attn", {std::move(fields)});
  PtDict layers;
  layers.Add(int64_t{3}, {std::move(parts)});
  return {std::move(layers)};
}

TEST(PtCursorTest, ErrorsNameThePlaceAsPythonDoes) {
  const PtValue value = Nested();
  MOE_ASSERT_OK_AND_ASSIGN(const PtCursor layer,
                           PtCursor(value).At(int64_t{3}));
  MOE_ASSERT_OK_AND_ASSIGN(const PtCursor part, layer.At("attn"));
  MOE_ASSERT_OK_AND_ASSIGN(const PtCursor mean, part.At("mean"));
  EXPECT_EQ(mean.path(), "[3][\"attn\"][\"mean\"]");
  EXPECT_THAT(mean.Tensor(), StatusIs(kInvalid,
                                      "[3][\"attn\"][\"mean\"]: expected "
                                      "a tensor, found a float"));
  EXPECT_THAT(part.At("variance"), StatusIs(kInvalid,
                                            "[3][\"attn\"]: expected the key "
                                            "[\"variance\"], found none"));
  EXPECT_THAT(
      part.OnlyKeys({"number"}),
      StatusIs(
          kInvalid,
          HasSubstr("expected only the keys [\"number\"], found [\"mean\"]")));
  MOE_EXPECT_OK(part.OnlyKeys({"number", "mean"}));
  EXPECT_THAT(mean.Dict(), StatusIs(kInvalid));
  EXPECT_THAT(mean.Items(), StatusIs(kInvalid));
  EXPECT_THAT(
      PtCursor(value).Ints(),
      StatusIs(
          kInvalid,
          HasSubstr("the top level: expected a list of ints, found a dict")));
}

TEST(PtCursorTest, NumberedKeysInAnyOrder) {
  PtDict dict;
  dict.Add(int64_t{1}, Number(11));
  dict.Add(int64_t{0}, Number(10));
  const PtValue value = {dict};
  MOE_ASSERT_OK_AND_ASSIGN(const auto cursors,
                           PtCursor(value).Numbered("layers"));
  ASSERT_EQ(cursors.size(), 2);
  EXPECT_EQ(cursors[0].value(), Number(10));
  EXPECT_EQ(cursors[1].path(), "[1]");
}

TEST(PtCursorTest, NumberedRefusesGapsStringsAndNothing) {
  PtDict gap;
  gap.Add(int64_t{0}, Number(0));
  gap.Add(int64_t{2}, Number(0));
  const PtValue with_gap = {gap};
  EXPECT_THAT(
      PtCursor(with_gap).Numbered("layers"),
      StatusIs(kInvalid,
               HasSubstr("expected the keys 0 to 1 for 2 layers, found [2]")));
  PtDict text;
  text.Add("0", Number(0));
  const PtValue with_text = {text};
  EXPECT_THAT(PtCursor(with_text).Numbered("layers"),
              StatusIs(kInvalid, HasSubstr("found [\"0\"]")));
  const PtValue empty = {PtDict()};
  EXPECT_THAT(
      PtCursor(empty).Numbered("layers"),
      StatusIs(kInvalid, HasSubstr("expected layers, found an empty dict")));
}

TEST(PtCursorTest, IntsAreAListOrATensor) {
  const PtValue list = {PtInts{3, 4}};
  EXPECT_THAT(PtCursor(list).Ints(), IsOkAndHolds(ElementsAre(3, 4)));
  const std::string bytes("\x05\0\0\0\0\0\0\0", 8);
  const PtValue tensor = {HostTensor{Dtype::kI64, {1}, bytes}};
  EXPECT_THAT(PtCursor(tensor).Ints(), IsOkAndHolds(ElementsAre(5)));
  const PtValue wide = {HostTensor{Dtype::kI64, {1, 1}, bytes}};
  EXPECT_THAT(PtCursor(wide).Ints(),
              StatusIs(kInvalid, HasSubstr("tensor I64 [1, 1]")));
  const PtValue empty = {PtInts()};
  MOE_ASSERT_OK_AND_ASSIGN(const auto items, PtCursor(empty).Items());
  EXPECT_TRUE(items.empty());
  EXPECT_THAT(PtCursor(list).Items(), StatusIs(kInvalid));
}

TEST(PtValueTest, ComparesDeeply) {
  EXPECT_EQ(Nested(), Nested());
  PtDict other = *Nested().As<PtDict>();
  other.Add(int64_t{4}, Number(1));
  EXPECT_FALSE(PtValue{other} == Nested());
  EXPECT_FALSE(Number(1) == PtValue{1.0});
}

TEST(PtValueTest, CopiesShareWhatTheyHold) {
  const PtValue tensor = {HostTensor{Dtype::kU8, {2}, "ab"}};
  const PtValue list = {PtList{tensor, tensor}};
  const PtValue copy = list;
  EXPECT_EQ(copy.As<PtList>(), list.As<PtList>());
  for (const PtValue& item : *list.As<PtList>()) {
    EXPECT_EQ(item.As<HostTensor>(), tensor.As<HostTensor>());
  }
  EXPECT_EQ(tensor.As<PtInts>(), nullptr);
  EXPECT_EQ(*Number(3).As<int64_t>(), 3);
}

}  // namespace
}  // namespace moe::checkpoint
