#include "moe/base/positioned_read.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/errno_status.h"

namespace moe::internal {

absl::StatusOr<size_t> ReadAt(int descriptor, uint64_t offset_bytes,
                              absl::Span<char> out) {
  // Linux transfers at most about 2 GiB a call; a smaller piece costs nothing.
  constexpr size_t kMaxPieceBytes = size_t{1} << 30;
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = ::pread(descriptor, out.data() + done,
                                std::min(out.size() - done, kMaxPieceBytes),
                                static_cast<off_t>(offset_bytes + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return ErrnoStatus(
          errno, absl::StrCat("reading at offset ", offset_bytes + done));
    }
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

}  // namespace moe::internal
