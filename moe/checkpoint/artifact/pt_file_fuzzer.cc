// Any bytes as a .pt file: read or refused with its path, never a crash.

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "moe/base/check.h"
#include "moe/checkpoint/artifact/pt_bridge.h"
#include "moe/checkpoint/artifact/pt_value.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A file in memory, whose path is that of its descriptor.
  static const int file = memfd_create("pt", MFD_CLOEXEC);
  static const std::string path = absl::StrCat("/proc/self/fd/", file);
  MOE_CHECK(ftruncate(file, 0) == 0);
  MOE_CHECK(pwrite(file, data, size, 0) == static_cast<ssize_t>(size));
  const absl::StatusOr<moe::checkpoint::PtValue> value =
      moe::checkpoint::ReadPtFile(path);
  MOE_CHECK(value.ok() || absl::StrContains(value.status().message(), path));
  return 0;
}
