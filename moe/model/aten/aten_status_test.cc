#include "moe/model/aten/aten_status.h"

#include <ATen/core/Dict.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/ScalarType.h>
#include <c10/util/Exception.h>

#include <cstdint>
#include <new>
#include <stdexcept>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::model {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

template <typename Function>
absl::Status StatusOf(const Function& function) {
  try {
    function();
    return absl::OkStatus();
  } catch (...) {
    return AtenExceptionStatus();
  }
}

TEST(AtenStatusTest, SaysWhatToDoAboutMemory) {
  const auto out_of_memory =
      StatusIs(absl::StatusCode::kResourceExhausted,
               HasSubstr("give fewer tokens, or use a device with more"));
  EXPECT_THAT(StatusOf([] {
                TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory");
              }),
              out_of_memory);
  EXPECT_THAT(StatusOf([] { throw std::bad_alloc(); }), out_of_memory);
  // More than any address space.
  EXPECT_THAT(StatusOf([] {
                static_cast<void>(at::empty({int64_t{1} << 60}, c10::kByte));
              }),
              out_of_memory);
}

TEST(AtenStatusTest, TellsCudasErrorsFromOthers) {
  EXPECT_THAT(
      StatusOf([] { TORCH_CHECK(false, "CUDA error: unspecified failure"); }),
      StatusIs(absl::StatusCode::kUnavailable,
               AllOf(HasSubstr("LibTorch: CUDA error: unspecified failure"),
                     HasSubstr("--device=cpu"))));
  // Without the backtrace that LibTorch adds.
  EXPECT_THAT(
      StatusOf([] { TORCH_CHECK(false, "no such shape"); }),
      StatusIs(absl::StatusCode::kInternal,
               AllOf(HasSubstr("no such shape"), Not(HasSubstr("frame #0")))));
  EXPECT_THAT(StatusOf([] { throw std::runtime_error("another"); }),
              StatusIs(absl::StatusCode::kInternal, "LibTorch: another"));
}

}  // namespace
}  // namespace moe::model
