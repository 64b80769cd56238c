// Cuts a template's text into tokens, and removes white space as Jinja does.
//
// transformers sets Jinja's trim_blocks (removes the line break after a tag)
// and lstrip_blocks (removes the blanks before a tag at the beginning of a
// line). "-" and "+" at a tag's ends overrule them. The template's last line
// break goes.

#ifndef MOE_TEXT_JINJA_LEXER_H_
#define MOE_TEXT_JINJA_LEXER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace moe::text::jinja {

struct Token {
  enum class Kind {
    kData,  // Text as it is.
    kVariableBegin,
    kVariableEnd,
    kBlockBegin,
    kBlockEnd,
    kName,
    kString,  // Its escapes are resolved.
    kInteger,
    kFloat,
    kOperator,
    kEnd,
  };
  Kind kind;
  std::string text;
  int line;  // From 1.
};

// InvalidArgument: "line N: what".
absl::Status AtLine(int line, absl::string_view what);

// The tokens, kEnd last. InvalidArgument for a tag or text without an end, and
// for a character that begins no token.
absl::StatusOr<std::vector<Token>> Lex(absl::string_view text);

}  // namespace moe::text::jinja

#endif  // MOE_TEXT_JINJA_LEXER_H_
