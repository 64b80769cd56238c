#include "moe/text/dataset/byte_stream.h"

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/check.h"

namespace moe {

std::optional<char> ByteStream::Peek() {
  if (begin_ == buffer_.size()) Fill();
  if (begin_ == buffer_.size()) return std::nullopt;
  return buffer_[begin_];
}

void ByteStream::Skip() {
  MOE_CHECK(begin_ < buffer_.size());
  if (buffer_[begin_] == '\n') ++line_;
  ++begin_;
}

void ByteStream::Fill() {
  constexpr size_t kBufferBytes = size_t{64} << 10;
  if (at_end_) return;
  buffer_.resize(kBufferBytes);
  begin_ = 0;
  size_t size = 0;
  // The mark has to be seen whole.
  do {
    const absl::StatusOr<size_t> read =
        file_->Read(absl::MakeSpan(buffer_).subspan(size));
    if (!read.ok()) {
      status_ = absl::Status(read.status().code(),
                             absl::StrCat(read.status().message(), ", in line ",
                                          line_, " of the contents"));
    }
    at_end_ = !read.ok() || *read == 0;
    if (read.ok()) size += *read;
  } while (!at_end_ && at_start_ && size < kByteOrderMark.size());
  buffer_.resize(size);
  if (at_start_ && absl::StartsWith(buffer_, kByteOrderMark)) {
    begin_ = kByteOrderMark.size();
  }
  at_start_ = false;
}

}  // namespace moe
