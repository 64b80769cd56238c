// From a template's tokens to its tree.
//
// What Jinja has and this does not (inheritance, imports, call, filter and with
// blocks, recursive loops, macros within loops) is refused by its name.

#ifndef MOE_TEXT_JINJA_PARSER_H_
#define MOE_TEXT_JINJA_PARSER_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/text/jinja/ast.h"

namespace moe::jinja {

// InvalidArgument or Unimplemented, with the line, for what is no template of
// this language, and for one that nests deeper than 100.
absl::StatusOr<Block> ParseTemplate(absl::string_view text);

}  // namespace moe::jinja

#endif  // MOE_TEXT_JINJA_PARSER_H_
