#include "moe/kernels/sums/sums_record.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/sha256.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/kernels/sums/wide_integer.h"

namespace moe::kernels {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::HasSubstr;

// 2 groups, 3 columns, 2 ranges with 133 tokens.
SumsRecord Example() {
  SumsRecord record;
  record.kind = 4;
  record.num_columns = 3;
  record.fraction_bits = {64, 80};
  record.counts = {130, 3};
  EXPECT_TRUE(record.tokens.Insert({0, 128}).ok());
  EXPECT_TRUE(record.tokens.Insert({256, 261}).ok());
  record.sums = {0,
                 1,
                 -1,
                 Int128{1} << 100,
                 -(Int128{1} << 100),
                 static_cast<Int128>(Uint128{1} << 127)};
  return record;
}

// The offsets of Example's fields.
constexpr size_t kGroups = 16;
constexpr size_t kColumns = 24;
constexpr size_t kRanges = 32;
constexpr size_t kFractionBits = 40;
constexpr size_t kCounts = kFractionBits + 2 * 4;
constexpr size_t kTokens = kCounts + 2 * 8;
constexpr size_t kSums = kTokens + 2 * 16;
constexpr size_t kDigest = kSums + 6 * 16;
constexpr size_t kEnd = kDigest + 32;

// With the digest made right.
std::string Seal(std::string bytes) {
  const base::Sha256Digest digest =
      base::Sha256Of(absl::string_view(bytes).substr(0, bytes.size() - 32));
  for (size_t i = 0; i < 32; ++i) {
    bytes[bytes.size() - 32 + i] = static_cast<char>(digest[i]);
  }
  return bytes;
}

std::string WithUint64(std::string bytes, size_t offset, uint64_t value) {
  for (size_t i = 0; i < 8; ++i) {
    bytes[offset + i] = static_cast<char>(value >> (8 * i) & 0xff);
  }
  return Seal(bytes);
}

void ExpectEqual(const SumsRecord& got, const SumsRecord& want) {
  EXPECT_EQ(got.kind, want.kind);
  EXPECT_EQ(got.num_columns, want.num_columns);
  EXPECT_EQ(got.fraction_bits, want.fraction_bits);
  EXPECT_EQ(got.counts, want.counts);
  EXPECT_EQ(got.tokens, want.tokens);
  EXPECT_TRUE(got.sums == want.sums);
}

TEST(SumsRecordTest, HasTheBytesOfTheFormat) {
  const std::string bytes = FormatSumsRecord(Example());
  ASSERT_EQ(bytes.size(), kEnd);
  EXPECT_EQ(absl::BytesToHexString(bytes.substr(0, kCounts)),
            "4d4f452d53554d53"
            "01000000"
            "04000000"
            "0200000000000000"
            "0300000000000000"
            "0200000000000000"
            "40000000"
            "50000000");
  EXPECT_EQ(absl::BytesToHexString(bytes.substr(kCounts, kSums - kCounts)),
            "8200000000000000"
            "0300000000000000"
            "0000000000000000"
            "8000000000000000"
            "0001000000000000"
            "0501000000000000");
  EXPECT_EQ(absl::BytesToHexString(bytes.substr(kSums, kDigest - kSums)),
            "00000000000000000000000000000000"
            "01000000000000000000000000000000"
            "ffffffffffffffffffffffffffffffff"
            "00000000000000000000000010000000"
            "000000000000000000000000f0ffffff"
            "00000000000000000000000000000080");
  EXPECT_EQ(absl::BytesToHexString(bytes.substr(kDigest)),
            base::HexSha256Of(bytes.substr(0, kDigest)));
}

TEST(SumsRecordTest, RoundTrip) {
  for (SumsRecord record : {Example(), SumsRecord()}) {
    MOE_ASSERT_OK_AND_ASSIGN(const SumsRecord parsed,
                             ParseSumsRecord(FormatSumsRecord(record)));
    ExpectEqual(parsed, record);
  }
}

TEST(SumsRecordTest, EveryTruncationIsDataLoss) {
  const std::string bytes = FormatSumsRecord(Example());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THAT(
        ParseSumsRecord(bytes.substr(0, size)),
        StatusIs(absl::StatusCode::kDataLoss, HasSubstr("truncated sums")))
        << size;
  }
}

TEST(SumsRecordTest, EveryFlippedBitIsAnError) {
  const std::string bytes = FormatSumsRecord(Example());
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(ParseSumsRecord(flipped).ok()) << bit;
  }
}

// What gets past the digest is an error, or the record of those very bytes.
TEST(SumsRecordTest, EveryFlippedBitUnderARightDigestIsAnErrorOrItself) {
  const std::string bytes = FormatSumsRecord(Example());
  for (size_t bit = 0; bit < 8 * kDigest; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    flipped = Seal(flipped);
    const absl::StatusOr<SumsRecord> parsed = ParseSumsRecord(flipped);
    if (parsed.ok()) {
      EXPECT_EQ(FormatSumsRecord(*parsed), flipped) << bit;
    }
    // Nothing checks a sum, or a kind.
    if (bit >= 8 * kSums) {
      MOE_EXPECT_OK(parsed);
    }
  }
}

TEST(SumsRecordTest, NamesWhatIsWrong) {
  const std::string bytes = FormatSumsRecord(Example());
  const auto expect = [](const std::string& wrong, absl::StatusCode code,
                         const std::string& message) {
    EXPECT_THAT(ParseSumsRecord(wrong), StatusIs(code, HasSubstr(message)));
  };
  constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;
  std::string wrong = bytes;
  wrong[0] = 'm';
  expect(Seal(wrong), kInvalid, "expected \"MOE-SUMS\" at the start");
  wrong = bytes;
  wrong[8] = 2;
  expect(Seal(wrong), absl::StatusCode::kUnimplemented,
         "sums: format version: expected 1, found 2");
  expect(Seal(bytes + "x"), kInvalid, "expected 224 bytes, found 225");
  wrong = bytes;
  wrong[kSums] = 1;
  expect(wrong, absl::StatusCode::kDataLoss,
         "corrupted sums: expected the SHA-256 of the first 192 bytes");
  wrong = bytes;
  wrong[kFractionBits] = static_cast<char>(128);
  expect(Seal(wrong), kInvalid,
         "fraction bits of group 0: expected 0 to 127, found 128");
  wrong[kFractionBits + 3] = static_cast<char>(255);
  expect(Seal(wrong), kInvalid,
         "fraction bits of group 0: expected 0 to 127, found -");
  expect(WithUint64(bytes, kCounts + 8, 134), kInvalid,
         "number of tokens in group 1: expected 0 to 133, found 134");
  expect(WithUint64(bytes, kCounts, ~uint64_t{0}), kInvalid,
         "number of tokens in group 0: expected 0 to 133, found -1");
}

TEST(SumsRecordTest, HugeShapesAreErrorsAndAllocateNothing) {
  const std::string bytes = FormatSumsRecord(Example());
  for (const size_t offset : {kGroups, kColumns, kRanges}) {
    for (const uint64_t value :
         {uint64_t{4}, uint64_t{1} << 31, uint64_t{1} << 32}) {
      EXPECT_THAT(ParseSumsRecord(WithUint64(bytes, offset, value)),
                  StatusIs(absl::StatusCode::kDataLoss))
          << offset << " " << value;
    }
    for (const uint64_t value :
         {(uint64_t{1} << 32) + 1, uint64_t{1} << 60, ~uint64_t{0}}) {
      EXPECT_THAT(ParseSumsRecord(WithUint64(bytes, offset, value)),
                  StatusIs(absl::StatusCode::kInvalidArgument,
                           HasSubstr("expected at most 4294967296")))
          << offset << " " << value;
    }
  }
  // 2^32 groups of 2^32 columns: 2^68 bytes.
  EXPECT_THAT(
      ParseSumsRecord(WithUint64(WithUint64(bytes, kGroups, uint64_t{1} << 32),
                                 kColumns, uint64_t{1} << 32)),
      StatusIs(absl::StatusCode::kDataLoss, HasSubstr("more than 2^64")));
}

TEST(SumsRecordTest, RangesOfTokensAreInTheirOnlyForm) {
  const std::string bytes = FormatSumsRecord(Example());
  const auto status_with = [&](uint64_t begin, uint64_t end) {
    return ParseSumsRecord(WithUint64(WithUint64(bytes, kTokens + 16, begin),
                                      kTokens + 24, end))
        .status();
  };
  MOE_EXPECT_OK(status_with(256, 261));
  // Joins the one before; before it; inside a chunk; of negative length.
  EXPECT_THAT(status_with(128, 200),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("range 1 of tokens")));
  EXPECT_THAT(status_with(0, 200),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(status_with(257, 261),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("begin inside a chunk")));
  EXPECT_THAT(status_with(256, 256),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(status_with(256, uint64_t{1} << 63),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace moe::kernels
