// Parses the expressions within a template's tags: Jinja's grammar, with a
// function for each of its levels.

#ifndef MOE_TEXT_JINJA_EXPRESSION_PARSER_H_
#define MOE_TEXT_JINJA_EXPRESSION_PARSER_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/text/jinja/ast.h"
#include "moe/text/jinja/lexer.h"

namespace moe::text::jinja {

// Deeper than any chat template nests (some twenty).
inline constexpr int kMaxNesting = 100;

class ExpressionParser {
 public:
  explicit ExpressionParser(std::vector<Token> tokens)
      : tokens_(std::move(tokens)) {}

  // An expression, or a list of several with commas between.
  absl::StatusOr<ExpressionPtr> ParseTuple();
  // `with_condition`: whether it takes "a if b else c".
  absl::StatusOr<ExpressionPtr> Parse(bool with_condition = true);
  // The filters after `operand`: | name(...) | name(...).
  absl::StatusOr<ExpressionPtr> ParseFilters(ExpressionPtr operand);

  const Token& token() const { return tokens_[position_]; }
  const Token& next_token() const;
  Token Take();
  bool IsName(absl::string_view name) const;
  bool IsOperator(absl::string_view name) const;
  // Takes the next token if it is this one.
  bool SkipName(absl::string_view name);
  bool SkipOperator(absl::string_view name);
  absl::Status ExpectOperator(absl::string_view name);
  absl::StatusOr<std::string> ExpectName();
  absl::Status Unexpected(absl::string_view expected) const;

  int* depth() { return &depth_; }
  absl::Status CheckDepth() const;

 private:
  using Made = absl::StatusOr<ExpressionPtr>;

  // The node, unless the tree below it is too deep.
  Made Make(Expression::Kind kind, int line, std::string text,
            std::vector<ExpressionPtr> operands);
  // The operators of kLevels[level] and of all that bind tighter.
  Made ParseBinary(size_t level);
  Made ParseNot();
  Made ParseComparison();
  Made ParseUnary(bool with_filters);
  Made ParsePrimary();
  Made ParseName();
  Made ParseNumber();
  Made ParseParentheses();
  // A list or a mapping, up to `close`.
  Made ParseLiteral(Expression::Kind kind, absl::string_view close);
  Made ParsePostfix(ExpressionPtr operand);
  Made ParseSubscript(ExpressionPtr operand);
  Made ParseTest(ExpressionPtr operand);
  // The arguments of a call, after "(".
  Made ParseCall(ExpressionPtr callee, int line);
  absl::Status ParseArguments(Expression& call);

  std::vector<Token> tokens_;
  size_t position_ = 0;
  int depth_ = 0;
};

}  // namespace moe::text::jinja

#endif  // MOE_TEXT_JINJA_EXPRESSION_PARSER_H_
