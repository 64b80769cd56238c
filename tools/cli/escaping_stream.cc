#include "tools/cli/escaping_stream.h"

#include <cstddef>
#include <ostream>
#include <streambuf>
#include <string>

#include "absl/strings/string_view.h"
#include "moe/base/escape_control.h"

namespace moe::cli {

void EscapingStream::Finish() {
  if (!buffer_.Finish()) setstate(std::ios::badbit);
}

bool EscapingStream::Buffer::Finish() {
  to_ << base::EscapeControlInText(held_back_);
  held_back_.clear();
  to_.flush();
  return to_.good();
}

EscapingStream::Buffer::int_type EscapingStream::Buffer::overflow(
    int_type character) {
  if (traits_type::eq_int_type(character, traits_type::eof())) {
    return traits_type::not_eof(character);
  }
  const char byte = traits_type::to_char_type(character);
  return xsputn(&byte, 1) == 1 ? character : traits_type::eof();
}

std::streamsize EscapingStream::Buffer::xsputn(const char* bytes,
                                               std::streamsize size) {
  held_back_.append(bytes, static_cast<size_t>(size));
  const size_t whole = base::BytesBeforeCutSequence(held_back_);
  to_ << base::EscapeControlInText(
      absl::string_view(held_back_).substr(0, whole));
  held_back_.erase(0, whole);
  return to_.good() ? size : 0;
}

int EscapingStream::Buffer::sync() {
  to_.flush();
  return to_.good() ? 0 : -1;
}

}  // namespace moe::cli
