#include "moe/kernels/sums/chunked_sums.h"

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix_view.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/kernels/sums/chunk_kernels.h"
#include "moe/kernels/sums/sums_record.h"
#include "moe/kernels/testing/kernel_test.h"

namespace moe::kernels::internal {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::kernels::testing::KernelMachines;
using ::moe::kernels::testing::TestMatrix;
using ::testing::HasSubstr;
using ::testing::ValuesIn;

std::string Name(int64_t group, int64_t column, int64_t num_columns) {
  return absl::StrCat("sum ", group, " ", column, " of ", num_columns);
}

constexpr ChunkedSumsKind kPlain = {1, ChunkTerm::kValue, false, &Name};
constexpr ChunkedSumsKind kGrouped = {4, ChunkTerm::kValue, true, &Name};

constexpr int kBits = 64;
constexpr int64_t kFeatures = 600;  // More than one block, with 3 threads.

ChunkedSums Plain(int bits = kBits) { return {kPlain, {bits}, kFeatures}; }

using ChunkedSumsTest = ::moe::kernels::testing::KernelTest;

TEST_P(ChunkedSumsTest, TokensComeInRunsThatStartAtChunks) {
  TestMatrix x(200, kFeatures);
  const base::MatrixView<const float> rows = x.view();
  ChunkedSums sums = Plain();
  const auto add = [&](int64_t first, int64_t count) {
    return sums.Add({first, rows.Rows(0, count), {}, {}}, pool());
  };
  MOE_EXPECT_OK(add(128, 100));
  MOE_EXPECT_OK(add(228, 0));
  MOE_EXPECT_OK(add(228, 10));
  EXPECT_FALSE(sums.is_finished());
  // Inside the open chunk; back; inside another chunk; negative; past the end.
  for (const int64_t first :
       {int64_t{237}, int64_t{239}, int64_t{128}, int64_t{300}, int64_t{-128},
        std::numeric_limits<int64_t>::max() - 5}) {
    EXPECT_THAT(add(first, 100), StatusIs(absl::StatusCode::kInvalidArgument))
        << first;
  }
  // An earlier chunk, which closes the open one; one that reaches into it.
  EXPECT_THAT(add(0, 129), StatusIs(absl::StatusCode::kInvalidArgument));
  MOE_EXPECT_OK(add(0, 128));
  EXPECT_TRUE(sums.is_finished());
  EXPECT_THAT(add(238, 1), StatusIs(absl::StatusCode::kInvalidArgument,
                                    HasSubstr("begin inside a chunk")));
  MOE_EXPECT_OK(add(512, 1));
  MOE_EXPECT_OK(sums.Finish());
  MOE_EXPECT_OK(sums.Finish());
  EXPECT_THAT(add(513, 1), StatusIs(absl::StatusCode::kInvalidArgument));
  MOE_EXPECT_OK(add(640, 128));
  EXPECT_EQ(sums.num_tokens(), 100 + 10 + 128 + 1 + 128);
}

TEST_P(ChunkedSumsTest, NamesTheFirstNumberThatIsNotFinite) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const int64_t num_rows : {130, 200, 256}) {
    TestMatrix x(num_rows, kFeatures);
    x.Fill("x");
    x.view().Row(129)[7] = kInfinity;
    x.view().Row(128)[599] = -kInfinity;
    x.view().Row(129)[599] = kInfinity;
    // An overflow of an earlier block of columns does not hide it.
    x.view().Row(0)[0] = 0x1p100f;
    ChunkedSums sums = Plain();
    const auto is_error = StatusIs(
        absl::StatusCode::kInvalidArgument,
        "token 1152, feature 599: expected a finite number, found -inf");
    EXPECT_THAT(sums.Add({1024, x.view(), {}, {}}, pool()), is_error);
    EXPECT_FALSE(sums.is_finished());
    // Nothing works any more.
    TestMatrix zeros(1, kFeatures);
    EXPECT_THAT(sums.Add({4096, zeros.view(), {}, {}}, pool()), is_error);
    EXPECT_THAT(sums.Finish(), is_error);
    EXPECT_THAT(sums.Merge(Plain()), is_error);
    ChunkedSums fresh = Plain();
    EXPECT_THAT(fresh.Merge(sums), is_error);
    MOE_EXPECT_OK(fresh.Finish());
  }
}

TEST_P(ChunkedSumsTest, NamesTheFirstSumThatLeavesItsRange) {
  // 100 fraction bits: the range is 2^27.
  for (const float value : {0x1p26f, -0x1p26f, 0x1p27f}) {
    TestMatrix x(300, kFeatures);
    // In the first chunk column 500, in the second column 3.
    for (int64_t r = 0; r < 2; ++r) {
      x.view().Row(r)[500] = value;
      x.view().Row(128 + r)[3] = value;
    }
    ChunkedSums sums = Plain(100);
    const auto is_error = StatusIs(
        absl::StatusCode::kOutOfRange,
        "sum 0 500 of 600 leaves the range: with 100 fraction bits, expected "
        "a magnitude below 2^27");
    EXPECT_THAT(sums.Add({0, x.view(), {}, {}}, pool()), is_error);
    EXPECT_THAT(sums.Finish(), is_error);
  }
}

TEST_P(ChunkedSumsTest, OverflowAcrossChunksAndMerges) {
  TestMatrix x(384, kFeatures);
  const base::MatrixView<const float> rows = x.view();
  for (const int64_t r : {0, 128, 256}) x.view().Row(r)[9] = 0x1p26f;
  // 2^26 + 2^26 is 2^27, just out of range; -2^27 is just in it.
  ChunkedSums sums = Plain(100);
  MOE_EXPECT_OK(sums.Add({0, rows.Rows(0, 128), {}, {}}, pool()));
  ChunkedSums other = sums;
  EXPECT_THAT(other.Add({128, rows.Rows(128, 256), {}, {}}, pool()),
              StatusIs(absl::StatusCode::kOutOfRange));
  // The open chunk's is found when it is closed.
  other = sums;
  MOE_EXPECT_OK(other.Add({128, rows.Rows(128, 200), {}, {}}, pool()));
  EXPECT_THAT(other.Finish(), StatusIs(absl::StatusCode::kOutOfRange));
  ChunkedSums shard = Plain(100);
  MOE_EXPECT_OK(shard.Add({128, rows.Rows(128, 256), {}, {}}, pool()));
  other = sums;
  EXPECT_THAT(other.Merge(shard), StatusIs(absl::StatusCode::kOutOfRange,
                                           HasSubstr("sum 0 9 of 600")));
  EXPECT_FALSE(other.is_finished());
}

TEST_P(ChunkedSumsTest, MergeWantsTheSameKindOfSumsOfOtherChunks) {
  TestMatrix x(130, kFeatures);
  ChunkedSums sums = Plain();
  MOE_EXPECT_OK(sums.Add({0, x.view(), {}, {}}, pool()));
  EXPECT_THAT(sums.Merge(Plain()),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(Plain().Merge(sums),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  MOE_EXPECT_OK(sums.Finish());
  MOE_EXPECT_OK(sums.Merge(Plain()));
  for (const ChunkedSums& other :
       {ChunkedSums(kPlain, {kBits + 1}, kFeatures),
        ChunkedSums(kPlain, {kBits}, kFeatures + 1),
        ChunkedSums(kPlain, {kBits, kBits}, kFeatures),
        ChunkedSums(kGrouped, {kBits}, kFeatures)}) {
    EXPECT_THAT(sums.Merge(other),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("sums to merge: expected kind")));
  }
  EXPECT_THAT(sums.Merge(sums),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("have a chunk of 128 tokens in common")));
  EXPECT_TRUE(sums.is_finished());
}

TEST_P(ChunkedSumsTest, ParseWantsCountsThatAddUp) {
  TestMatrix x(4, 2);
  x.Fill("x");
  const std::array<const ChunkedSumsKind*, 1> plain = {&kPlain};
  const std::array<const ChunkedSumsKind*, 2> both = {&kPlain, &kGrouped};
  const std::vector<int32_t> groups = {0, 1, 1, 0};
  ChunkedSums sums(kGrouped, {kBits, kBits}, 3);
  MOE_EXPECT_OK(sums.Add({0, x.view(), groups, {}}, pool()));
  MOE_EXPECT_OK(sums.Finish());
  MOE_EXPECT_OK(ChunkedSums::Parse(sums.Serialize(), both));
  EXPECT_THAT(ChunkedSums::Parse(sums.Serialize(), plain),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("expected kind 1, found 4")));
  for (const auto& [kind, counts] :
       {std::pair(kGrouped.id, std::vector<int64_t>{2, 1}),
        std::pair(kGrouped.id, std::vector<int64_t>{2, 3}),
        std::pair(kPlain.id, std::vector<int64_t>{4, 3})}) {
    SumsRecord record = sums.record();
    record.kind = kind;
    record.counts = counts;
    EXPECT_THAT(ChunkedSums::Parse(FormatSumsRecord(record), both),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

INSTANTIATE_TEST_SUITE_P(All, ChunkedSumsTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

}  // namespace
}  // namespace moe::kernels::internal
