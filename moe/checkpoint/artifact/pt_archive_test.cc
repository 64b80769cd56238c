#include "moe/checkpoint/artifact/pt_archive.h"

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/artifact/testing/sample_pt_value.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::moe::checkpoint::testing::SamplePtValue;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(PtArchiveTest, FormatsAnArchiveThatCallsNoFunctionOfTorchJit) {
  absl::StatusOr<std::string> archive = absl::UnknownError("not set");
  llama_moe_torch_format_pt(SamplePtValue(), archive);
  EXPECT_THAT(archive, IsOkAndHolds(AllOf(StartsWith("PK\3\4"),
                                          HasSubstr("archive/data.pkl"),
                                          HasSubstr("archive/byteorder"),
                                          Not(HasSubstr("torch.jit")))));
}

TEST(PtArchiveTest, ReportsWhatCannotBeWritten) {
  absl::StatusOr<std::string> archive = std::string("not set");
  llama_moe_torch_format_pt({HostTensor{Dtype::kU16, {1}, "ab"}}, archive);
  EXPECT_THAT(archive, StatusIs(absl::StatusCode::kUnimplemented,
                                HasSubstr("tensors of U16")));
}

// LibTorch throws for it.
TEST(PtArchiveTest, TurnsAnExceptionIntoAnError) {
  absl::StatusOr<std::string> archive = std::string("not set");
  llama_moe_torch_format_pt({HostTensor{Dtype::kU8, {-1}, "a"}}, archive);
  EXPECT_THAT(archive, StatusIs(absl::StatusCode::kInternal, HasSubstr("-1")));
}

}  // namespace
}  // namespace moe::checkpoint
