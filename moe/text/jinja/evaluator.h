// Runs a template's tree.

#ifndef MOE_TEXT_JINJA_EVALUATOR_H_
#define MOE_TEXT_JINJA_EVALUATOR_H_

#include "absl/status/statusor.h"
#include "moe/text/jinja/ast.h"
#include "moe/text/jinja/builtins.h"
#include "moe/text/jinja/template.h"
#include "moe/text/jinja/value.h"

namespace moe::jinja {

// The template's text over these variables: Template::Render says the errors.
absl::StatusOr<Rendered> Evaluate(const Block& block,
                                  const Value::Dict& variables, Budget budget);

}  // namespace moe::jinja

#endif  // MOE_TEXT_JINJA_EVALUATOR_H_
