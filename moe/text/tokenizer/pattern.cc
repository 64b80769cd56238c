#include "moe/text/tokenizer/pattern.h"

#include <cstddef>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/text/tokenizer/regex.h"
#include "moe/text/tokenizer/regex_translation.h"

namespace moe {

absl::StatusOr<Pattern> Pattern::FromString(absl::string_view text) {
  MOE_ASSIGN_OR_RETURN(Regex regex,
                       Regex::CreateFromPcre2(QuoteForRegex(text)));
  return Pattern(std::string(text), std::move(regex));
}

absl::StatusOr<Pattern> Pattern::FromRegex(absl::string_view regex_text) {
  MOE_ASSIGN_OR_RETURN(Regex regex, Regex::Create(regex_text));
  return Pattern(std::string(), std::move(regex));
}

absl::StatusOr<Pattern> Pattern::FromPcre2(absl::string_view regex_text) {
  MOE_ASSIGN_OR_RETURN(Regex regex, Regex::CreateFromPcre2(regex_text));
  return Pattern(std::string(), std::move(regex));
}

absl::Status Pattern::ForEachMatch(
    absl::string_view text, RegexScratch& scratch,
    absl::FunctionRef<absl::Status(size_t, size_t)> use) const {
  if (text.empty()) return absl::OkStatus();
  if (literal_.empty()) {
    RegexMatches matches(regex_, text, scratch);
    while (matches.Next()) {
      MOE_RETURN_IF_ERROR(use(matches.begin(), matches.end()));
    }
    return matches.status();
  }
  size_t begin = text.find(literal_);
  while (begin != absl::string_view::npos) {
    const size_t end = begin + literal_.size();
    MOE_RETURN_IF_ERROR(use(begin, end));
    begin = text.find(literal_, end);
  }
  return absl::OkStatus();
}

}  // namespace moe
