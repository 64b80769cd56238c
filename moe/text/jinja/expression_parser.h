// Expressions within a template's tags: Jinja's grammar, a function for each of
// its levels.

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

namespace moe::jinja {

// Deeper than any chat template nests (some twenty).
inline constexpr int kMaxNesting = 100;

class ExpressionParser {
 public:
  explicit ExpressionParser(std::vector<Token> tokens)
      : tokens_(std::move(tokens)) {}

  // An expression, or several with commas between, which are a list.
  absl::StatusOr<ExpressionPtr> ParseTuple();
  // `with_condition`: whether "a if b else c" may be one.
  absl::StatusOr<ExpressionPtr> Parse(bool with_condition = true);
  // Filters behind `operand`: | name(...) | name(...).
  absl::StatusOr<ExpressionPtr> ParseFilters(ExpressionPtr operand);

  const Token& token() const { return tokens_[position_]; }
  const Token& next_token() const;
  Token Take();
  bool IsName(absl::string_view name) const;
  bool IsOperator(absl::string_view name) const;
  // Takes it if it is there.
  bool SkipName(absl::string_view name);
  bool SkipOperator(absl::string_view name);
  absl::Status ExpectOperator(absl::string_view name);
  absl::StatusOr<std::string> ExpectName();
  absl::Status Unexpected(absl::string_view wanted) const;

  // Counts a level of nesting while it lives.
  class Level {
   public:
    explicit Level(int* depth) : depth_(depth) { ++*depth_; }
    ~Level() { --*depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    int* depth_;
  };
  int* depth() { return &depth_; }
  absl::Status CheckDepth() const;

 private:
  using Made = absl::StatusOr<ExpressionPtr>;
  using Operands = std::vector<ExpressionPtr>;

  // The node, unless the tree below it is too deep.
  Made Make(Expression::Kind kind, int line, std::string text,
            Operands operands);
  Made ParseOr();
  Made ParseAnd();
  Made ParseNot();
  Made ParseComparison();
  Made ParseBinary(size_t level);
  Made ParseUnary(bool with_filters);
  Made ParsePrimary();
  Made ParseName();
  Made ParseNumber();
  Made ParseParentheses();
  Made ParseListLiteral();
  Made ParseDictLiteral();
  Made ParsePostfix(ExpressionPtr operand);
  Made ParseSubscript(ExpressionPtr operand);
  Made ParseTest(ExpressionPtr operand);
  // Behind "(".
  absl::Status ParseArguments(Expression& call);

  std::vector<Token> tokens_;
  size_t position_ = 0;
  int depth_ = 0;
};

}  // namespace moe::jinja

#endif  // MOE_TEXT_JINJA_EXPRESSION_PARSER_H_
