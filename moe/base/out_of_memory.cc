#include "moe/base/out_of_memory.h"

#include <new>
#include <string>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "moe/base/available_memory.h"
#include "moe/base/byte_size.h"

namespace moe {

absl::Status OutOfMemoryStatus(const std::bad_alloc& error) {
  const auto* const known = dynamic_cast<const OutOfMemory*>(&error);
  const std::string wanted =
      known != nullptr ? FormatByteSize(known->num_bytes()) : "some memory";
  return absl::ResourceExhaustedError(absl::StrCat(
      "out of memory: ", wanted, " more was wanted, and the system gave none (",
      DescribeMemory(),
      "); give a smaller --memory_budget, fewer threads (MOE_NUM_THREADS), or "
      "the process more memory (ulimit -v)"));
}

absl::Status StatusOfException(const std::exception& error) {
  if (const auto* const no_memory =
          dynamic_cast<const std::bad_alloc*>(&error)) {
    return OutOfMemoryStatus(*no_memory);
  }
  const auto* const system = dynamic_cast<const std::system_error*>(&error);
  if (system != nullptr &&
      system->code() == std::errc::resource_unavailable_try_again) {
    return absl::ResourceExhaustedError(
        "the system gives no more threads; set MOE_NUM_THREADS to fewer, or "
        "allow the process more (ulimit -u, pids.max of its control group)");
  }
  return absl::InternalError(error.what());
}

}  // namespace moe
