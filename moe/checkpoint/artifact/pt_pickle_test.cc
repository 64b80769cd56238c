#include "moe/checkpoint/artifact/pt_pickle.h"

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;
constexpr absl::StatusCode kUnimplemented = absl::StatusCode::kUnimplemented;

// The storage "0": the bytes 0 to 23, that is 6 elements of 4 bytes.
absl::StatusOr<std::string> SixElements(absl::string_view key) {
  if (key != "0") return absl::NotFoundError("no such record");
  std::string bytes;
  for (char i = 0; i < 24; ++i) bytes.push_back(i);
  return bytes;
}

absl::StatusOr<PtValue> Parse(absl::string_view program,
                              const PtLimits& limits = PtLimitsOf(1000, 1000)) {
  return ParsePtPickle(absl::StrCat("\x80\x02", program, "."), SixElements,
                       limits);
}

std::string Text(absl::string_view text) {
  return absl::StrCat("\x8c", std::string(1, static_cast<char>(text.size())),
                      text);
}

std::string Int(int value) {
  return absl::StrCat("K", std::string(1, static_cast<char>(value)));
}

// A call of _rebuild_tensor_v2 on a storage of `type` with `num_elements`;
// `view` is offset, sizes and strides.
std::string Tensor(absl::string_view view, absl::string_view type = "Float",
                   int num_elements = 6) {
  return absl::StrCat("ctorch._utils\n_rebuild_tensor_v2\n((", Text("storage"),
                      "ctorch\n", type, "Storage\n", Text("0"), Text("cuda:1"),
                      Int(num_elements), "tQ", view,
                      "\x89"
                      "ccollections\nOrderedDict\n)RtR");
}

PtValue Number(int64_t number) { return {number}; }

TEST(PtPickleTest, Numbers) {
  EXPECT_THAT(Parse("K\xff"), IsOkAndHolds(Number(255)));
  EXPECT_THAT(Parse("M\x01\x02"), IsOkAndHolds(Number(513)));
  EXPECT_THAT(Parse("J\xfb\xff\xff\xff"), IsOkAndHolds(Number(-5)));
  EXPECT_THAT(Parse(std::string("\x8a\x00", 2)), IsOkAndHolds(Number(0)));
  EXPECT_THAT(Parse("\x8a\x02\xff\x7f"), IsOkAndHolds(Number(0x7fff)));
  EXPECT_THAT(Parse(std::string("\x8a\x02\x00\x80", 4)),
              IsOkAndHolds(Number(-32768)));
  // 1.5 = 0x3ff8000000000000, big-endian.
  EXPECT_THAT(Parse(std::string("G\x3f\xf8\0\0\0\0\0\0", 9)),
              IsOkAndHolds(PtValue{1.5}));
}

TEST(PtPickleTest, Containers) {
  EXPECT_THAT(Parse("](K\x01K\x02"
                    "e"),
              IsOkAndHolds(PtValue{PtInts{1, 2}}));
  EXPECT_THAT(Parse("K\x01K\x02\x86"), IsOkAndHolds(PtValue{PtInts{1, 2}}));
  EXPECT_THAT(Parse("]]a"), IsOkAndHolds(PtValue{PtList{{PtInts()}}}));
  PtDict dict;
  dict.Add("a", Number(1));
  dict.Add(int64_t{2}, {PtInts()});
  EXPECT_THAT(Parse(absl::StrCat("}(", Text("a"), "K\x01K\x02)u")),
              IsOkAndHolds(PtValue{dict}));
  EXPECT_THAT(Parse(absl::StrCat("ccollections\nOrderedDict\n)R(", Text("a"),
                                 "K\x01K\x02)u")),
              IsOkAndHolds(PtValue{dict}));
  // The memo: one list in two places.
  EXPECT_THAT(Parse("](]q\x07h\x07"
                    "e"),
              IsOkAndHolds(PtValue{PtList{{PtInts()}, {PtInts()}}}));
}

TEST(PtPickleTest, ProtocolFour) {
  const std::string frame = std::string("\x95\x09\0\0\0\0\0\0\0", 9);
  EXPECT_THAT(
      Parse(absl::StrCat(frame, "}\x94", Text("k"), "\x94K\x01s")),
      IsOkAndHolds(Parse(absl::StrCat("}", Text("k"), "K\x01s")).value()));
  EXPECT_THAT(
      Parse(absl::StrCat(Text("collections"), Text("OrderedDict"), "\x93)R")),
      IsOkAndHolds(PtValue{PtDict()}));
}

// The byte of each element that comes first, 4 times the element's number.
std::vector<int> FirstBytes(const absl::StatusOr<PtValue>& value) {
  std::vector<int> first;
  const HostTensor& tensor = *value->As<HostTensor>();
  for (size_t i = 0; i < tensor.bytes.size(); i += 4) {
    first.push_back(tensor.bytes[i] / 4);
  }
  return first;
}

TEST(PtPickleTest, GathersViews) {
  using ::testing::ElementsAre;
  // [2, 3] with strides [3, 1], its transpose, every second from 1 on, and one
  // element thrice.
  EXPECT_THAT(
      FirstBytes(Parse(Tensor(Int(0) + "K\x02K\x03\x86K\x03K\x01\x86"))),
      ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(
      FirstBytes(Parse(Tensor(Int(0) + "K\x03K\x02\x86K\x01K\x03\x86"))),
      ElementsAre(0, 3, 1, 4, 2, 5));
  EXPECT_THAT(FirstBytes(Parse(Tensor(Int(1) + "K\x03\x85K\x02\x85"))),
              ElementsAre(1, 3, 5));
  EXPECT_THAT(FirstBytes(Parse(Tensor(Int(5) + "K\x03\x85" + Int(0) + "\x85"))),
              ElementsAre(5, 5, 5));
  EXPECT_THAT(FirstBytes(Parse(Tensor(Int(4) + "))"))), ElementsAre(4));
  // A dimension of 1 may have any stride; one of 0 leaves nothing.
  EXPECT_THAT(FirstBytes(Parse(Tensor(
                  Int(2) + "K\x01\x85\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"
                           "\x85"))),
              ElementsAre(2));
  EXPECT_THAT(FirstBytes(Parse(Tensor(Int(6) + Int(0) + "\x85K\x01\x85"))),
              ElementsAre());
}

TEST(PtPickleTest, TensorTypes) {
  const std::string view = Int(0) + "K\x02\x85K\x01\x85";
  for (const auto& [type, dtype, num_elements] :
       {std::tuple{"Double", Dtype::kF64, 3},
        {"Half", Dtype::kF16, 12},
        {"BFloat16", Dtype::kBF16, 12},
        {"Long", Dtype::kI64, 3},
        {"Int", Dtype::kI32, 6},
        {"Bool", Dtype::kBool, 24}}) {
    MOE_ASSERT_OK_AND_ASSIGN(const PtValue value,
                             Parse(Tensor(view, type, num_elements)));
    const HostTensor& tensor = *value.As<HostTensor>();
    EXPECT_EQ(tensor.dtype, dtype) << type;
    EXPECT_EQ(tensor.shape, Shape{2}) << type;
  }
  EXPECT_THAT(Parse(Tensor(view, "ComplexFloat")),
              StatusIs(kUnimplemented, HasSubstr("torch ComplexFloatStorage")));
}

TEST(PtPickleTest, RefusesViewsBeyondTheStorage) {
  for (const std::string& view :
       {Int(0) + "K\x07\x85K\x01\x85", Int(1) + "K\x06\x85K\x01\x85",
        Int(0) + "K\x02\x85K\x06\x85", Int(6) + "))",
        Int(0) + "K\x02K\x03\x86K\x04K\x01\x86",
        // 2^40 by a stride of 2^40: the product must not wrap around.
        Int(0) + std::string("\x8a\x06\0\0\0\0\0\x01\x85\x8a\x06\0\0\0\0\0\x01"
                             "\x85",
                             18)}) {
    EXPECT_THAT(Parse(Tensor(view)),
                StatusIs(kInvalid, AllOf(HasSubstr("does not fit its storage"),
                                         HasSubstr("REDUCE"))));
  }
  EXPECT_THAT(
      Parse(Tensor(Int(0) + "K\x02\x85K\x01\x85", "Float", 7)),
      StatusIs(
          absl::StatusCode::kDataLoss,
          HasSubstr("data/0: expected 7 elements of F32, found 24 bytes")));
  EXPECT_THAT(Parse(Tensor(Int(0) + "J\xff\xff\xff\xff\x85K\x01\x85")),
              StatusIs(kInvalid, HasSubstr("no valid number")));
}

struct BadPickle {
  std::string program;
  absl::StatusCode code;
  std::string message;
};

TEST(PtPickleTest, RefusesWhatIsMalformed) {
  const std::vector<BadPickle> cases = {
      {"", kInvalid, "found 0 values"},
      {"K\x01K\x01", kInvalid, "found 2 values"},
      {"(K\x01", kInvalid, "1 marks"},
      {"t", kInvalid, "byte 2 of the pickle: TUPLE: there is no mark"},
      {"a", kInvalid, "APPEND: the stack is empty"},
      {"](a", kInvalid, "the stack is empty"},
      {"K\x01K\x01"
       "a",
       kInvalid, "expected a list, found an int"},
      {"]K\x01K\x01s", kInvalid, "expected a dict, found a list"},
      {"}(K\x01u", kInvalid, "a key has no value"},
      {"h\x05", kInvalid, "slot 5 of the memo is empty"},
      {"q\x05", kInvalid, "the stack is empty"},
      {"\x86", kInvalid, "the stack is empty"},
      {"K\x01K\x01R", kInvalid, "an int is called with an int"},
      {"K\x01Q", kInvalid, "the id is not a tuple"},
      {")Q", kInvalid, "not that of a storage"},
      {"ctorch._utils\n_rebuild_tensor_v2\n)R", kInvalid, "storage or offset"},
      {"ctorch._utils\n_rebuild_parameter\n)R", kInvalid, "no tensor"},
      {"K\x01K\x01\x93", kInvalid, "not a string"},
      {"}(K\x01K\x01K\x01K\x02u", kInvalid, "the key [1] occurs twice"},
      {"]q\x01h\x01"
       "a",
       kInvalid, "nested deeper than 32"},
      {"cos\nsystem\nX\x02", absl::StatusCode::kDataLoss, "truncated"},
      {"cos\nsystem", absl::StatusCode::kDataLoss, "a line has no end"},
      {absl::StrCat("cos\nsystem\n", Text("true"), "\x85R"), kUnimplemented,
       "found a call of \"os system\""},
      {"cos\nsystem\n", kUnimplemented, "a Python global"},
      {"N", kUnimplemented, "found None"},
      {absl::StrCat("}", Text("a"),
                    "]\x88"
                    "as"),
       kUnimplemented,
       "[\"a\"][0]: expected an int, float, list, dict or tensor, found a "
       "bool"},
      {"}NK\x01s", kUnimplemented, "as key, found None"},
      {Text("text"), kUnimplemented, "found a string"},
      {"\x8f", kUnimplemented, "opcode 0x8f"},
      {"\x8a\x09", kUnimplemented, "more than 64 bits"},
      {"\x80\x07", kUnimplemented, "expected pickle protocol 2 to 5, found 7"},
  };
  for (const BadPickle& bad : cases) {
    EXPECT_THAT(Parse(bad.program), StatusIs(bad.code, HasSubstr(bad.message)))
        << bad.program;
  }
}

TEST(PtPickleTest, LimitsWhatSmallFilesGrowInto) {
  // A tuple of the tuple before, twice, twenty times over: 2^20 empty tuples
  // out of some hundred bytes.
  std::string doubling = ")q\x01";
  for (int i = 0; i < 20; ++i) doubling += "h\x01\x86q\x01";
  PtLimits limits = PtLimitsOf(1000, 1000);
  limits.num_values = 1000;
  limits.data_bytes = 8;
  EXPECT_THAT(Parse(doubling, limits),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("expected at most 1000 values")));
  MOE_EXPECT_OK(Parse(Tensor(Int(0) + "K\x02\x85K\x01\x85"), limits));
  EXPECT_THAT(Parse(Tensor(Int(0) + "K\x03\x85K\x01\x85"), limits),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("ints of at most 8 bytes")));
}

TEST(PtPickleTest, RefusesTensorsThatAreLargerThanTheirStorage) {
  // Seven elements of six; 2^40 of six, by strides of 0.
  const std::string huge = std::string("\x8a\x06\0\0\0\0\0\x01", 8);
  for (const std::string& view : {Int(0) + "K\x07\x85" + Int(0) + "\x85",
                                  Int(5) + huge + "\x85" + Int(0) + "\x85",
                                  Int(0) + "K\x04K\x02\x86K\x01K\x01\x86"}) {
    EXPECT_THAT(
        Parse(absl::StrCat("}", Text("w"), Tensor(view), "s")),
        StatusIs(kInvalid,
                 AllOf(HasSubstr("[\"w\"]: expected a tensor of at most "
                                 "6 elements, as many as its storage "
                                 "data/0 has, found "),
                       HasSubstr("save tensor.contiguous()"))));
  }
}

TEST(PtPickleTest, SharesWhatStandsInManyPlaces) {
  const std::string tensor = Tensor(Int(0) + "K\x06\x85K\x01\x85");
  // [t, t, [1, 2], the same list, {1: t}, the same dict].
  MOE_ASSERT_OK_AND_ASSIGN(
      const PtValue value,
      Parse(absl::StrCat("](", tensor,
                         "q\x01h\x01](K\x01K\x02"
                         "eq\x02h\x02}K\x01h\x01sq\x03h\x03"
                         "e")));
  const PtList& list = *value.As<PtList>();
  ASSERT_EQ(list.size(), 6u);
  EXPECT_EQ(list[0].As<HostTensor>(), list[1].As<HostTensor>());
  EXPECT_EQ(list[2].As<PtInts>(), list[3].As<PtInts>());
  EXPECT_EQ(list[4].As<PtDict>(), list[5].As<PtDict>());
  EXPECT_EQ(list[4].As<PtDict>()->entries[0].value.As<HostTensor>(),
            list[0].As<HostTensor>());
}

TEST(PtPickleTest, LimitsFollowTheSizeOfTheFile) {
  // A tensor in 2^15 places is 2^16 - 1 values; 1000 bytes of pickle justify
  // 2^16 + 1000, and twice as many are too many.
  std::string program = Tensor(Int(0) + "K\x06\x85K\x01\x85") + "q\x01";
  for (int i = 0; i < 15; ++i) program += "h\x01\x86q\x01";
  MOE_EXPECT_OK(Parse(program, PtLimitsOf(1000, 1000)));
  program += "h\x01\x86q\x01";
  EXPECT_THAT(Parse(program, PtLimitsOf(1000, 1000)),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("expected at most 66536 values")));
  MOE_EXPECT_OK(Parse(program, PtLimitsOf(100000, 1000)));
  // A list of 100 ints in 2^16 places: 52 MB.
  std::string ints = "](";
  for (int i = 0; i < 100; ++i) ints += "K\x01";
  ints += "eq\x01";
  for (int i = 0; i < 16; ++i) ints += "h\x01\x86q\x01";
  EXPECT_THAT(Parse(ints, PtLimitsOf(100000, 1000)),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("expected tensors and lists of ints of at "
                                 "most 33558432 bytes")));
  MOE_EXPECT_OK(Parse(ints, PtLimitsOf(100000, 10000000)));
}

TEST(PtPickleTest, LimitsTheDepthOfWhatIsShared) {
  // Twenty lists in each other, and then the same under twenty more.
  std::string program = "]";
  for (int i = 0; i < 20; ++i) program += "\x85";
  program += "q\x01";
  std::string deeper = "h\x01";
  for (int i = 0; i < 20; ++i) deeper += "\x85";
  MOE_EXPECT_OK(Parse(program));
  EXPECT_THAT(Parse(absl::StrCat(program, deeper, "\x86")),
              StatusIs(kInvalid, HasSubstr("nested deeper than 32")));
}

auto IsOverLabelLimit() {
  return StatusIs(absl::StatusCode::kResourceExhausted,
                  HasSubstr("shapes take more than the limit of 100 bytes"));
}

PtLimits FewLabels() {
  PtLimits limits = PtLimitsOf(1000, 1000);
  limits.label_bytes = 100;
  return limits;
}

TEST(PtPickleTest, LimitsTheBytesOfKeysThatAreReferredToAgain) {
  const std::string key(40, 'k');
  std::string program = absl::StrCat("](}", Text(key), "q\x01K\x01s");
  program += "}h\x01K\x01s";
  MOE_EXPECT_OK(Parse(program + "e", FewLabels()));
  program += "}h\x01K\x01s";
  EXPECT_THAT(Parse(program + "e", FewLabels()), IsOverLabelLimit());
}

TEST(PtPickleTest, LimitsTheBytesOfShapesThatAreRebuiltAgain) {
  // Size (1, 1, 1, 1) and stride the same: 64 bytes to rebuild it, and 32 for
  // the tree, however many places it stands in.
  const std::string ones = "(K\x01K\x01K\x01K\x01t";
  const std::string tensor = Tensor(Int(0) + ones + ones);
  MOE_EXPECT_OK(Parse(absl::StrCat("](", tensor, "q\x01h\x01h\x01h\x01", "e"),
                      FewLabels()));
  EXPECT_THAT(Parse(absl::StrCat("](", tensor, tensor, "e"), FewLabels()),
              IsOverLabelLimit());
}

TEST(PtPickleTest, LimitsTheBytesOfNamesThatAreReferredToAgain) {
  const std::string name = absl::StrCat(Text(std::string(30, 'n')), "q\x01");
  std::string globals = absl::StrCat("](", name, "h\x01\x93");
  EXPECT_THAT(Parse(globals + "h\x01h\x01\x93"
                              "e",
                    FewLabels()),
              IsOverLabelLimit());
  const std::string id =
      absl::StrCat("(", Text("storage"), "ctorch\nFloatStorage\n", name,
                   Text("cpu"), "K\x06tq\x02Q");
  EXPECT_THAT(Parse(absl::StrCat("](", id, "h\x02Qh\x02Qh\x02Qe"), FewLabels()),
              IsOverLabelLimit());
}

TEST(PtPickleTest, EveryTruncationIsAnError) {
  const std::string program =
      absl::StrCat("\x80\x02}(", Text("a"),
                   Tensor(Int(0) + "K\x02\x85K\x01\x85"), "K\x01](K",
                   "\x01K\x02"
                   "eu.");
  MOE_ASSERT_OK(ParsePtPickle(program, SixElements, PtLimitsOf(1000, 1000)));
  for (size_t size = 0; size < program.size(); ++size) {
    EXPECT_THAT(ParsePtPickle(program.substr(0, size), SixElements,
                              PtLimitsOf(1000, 1000)),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("truncated")))
        << size;
  }
}

TEST(PtPickleTest, NoByteCanBreakIt) {
  const std::string program =
      absl::StrCat("\x80\x02}(", Text("a"),
                   Tensor(Int(0) + "K\x02\x85K\x01\x85"), "K\x01](K",
                   "\x01K\x02"
                   "eu.");
  for (size_t i = 0; i < program.size(); ++i) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string damaged = program;
      damaged[i] = static_cast<char>(byte);
      // Any status will do; a read out of bounds shows under a sanitizer.
      ParsePtPickle(damaged, SixElements, PtLimitsOf(1000, 1000))
          .status()
          .IgnoreError();
    }
  }
}

}  // namespace
}  // namespace moe::checkpoint
