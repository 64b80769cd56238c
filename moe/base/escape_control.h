// Text from files, made harmless for a terminal.
//
// Names, metadata and configuration values come from whoever made a file. Shown
// as they are, control characters in them could move the cursor, hide or
// reorder what stands there, or pretend to be lines of our own. They are shown
// as escapes instead: "\u001b" for a character, "\x9b" for a byte that is not
// UTF-8. Inside of JSON strings, which are always UTF-8, the escapes are JSON's
// own, so that a JSON document stays one with the same content.

#ifndef MOE_BASE_ESCAPE_CONTROL_H_
#define MOE_BASE_ESCAPE_CONTROL_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace moe {

// A name or value: escapes C0 controls with newline and tab, DEL, C1 controls
// (U+0080 to U+009F), zero-width characters and marks of direction (U+061C,
// U+200B to U+200F, U+202A to U+202E, U+2060 to U+2069, U+FEFF), the separators
// U+2028 and U+2029, and every byte that is not part of valid UTF-8. Everything
// else stays, backslashes too.
std::string EscapeControl(absl::string_view text);

// Text of our own, in which there may be names: as EscapeControl, but newline
// and tab stay.
std::string EscapeControlInText(absl::string_view text);

// How many bytes of `text` come before a UTF-8 sequence that its end cuts
// short: the part of a stream that can be escaped before the rest is known. At
// least text.size() - 3.
size_t BytesBeforeCutSequence(absl::string_view text);

}  // namespace moe

#endif  // MOE_BASE_ESCAPE_CONTROL_H_
