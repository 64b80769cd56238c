// Parses a template's tokens into its tree.
//
// The parser refuses by name what it does not support of Jinja: inheritance,
// imports, call, filter and with blocks, recursive loops, macros within loops.

#ifndef MOE_TEXT_JINJA_PARSER_H_
#define MOE_TEXT_JINJA_PARSER_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/text/jinja/ast.h"

namespace moe::text::jinja {

// InvalidArgument or Unimplemented, with the line, if the text is not a
// template of this language or nests deeper than 100.
absl::StatusOr<Block> ParseTemplate(absl::string_view text);

}  // namespace moe::text::jinja

#endif  // MOE_TEXT_JINJA_PARSER_H_
