#include "moe/kernels/sums/sums_record.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/sha256.h"
#include "moe/base/status_macros.h"
#include "moe/kernels/sums/fixed_point.h"
#include "moe/kernels/sums/token_ranges.h"
#include "moe/kernels/sums/wide_integer.h"

namespace moe::kernels {
namespace {

constexpr absl::string_view kMagic = "MOE-SUMS";
constexpr uint64_t kVersion = 1;
constexpr uint64_t kHeaderBytes = 40;
constexpr uint64_t kDigestBytes = 32;

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("malformed sums: ", what));
}

void AppendUint(Uint128 value, int num_bytes, std::string& out) {
  for (int i = 0; i < num_bytes; ++i) {
    out.push_back(static_cast<char>(value >> (8 * i) & 0xff));
  }
}

// Takes numbers off the front. The caller knows that there are enough bytes.
class Reader {
 public:
  explicit Reader(absl::string_view bytes) : bytes_(bytes) {}

  Uint128 Take(size_t num_bytes) {
    Uint128 value = 0;
    for (size_t i = num_bytes; i-- > 0;) {
      value = value << 8 | static_cast<unsigned char>(bytes_[i]);
    }
    bytes_.remove_prefix(num_bytes);
    return value;
  }
  uint64_t TakeUint64() { return static_cast<uint64_t>(Take(8)); }
  int64_t TakeInt64() { return static_cast<int64_t>(TakeUint64()); }

 private:
  absl::string_view bytes_;
};

struct Shape {
  uint64_t num_groups;
  uint64_t num_columns;
  uint64_t num_ranges;
};

absl::Status CheckSize(const Shape& shape, uint64_t size_bytes) {
  for (const auto& [name, value] :
       {std::pair("groups", shape.num_groups),
        std::pair("columns", shape.num_columns),
        std::pair("ranges of tokens", shape.num_ranges)}) {
    if (value > static_cast<uint64_t>(kMaxSumsDimension)) {
      return Malformed(absl::StrCat("number of ", name, ": expected at most ",
                                    kMaxSumsDimension, ", found ", value));
    }
  }
  // Below 2^69: three numbers of at most 2^32.
  const Uint128 want =
      Uint128{kHeaderBytes} + 12 * shape.num_groups + 16 * shape.num_ranges +
      Uint128{16} * shape.num_groups * shape.num_columns + kDigestBytes;
  if (want == size_bytes) return absl::OkStatus();
  if (want < size_bytes) {
    return Malformed(absl::StrCat("expected ", static_cast<uint64_t>(want),
                                  " bytes, found ", size_bytes));
  }
  return absl::DataLossError(
      absl::StrCat("truncated sums: expected ",
                   want >> 64 == 0 ? absl::StrCat(static_cast<uint64_t>(want))
                                   : std::string("more than 2^64"),
                   " bytes for ", shape.num_groups, " groups, ",
                   shape.num_columns, " columns and ", shape.num_ranges,
                   " ranges of tokens, found ", size_bytes));
}

absl::Status CheckDigest(absl::string_view bytes) {
  const absl::string_view contents =
      bytes.substr(0, bytes.size() - kDigestBytes);
  const base::Sha256Digest want = base::Sha256Of(contents);
  const absl::string_view got = bytes.substr(contents.size());
  for (size_t i = 0; i < want.size(); ++i) {
    if (static_cast<uint8_t>(got[i]) != want[i]) {
      return absl::DataLossError(
          absl::StrCat("corrupted sums: expected the SHA-256 of the first ",
                       contents.size(), " bytes behind them, found another"));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadTokens(Reader& reader, uint64_t num_ranges,
                        TokenRanges& tokens) {
  int64_t previous_end = -1;
  for (uint64_t i = 0; i < num_ranges; ++i) {
    const int64_t begin = reader.TakeInt64();
    const int64_t end = reader.TakeInt64();
    if (begin <= previous_end) {
      return Malformed(absl::StrCat("range ", i,
                                    " of tokens: expected a start ", "after ",
                                    previous_end, ", found ", begin));
    }
    MOE_RETURN_IF_ERROR(base::Annotate(
        tokens.Insert({begin, end}),
        absl::StrCat("malformed sums: range ", i, " of tokens")));
    previous_end = end;
  }
  return absl::OkStatus();
}

absl::Status CheckGroups(const SumsRecord& record) {
  const int64_t num_tokens = record.tokens.size();
  for (size_t g = 0; g < record.fraction_bits.size(); ++g) {
    const int32_t bits = record.fraction_bits[g];
    if (bits < 0 || bits > kMaxFractionBits) {
      return Malformed(absl::StrCat("fraction bits of group ", g,
                                    ": expected 0 to ", kMaxFractionBits,
                                    ", found ", bits));
    }
    if (record.counts[g] < 0 || record.counts[g] > num_tokens) {
      return Malformed(absl::StrCat("number of tokens in group ", g,
                                    ": expected 0 to ", num_tokens, ", found ",
                                    record.counts[g]));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string FormatSumsRecord(const SumsRecord& record) {
  std::string out(kMagic);
  out.reserve(kHeaderBytes + 12 * record.fraction_bits.size() +
              16 * record.tokens.ranges().size() + 16 * record.sums.size() +
              kDigestBytes);
  AppendUint(kVersion, 4, out);
  AppendUint(record.kind, 4, out);
  AppendUint(record.fraction_bits.size(), 8, out);
  AppendUint(static_cast<Uint128>(record.num_columns), 8, out);
  AppendUint(record.tokens.ranges().size(), 8, out);
  for (const int32_t bits : record.fraction_bits) {
    AppendUint(static_cast<Uint128>(bits), 4, out);
  }
  for (const int64_t count : record.counts) {
    AppendUint(static_cast<Uint128>(count), 8, out);
  }
  for (const TokenRange range : record.tokens.ranges()) {
    AppendUint(static_cast<Uint128>(range.begin), 8, out);
    AppendUint(static_cast<Uint128>(range.end), 8, out);
  }
  for (const Int128 sum : record.sums) {
    AppendUint(static_cast<Uint128>(sum), 16, out);
  }
  for (const uint8_t byte : base::Sha256Of(out)) {
    out.push_back(static_cast<char>(byte));
  }
  return out;
}

absl::StatusOr<SumsRecord> ParseSumsRecord(absl::string_view bytes) {
  if (bytes.size() < kHeaderBytes + kDigestBytes) {
    return absl::DataLossError(absl::StrCat(
        "truncated sums: expected at least ", kHeaderBytes + kDigestBytes,
        " bytes, found ", bytes.size()));
  }
  if (bytes.substr(0, kMagic.size()) != kMagic) {
    return Malformed(
        absl::StrCat("expected \"", kMagic, "\" at the start, found others"));
  }
  Reader reader(bytes.substr(kMagic.size()));
  const uint64_t version = static_cast<uint64_t>(reader.Take(4));
  if (version != kVersion) {
    return absl::UnimplementedError(absl::StrCat(
        "sums: format version: expected ", kVersion, ", found ", version));
  }
  SumsRecord record;
  record.kind = static_cast<uint32_t>(reader.Take(4));
  Shape shape;
  shape.num_groups = reader.TakeUint64();
  shape.num_columns = reader.TakeUint64();
  shape.num_ranges = reader.TakeUint64();
  MOE_RETURN_IF_ERROR(CheckSize(shape, bytes.size()));
  MOE_RETURN_IF_ERROR(CheckDigest(bytes));
  record.num_columns = static_cast<int64_t>(shape.num_columns);
  record.fraction_bits.resize(shape.num_groups);
  for (int32_t& bits : record.fraction_bits) {
    bits = static_cast<int32_t>(static_cast<uint32_t>(reader.Take(4)));
  }
  record.counts.resize(shape.num_groups);
  for (int64_t& count : record.counts) count = reader.TakeInt64();
  MOE_RETURN_IF_ERROR(ReadTokens(reader, shape.num_ranges, record.tokens));
  record.sums.resize(shape.num_groups * shape.num_columns);
  for (Int128& sum : record.sums) sum = static_cast<Int128>(reader.Take(16));
  MOE_RETURN_IF_ERROR(CheckGroups(record));
  return record;
}

}  // namespace moe::kernels
