// Python's operations on texts, over well-formed UTF-8: indices and lengths
// count code points.
//
// Letters change case by utf8proc's simple mappings, one code point to one: "ß"
// is its own upper case, and sigma is never final.

#ifndef MOE_TEXT_JINJA_PYTHON_STRING_H_
#define MOE_TEXT_JINJA_PYTHON_STRING_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace moe::text::jinja {

// str.isspace() of one character.
bool IsSpace(char32_t code_point);

enum class Ends { kLeft, kRight, kBoth };
// str.strip(), lstrip() and rstrip(): white space, or the characters of
// `chars`.
absl::string_view Strip(absl::string_view text, Ends ends,
                        std::optional<absl::string_view> chars = std::nullopt);

// The code points, each with its bytes.
std::vector<absl::string_view> Characters(absl::string_view text);
int64_t CountCharacters(absl::string_view text);

std::string Upper(absl::string_view text);
std::string Lower(absl::string_view text);
// str.title(): a letter that does not follow a letter is a capital.
std::string Title(absl::string_view text);
std::string Capitalize(absl::string_view text);

// str.split(separator, max_splits). Without a separator, it splits at white
// space and leaves out empty parts. `max_splits` below 0 means all.
std::vector<std::string> Split(absl::string_view text,
                               std::optional<absl::string_view> separator,
                               int64_t max_splits);
// str.splitlines() at "\n", "\r" and "\r\n".
std::vector<std::string> SplitLines(absl::string_view text);
// str.replace(from, to, max_count); below 0 means all. None if the result would
// have more than `max_bytes`.
std::optional<std::string> Replace(absl::string_view text,
                                   absl::string_view from, absl::string_view to,
                                   int64_t max_count, size_t max_bytes);

// Resolves the escapes of a Python literal. InvalidArgument for one that is cut
// short, for \N{...}, and for one that is not a code point.
absl::StatusOr<std::string> Unescape(absl::string_view text);
// repr() of a text.
std::string PythonQuoted(absl::string_view text);
// json.dumps() of a text.
std::string JsonQuoted(absl::string_view text, bool ensure_ascii);

}  // namespace moe::text::jinja

#endif  // MOE_TEXT_JINJA_PYTHON_STRING_H_
