#include "moe/base/sha256.h"

#include <cstddef>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"

namespace moe::base {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;

// FIPS 180-4's example messages, with the digests that NIST publishes for them.
constexpr char kEmptyDigest[] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr char kAbcDigest[] =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr char kMillionADigest[] =
    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

TEST(Sha256Test, PublishedVectors) {
  EXPECT_EQ(HexSha256Of(""), kEmptyDigest);
  EXPECT_EQ(HexSha256Of("abc"), kAbcDigest);
  EXPECT_EQ(HexSha256Of(std::string(1000000, 'a')), kMillionADigest);
}

TEST(Sha256Test, PiecesGiveTheDigestOfTheWhole) {
  const std::string text(1000000, 'a');
  for (const size_t piece :
       {size_t{1000}, size_t{63}, size_t{64}, size_t{65}}) {
    Sha256 sha256;
    for (size_t i = 0; i < text.size(); i += piece) {
      sha256.Update(absl::string_view(text).substr(i, piece));
    }
    EXPECT_EQ(sha256.HexDigest(), kMillionADigest) << piece;
  }
}

TEST(Sha256Test, ADigestInBetweenDoesNotDisturb) {
  Sha256 sha256;
  EXPECT_EQ(sha256.HexDigest(), kEmptyDigest);
  sha256.Update("abc");
  EXPECT_EQ(sha256.HexDigest(), kAbcDigest);
  Sha256 moved = std::move(sha256);
  EXPECT_EQ(moved.HexDigest(), kAbcDigest);
}

TEST(Sha256Test, OfFile) {
  const TempDirectory directory;
  // One byte over two pieces of 1 MiB.
  const std::string text((size_t{2} << 20) + 1, 'q');
  EXPECT_THAT(HexSha256OfFile(directory.Write("text", text)),
              IsOkAndHolds(HexSha256Of(text)));
  EXPECT_THAT(HexSha256OfFile(directory.Write("empty", "")),
              IsOkAndHolds(std::string(kEmptyDigest)));
  EXPECT_THAT(HexSha256OfFile(directory.Path("absent")),
              StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace moe::base
