// What a user should know of a run that goes on all the same.

#ifndef MOE_BASE_NOTICE_H_
#define MOE_BASE_NOTICE_H_

#include "absl/strings/string_view.h"

namespace moe {

// Writes "notice: TEXT" as one line to stderr, once in a run for each text.
// Control characters are escaped as EscapeControl does it. Thread-safe.
void SayNotice(absl::string_view text);

}  // namespace moe

#endif  // MOE_BASE_NOTICE_H_
