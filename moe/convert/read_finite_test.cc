#include "moe/convert/read_finite.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/sharded_tensors.h"

namespace moe {
namespace {

using ::moe::testing::StatusIs;
using ::moe::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(ReadFiniteTest, NamesWhatIsNotANumberAndReadsWhatIs) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (const Dtype dtype : {Dtype::kBF16, Dtype::kF16, Dtype::kF32}) {
    for (const float bad : {kInf, -kInf, std::nanf("")}) {
      const TempDirectory directory;
      const std::vector<float> values = {1.0f, -0.0f, 2.0f, 3.0f, bad, 5.0f};
      const int64_t size = DtypeSize(dtype);
      HostTensor tensor = {dtype, {2, 3}, ""};
      tensor.bytes.resize(values.size() * static_cast<size_t>(size));
      FloatToWeights(dtype, values, absl::MakeSpan(tensor.bytes));
      const std::string path = directory.Path("x.safetensors");
      MOE_ASSERT_OK(WriteSafetensorsFile(path, {{"t", tensor}}, {}, false));
      MOE_ASSERT_OK_AND_ASSIGN(const SafetensorsFile file,
                               SafetensorsFile::Open(path));
      const TensorLocation from = {&file, &file.tensors()[0]};
      std::string out(static_cast<size_t>(3 * size), 'x');
      MOE_EXPECT_OK(ReadFinite(from, size, absl::MakeSpan(out)));
      EXPECT_EQ(out, tensor.bytes.substr(static_cast<size_t>(size),
                                         static_cast<size_t>(3 * size)));
      EXPECT_THAT(
          ReadFinite(from, 3 * size, absl::MakeSpan(out)),
          StatusIs(absl::StatusCode::kInvalidArgument,
                   AllOf(HasSubstr("x.safetensors: tensor \"t\" [2, 3] has a "
                                   "NaN or infinity at element 4;"),
                         HasSubstr("get the file again"))));
    }
  }
}

}  // namespace
}  // namespace moe
