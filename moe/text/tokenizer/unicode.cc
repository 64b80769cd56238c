#include "moe/text/tokenizer/unicode.h"

#include <utf8proc.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/text/tokenizer/utf8.h"

namespace moe {
namespace {

constexpr char32_t kCapitalIWithDotAbove = 0x130;

utf8proc_option_t OptionsOf(NormalForm form) {
  switch (form) {
    case NormalForm::kNfc:
      return static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    case NormalForm::kNfd:
      return static_cast<utf8proc_option_t>(UTF8PROC_STABLE |
                                            UTF8PROC_DECOMPOSE);
    case NormalForm::kNfkc:
      return static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE |
                                            UTF8PROC_COMPAT);
    case NormalForm::kNfkd:
      break;
  }
  return static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE |
                                        UTF8PROC_COMPAT);
}

}  // namespace

bool IsWhitespace(char32_t code_point) {
  if (code_point < 0x80) {
    return code_point == ' ' || (code_point >= 0x9 && code_point <= 0xD);
  }
  if (code_point == 0x85) return true;  // Next line, a control character.
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code_point))) {
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return true;
    default:
      return false;
  }
}

bool IsNumeric(char32_t code_point) {
  if (code_point < 0x80) return code_point >= '0' && code_point <= '9';
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code_point))) {
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return true;
    default:
      return false;
  }
}

absl::string_view StripLeft(absl::string_view text) {
  while (!text.empty()) {
    const CodePoint first = FirstCodePoint(text);
    if (!IsWhitespace(first.value)) break;
    text.remove_prefix(first.num_bytes);
  }
  return text;
}

absl::string_view StripRight(absl::string_view text) {
  while (!text.empty()) {
    const CodePoint last = LastCodePoint(text);
    if (!IsWhitespace(last.value)) break;
    text.remove_suffix(last.num_bytes);
  }
  return text;
}

absl::StatusOr<std::string> Normalize(absl::string_view text, NormalForm form) {
  utf8proc_uint8_t* bytes = nullptr;
  const utf8proc_ssize_t size = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
      static_cast<utf8proc_ssize_t>(text.size()), &bytes, OptionsOf(form));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(
      bytes, &std::free);
  if (size < 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a text of ", text.size(),
                     " bytes cannot be normalized: ", utf8proc_errmsg(size)));
  }
  return std::string(reinterpret_cast<const char*>(bytes),
                     static_cast<size_t>(size));
}

std::string Lowercase(absl::string_view text) {
  std::string lower;
  lower.reserve(text.size());
  while (!text.empty()) {
    const CodePoint first = FirstCodePoint(text);
    text.remove_prefix(first.num_bytes);
    if (first.value == kCapitalIWithDotAbove) {
      // The one mapping to two characters that holds in every context.
      AppendUtf8('i', &lower);
      AppendUtf8(0x307, &lower);
    } else {
      AppendUtf8(static_cast<char32_t>(utf8proc_tolower(
                     static_cast<utf8proc_int32_t>(first.value))),
                 &lower);
    }
  }
  return lower;
}

}  // namespace moe
