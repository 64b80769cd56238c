#include "moe/convert/expert_bias.h"

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"

namespace moe {
namespace {

using ::moe::testing::StatusIs;
using ::moe::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<std::vector<float>> Divided(Dtype dtype,
                                           const std::vector<float>& values,
                                           double scale) {
  const TempDirectory directory;
  HostTensor tensor = {dtype, {static_cast<int64_t>(values.size())}, ""};
  tensor.bytes.resize(values.size() * static_cast<size_t>(DtypeSize(dtype)));
  FloatToWeights(dtype, values, absl::MakeSpan(tensor.bytes));
  const std::string path = directory.Path("x.safetensors");
  EXPECT_TRUE(WriteSafetensorsFile(path, {{"b", tensor}}, {}, false).ok());
  const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path);
  const absl::StatusOr<std::string> bytes =
      DivideBias({&*file, &file->tensors()[0]}, scale, "scale_factor");
  if (!bytes.ok()) return bytes.status();
  std::vector<float> quotients(values.size());
  WeightsToFloat(dtype, *bytes, absl::MakeSpan(quotients));
  return quotients;
}

TEST(DivideBiasTest, PowersOfTwoAreExact) {
  for (const Dtype dtype : {Dtype::kBF16, Dtype::kF16, Dtype::kF32}) {
    MOE_ASSERT_OK_AND_ASSIGN(const std::vector<float> quotients,
                             Divided(dtype, {1.5f, -3.0f, 0.0f}, 4.0));
    EXPECT_THAT(quotients, ElementsAre(0.375f, -0.75f, 0.0f));
    MOE_ASSERT_OK_AND_ASSIGN(const std::vector<float> products,
                             Divided(dtype, {1.5f, -3.0f, 0.0f}, 0.5));
    EXPECT_THAT(products, ElementsAre(3.0f, -6.0f, 0.0f));
  }
}

TEST(DivideBiasTest, RefusesAScaleThatIsNoPowerOfTwo) {
  // 3 / 3 is exact, but by luck.
  for (const float value : {1.5f, 3.0f}) {
    EXPECT_THAT(
        Divided(Dtype::kF32, {0.0f, value}, 3.0),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 AllOf(HasSubstr(absl::StrCat("tensor \"b\" has ", value,
                                              " at element 1")),
                       HasSubstr("scale_factor, 3, which is not a power of "
                                 "two; choose a power of two"))));
  }
  // Nothing is nothing's share.
  MOE_EXPECT_OK(Divided(Dtype::kF32, {0.0f, -0.0f}, 3.0).status());
}

TEST(DivideBiasTest, RefusesWhatLeavesTheRange) {
  // Below the least F16, and beyond the largest.
  for (const auto& [value, scale] :
       std::vector<std::pair<float, double>>{{0x1p-24f, 2.0}, {6e4f, 0.5}}) {
    EXPECT_THAT(Divided(Dtype::kF16, {1.0f, value}, scale),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(absl::StrCat(
                             " at element 1, and each expert adds that divided "
                             "by scale_factor, ",
                             scale,
                             ", which F16 does not hold exactly; choose a "
                             "power of two nearer to 1"))));
  }
}

// It, and not its quotient.
TEST(DivideBiasTest, RefusesWhatIsNoNumber) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (const double scale : {2.0, 3.0}) {
    EXPECT_THAT(Divided(Dtype::kF32, {0.0f, -kInf}, scale),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("tensor \"b\" [2] has a NaN or infinity at "
                                   "element 1;")));
  }
}

}  // namespace
}  // namespace moe
