// Text from files, made safe for a terminal, and notices on stderr.
//
// Names, metadata and configuration values come from whoever made a file. Their
// control characters could move the cursor, hide or reorder text, or imitate
// our own lines. So they are written as escapes: "\u001b" for a character,
// "\x9b" for a byte that is not UTF-8. In JSON strings, which are always UTF-8,
// these are JSON's own escapes, so a JSON document keeps its content.

#ifndef MOE_BASE_ESCAPE_CONTROL_H_
#define MOE_BASE_ESCAPE_CONTROL_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace moe::base {

// A name or value: escapes C0 controls with newline and tab, DEL, C1 controls
// (U+0080 to U+009F), zero-width characters and marks of direction (U+061C,
// U+200B to U+200F, U+202A to U+202E, U+2060 to U+2069, U+FEFF), the separators
// U+2028 and U+2029, and every byte that is not part of valid UTF-8. Everything
// else stays, backslashes too.
std::string EscapeControl(absl::string_view text);

// For our own text that may contain names: as EscapeControl, but newline and
// tab stay.
std::string EscapeControlInText(absl::string_view text);

// How many bytes of `text` precede a UTF-8 sequence that the end of `text`
// cuts. These can be escaped before the rest of a stream is known. At least
// text.size() - 3.
size_t BytesBeforeCutSequence(absl::string_view text);

// Writes "notice: TEXT" as one line to stderr, once in a run for each text.
// Control characters are escaped as EscapeControl does it. Thread-safe.
void SayNotice(absl::string_view text);

}  // namespace moe::base

#endif  // MOE_BASE_ESCAPE_CONTROL_H_
