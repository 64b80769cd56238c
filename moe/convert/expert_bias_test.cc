#include "moe/convert/expert_bias.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
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

TEST(DivideBiasTest, RefusesWhatIsNotExact) {
  EXPECT_THAT(
      Divided(Dtype::kF32, {0.0f, 1.5f}, 7.0),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("tensor \"b\" has 1.5 at element 1"),
                     HasSubstr("scale_factor, 7"), HasSubstr("power of two"))));
  // 3 / 3 is exact, but by luck.
  EXPECT_FALSE(Divided(Dtype::kF32, {3.0f}, 3.0).ok());
  // Below the least F16, and beyond the largest.
  EXPECT_FALSE(Divided(Dtype::kF16, {0x1p-24f}, 2.0).ok());
  EXPECT_FALSE(Divided(Dtype::kF16, {60000.0f}, 0.5).ok());
  // Nothing is nothing's share.
  MOE_EXPECT_OK(Divided(Dtype::kF32, {0.0f, 0.0f}, 3.0).status());
}

}  // namespace
}  // namespace moe
