#include "moe/text/jinja/expression_parser.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/text/jinja/ast.h"
#include "moe/text/jinja/lexer.h"
#include "moe/text/jinja/value.h"

namespace moe::text::jinja {
namespace {

using ExpressionKind = Expression::Kind;

// Binary operators of one precedence.
struct BinaryLevel {
  ExpressionKind kind;
  Token::Kind token;
  absl::string_view names[4];
};

// From the loosest to the tightest. "not" and comparisons bind tighter than
// "and" and looser than "+".
constexpr BinaryLevel kLevels[] = {
    {ExpressionKind::kOr, Token::Kind::kName, {"or"}},
    {ExpressionKind::kAnd, Token::Kind::kName, {"and"}},
    {ExpressionKind::kBinary, Token::Kind::kOperator, {"+", "-"}},
    {ExpressionKind::kBinary, Token::Kind::kOperator, {"~"}},
    {ExpressionKind::kBinary, Token::Kind::kOperator, {"*", "/", "//", "%"}},
    {ExpressionKind::kBinary, Token::Kind::kOperator, {"**"}},
};
constexpr size_t kOrLevel = 0;
constexpr size_t kAndLevel = 1;
constexpr size_t kSumLevel = 2;

template <typename Names>
bool IsOneOf(const Token& token, Token::Kind kind, const Names& names) {
  return token.kind == kind && std::find(std::begin(names), std::end(names),
                                         token.text) != std::end(names);
}

ExpressionPtr Literal(Value value, int line) {
  auto node = std::make_unique<Expression>();
  node->line = line;
  node->value = std::move(value);
  return node;
}

template <typename... Nodes>
std::vector<ExpressionPtr> Operands(Nodes... nodes) {
  std::vector<ExpressionPtr> out;
  (out.push_back(std::move(nodes)), ...);
  return out;
}

void CountDepth(Expression& node) {
  for (const ExpressionPtr& operand : node.operands) {
    if (operand == nullptr) continue;
    node.depth = std::max(node.depth, operand->depth + 1);
  }
  for (const auto& [name, operand] : node.keywords) {
    node.depth = std::max(node.depth, operand->depth + 1);
  }
}

absl::Status TooDeep(int line) {
  return AtLine(line,
                absl::StrCat("nests deeper than ", kMaxNesting, ", the limit"));
}

std::string Described(const Token& token) {
  switch (token.kind) {
    case Token::Kind::kBlockEnd:
      return "the end of the tag";
    case Token::Kind::kVariableEnd:
      return "the end of the output";
    case Token::Kind::kEnd:
      return "the end of the template";
    default:
      return absl::StrCat("\"", token.text.substr(0, 40), "\"");
  }
}

}  // namespace

const Token& ExpressionParser::next_token() const {
  return tokens_[std::min(position_ + 1, tokens_.size() - 1)];
}

Token ExpressionParser::Take() {
  Token token = tokens_[position_];
  if (position_ + 1 < tokens_.size()) ++position_;
  return token;
}

bool ExpressionParser::IsName(absl::string_view name) const {
  return token().kind == Token::Kind::kName && token().text == name;
}

bool ExpressionParser::IsOperator(absl::string_view name) const {
  return token().kind == Token::Kind::kOperator && token().text == name;
}

bool ExpressionParser::SkipName(absl::string_view name) {
  if (!IsName(name)) return false;
  Take();
  return true;
}

bool ExpressionParser::SkipOperator(absl::string_view name) {
  if (!IsOperator(name)) return false;
  Take();
  return true;
}

absl::Status ExpressionParser::Unexpected(absl::string_view expected) const {
  return AtLine(token().line, absl::StrCat("expected ", expected, ", found ",
                                           Described(token())));
}

absl::Status ExpressionParser::ExpectOperator(absl::string_view name) {
  if (SkipOperator(name)) return absl::OkStatus();
  return Unexpected(absl::StrCat("\"", name, "\""));
}

absl::StatusOr<std::string> ExpressionParser::ExpectName() {
  if (token().kind != Token::Kind::kName) return Unexpected("a name");
  return Take().text;
}

absl::Status ExpressionParser::CheckDepth() const {
  if (depth_ <= kMaxNesting) return absl::OkStatus();
  return TooDeep(token().line);
}

ExpressionParser::Made ExpressionParser::Make(
    ExpressionKind kind, int line, std::string text,
    std::vector<ExpressionPtr> operands) {
  auto node = std::make_unique<Expression>();
  node->kind = kind;
  node->line = line;
  node->text = std::move(text);
  node->operands = std::move(operands);
  CountDepth(*node);
  if (node->depth > kMaxNesting) return TooDeep(line);
  return node;
}

ExpressionParser::Made ExpressionParser::ParseTuple() {
  const int line = token().line;
  MOE_ASSIGN_OR_RETURN(ExpressionPtr first, Parse());
  if (!IsOperator(",")) return first;
  std::vector<ExpressionPtr> items = Operands(std::move(first));
  while (SkipOperator(",")) {
    if (token().kind == Token::Kind::kBlockEnd ||
        token().kind == Token::Kind::kVariableEnd || IsOperator(")")) {
      break;
    }
    MOE_ASSIGN_OR_RETURN(ExpressionPtr item, Parse());
    items.push_back(std::move(item));
  }
  return Make(ExpressionKind::kList, line, "", std::move(items));
}

ExpressionParser::Made ExpressionParser::Parse(bool with_condition) {
  const Level level(&depth_);
  MOE_RETURN_IF_ERROR(CheckDepth());
  MOE_ASSIGN_OR_RETURN(ExpressionPtr value, ParseBinary(kOrLevel));
  while (with_condition && IsName("if")) {
    const int line = Take().line;
    std::vector<ExpressionPtr> operands = Operands(std::move(value));
    MOE_ASSIGN_OR_RETURN(ExpressionPtr condition, ParseBinary(kOrLevel));
    operands.push_back(std::move(condition));
    ExpressionPtr otherwise;
    if (SkipName("else")) {
      MOE_ASSIGN_OR_RETURN(otherwise, Parse());
    }
    operands.push_back(std::move(otherwise));
    MOE_ASSIGN_OR_RETURN(value, Make(ExpressionKind::kConditional, line, "",
                                     std::move(operands)));
  }
  return value;
}

ExpressionParser::Made ExpressionParser::ParseBinary(size_t level) {
  const auto parse_operand = [&] {
    if (level == kAndLevel) return ParseNot();
    return level + 1 == std::size(kLevels) ? ParseUnary(true)
                                           : ParseBinary(level + 1);
  };
  const BinaryLevel& operators = kLevels[level];
  MOE_ASSIGN_OR_RETURN(ExpressionPtr left, parse_operand());
  while (IsOneOf(token(), operators.token, operators.names)) {
    const Token name = Take();
    MOE_ASSIGN_OR_RETURN(ExpressionPtr right, parse_operand());
    MOE_ASSIGN_OR_RETURN(left,
                         Make(operators.kind, name.line, name.text,
                              Operands(std::move(left), std::move(right))));
  }
  return left;
}

ExpressionParser::Made ExpressionParser::ParseNot() {
  if (!IsName("not")) return ParseComparison();
  const Level level(&depth_);
  MOE_RETURN_IF_ERROR(CheckDepth());
  const int line = Take().line;
  MOE_ASSIGN_OR_RETURN(ExpressionPtr operand, ParseNot());
  return Make(ExpressionKind::kUnary, line, "not",
              Operands(std::move(operand)));
}

ExpressionParser::Made ExpressionParser::ParseComparison() {
  static constexpr absl::string_view kOperators[] = {"==", "!=", "<",
                                                     "<=", ">",  ">="};
  const int line = token().line;
  MOE_ASSIGN_OR_RETURN(ExpressionPtr first, ParseBinary(kSumLevel));
  std::vector<ExpressionPtr> operands = Operands(std::move(first));
  std::vector<std::string> operators;
  while (true) {
    const bool is_symbol = IsOneOf(token(), Token::Kind::kOperator, kOperators);
    const bool is_not_in = IsName("not") &&
                           next_token().kind == Token::Kind::kName &&
                           next_token().text == "in";
    if (!is_symbol && !is_not_in && !IsName("in")) break;
    operators.push_back(Take().text);
    if (is_not_in) operators.back() += " " + Take().text;
    MOE_ASSIGN_OR_RETURN(ExpressionPtr operand, ParseBinary(kSumLevel));
    operands.push_back(std::move(operand));
  }
  if (operators.empty()) return std::move(operands[0]);
  MOE_ASSIGN_OR_RETURN(ExpressionPtr node, Make(ExpressionKind::kComparison,
                                                line, "", std::move(operands)));
  node->operators = std::move(operators);
  return node;
}

ExpressionParser::Made ExpressionParser::ParseUnary(bool with_filters) {
  ExpressionPtr node;
  if (IsOperator("-") || IsOperator("+")) {
    const Level level(&depth_);
    MOE_RETURN_IF_ERROR(CheckDepth());
    const Token sign = Take();
    MOE_ASSIGN_OR_RETURN(ExpressionPtr operand, ParseUnary(false));
    MOE_ASSIGN_OR_RETURN(node, Make(ExpressionKind::kUnary, sign.line,
                                    sign.text, Operands(std::move(operand))));
  } else {
    MOE_ASSIGN_OR_RETURN(node, ParsePrimary());
  }
  MOE_ASSIGN_OR_RETURN(node, ParsePostfix(std::move(node)));
  if (!with_filters) return node;
  return ParseFilters(std::move(node));
}

ExpressionParser::Made ExpressionParser::ParsePrimary() {
  const int line = token().line;
  switch (token().kind) {
    case Token::Kind::kName:
      return ParseName();
    case Token::Kind::kInteger:
    case Token::Kind::kFloat:
      return ParseNumber();
    case Token::Kind::kString: {
      std::string text;
      while (token().kind == Token::Kind::kString) text += Take().text;
      return Literal(Value(std::move(text)), line);
    }
    default:
      break;
  }
  if (SkipOperator("(")) return ParseParentheses();
  if (SkipOperator("[")) return ParseLiteral(ExpressionKind::kList, "]");
  if (SkipOperator("{")) return ParseLiteral(ExpressionKind::kDict, "}");
  return Unexpected("an expression");
}

ExpressionParser::Made ExpressionParser::ParseName() {
  static constexpr absl::string_view kKeywords[] = {"and", "or", "not", "in",
                                                    "is",  "if", "else"};
  if (IsOneOf(token(), Token::Kind::kName, kKeywords)) {
    return Unexpected("an expression");
  }
  const Token name = Take();
  if (name.text == "true" || name.text == "True") {
    return Literal(Value(true), name.line);
  }
  if (name.text == "false" || name.text == "False") {
    return Literal(Value(false), name.line);
  }
  if (name.text == "none" || name.text == "None") {
    return Literal(Value(Value::None{}), name.line);
  }
  return Make(ExpressionKind::kName, name.line, name.text, {});
}

ExpressionParser::Made ExpressionParser::ParseNumber() {
  const Token number = Take();
  int64_t whole = 0;
  double real = 0;
  if (number.kind == Token::Kind::kInteger &&
      absl::SimpleAtoi(number.text, &whole)) {
    return Literal(Value(whole), number.line);
  }
  if (number.kind == Token::Kind::kFloat &&
      absl::SimpleAtod(number.text, &real)) {
    return Literal(Value(real), number.line);
  }
  return AtLine(number.line,
                absl::StrCat("expected a number of 64 bits, found ",
                             number.text.substr(0, 40)));
}

ExpressionParser::Made ExpressionParser::ParseParentheses() {
  const int line = token().line;
  if (SkipOperator(")")) return Make(ExpressionKind::kList, line, "", {});
  MOE_ASSIGN_OR_RETURN(ExpressionPtr inner, ParseTuple());
  MOE_RETURN_IF_ERROR(ExpectOperator(")"));
  return inner;
}

ExpressionParser::Made ExpressionParser::ParseLiteral(ExpressionKind kind,
                                                      absl::string_view close) {
  const int line = token().line;
  std::vector<ExpressionPtr> items;
  while (!IsOperator(close)) {
    if (!items.empty()) MOE_RETURN_IF_ERROR(ExpectOperator(","));
    if (IsOperator(close)) break;
    MOE_ASSIGN_OR_RETURN(ExpressionPtr item, Parse());
    items.push_back(std::move(item));
    if (kind == ExpressionKind::kList) continue;
    MOE_RETURN_IF_ERROR(ExpectOperator(":"));
    MOE_ASSIGN_OR_RETURN(ExpressionPtr value, Parse());
    items.push_back(std::move(value));
  }
  MOE_RETURN_IF_ERROR(ExpectOperator(close));
  return Make(kind, line, "", std::move(items));
}

ExpressionParser::Made ExpressionParser::ParsePostfix(ExpressionPtr operand) {
  while (true) {
    const int line = token().line;
    if (SkipOperator(".")) {
      if (token().kind == Token::Kind::kInteger) {
        MOE_ASSIGN_OR_RETURN(ExpressionPtr index, ParseNumber());
        MOE_ASSIGN_OR_RETURN(
            operand, Make(ExpressionKind::kItem, line, "",
                          Operands(std::move(operand), std::move(index))));
        continue;
      }
      MOE_ASSIGN_OR_RETURN(std::string name, ExpectName());
      MOE_ASSIGN_OR_RETURN(operand, Make(ExpressionKind::kAttribute, line, name,
                                         Operands(std::move(operand))));
    } else if (SkipOperator("[")) {
      MOE_ASSIGN_OR_RETURN(operand, ParseSubscript(std::move(operand)));
    } else if (SkipOperator("(")) {
      MOE_ASSIGN_OR_RETURN(operand, ParseCall(std::move(operand), line));
    } else {
      return operand;
    }
  }
}

ExpressionParser::Made ExpressionParser::ParseSubscript(ExpressionPtr operand) {
  const int line = token().line;
  std::vector<ExpressionPtr> operands = Operands(std::move(operand));
  bool is_slice = false;
  while (operands.size() < 4) {
    ExpressionPtr part;
    if (!IsOperator(":") && !IsOperator("]")) {
      MOE_ASSIGN_OR_RETURN(part, Parse());
    }
    operands.push_back(std::move(part));
    if (!SkipOperator(":")) break;
    is_slice = true;
  }
  if (!is_slice && operands[1] == nullptr) return Unexpected("an index");
  MOE_RETURN_IF_ERROR(ExpectOperator("]"));
  if (is_slice) operands.resize(4);
  return Make(is_slice ? ExpressionKind::kSlice : ExpressionKind::kItem, line,
              "", std::move(operands));
}

ExpressionParser::Made ExpressionParser::ParseCall(ExpressionPtr callee,
                                                   int line) {
  MOE_ASSIGN_OR_RETURN(ExpressionPtr call, Make(ExpressionKind::kCall, line, "",
                                                Operands(std::move(callee))));
  MOE_RETURN_IF_ERROR(ParseArguments(*call));
  return call;
}

absl::Status ExpressionParser::ParseArguments(Expression& call) {
  bool is_first = true;
  while (!IsOperator(")")) {
    if (!is_first) MOE_RETURN_IF_ERROR(ExpectOperator(","));
    is_first = false;
    if (IsOperator(")")) break;
    if (IsOperator("*") || IsOperator("**")) {
      return AtLine(token().line, "arguments with * or ** are not supported");
    }
    const bool is_keyword = token().kind == Token::Kind::kName &&
                            next_token().kind == Token::Kind::kOperator &&
                            next_token().text == "=";
    std::string name;
    if (is_keyword) {
      name = Take().text;
      Take();
    }
    MOE_ASSIGN_OR_RETURN(ExpressionPtr value, Parse());
    if (is_keyword) {
      call.keywords.emplace_back(std::move(name), std::move(value));
    } else if (!call.keywords.empty()) {
      return AtLine(call.line,
                    "an argument without a name follows one with a name");
    } else {
      call.operands.push_back(std::move(value));
    }
  }
  MOE_RETURN_IF_ERROR(ExpectOperator(")"));
  CountDepth(call);
  return call.depth <= kMaxNesting ? absl::OkStatus() : TooDeep(call.line);
}

ExpressionParser::Made ExpressionParser::ParseFilters(ExpressionPtr operand) {
  while (true) {
    const int line = token().line;
    if (SkipOperator("|")) {
      MOE_ASSIGN_OR_RETURN(std::string name, ExpectName());
      MOE_ASSIGN_OR_RETURN(operand, Make(ExpressionKind::kFilter, line, name,
                                         Operands(std::move(operand))));
      if (SkipOperator("(")) MOE_RETURN_IF_ERROR(ParseArguments(*operand));
    } else if (SkipName("is")) {
      MOE_ASSIGN_OR_RETURN(operand, ParseTest(std::move(operand)));
    } else if (SkipOperator("(")) {
      MOE_ASSIGN_OR_RETURN(operand, ParseCall(std::move(operand), line));
    } else {
      return operand;
    }
  }
}

ExpressionParser::Made ExpressionParser::ParseTest(ExpressionPtr operand) {
  const int line = token().line;
  const bool is_negated = SkipName("not");
  MOE_ASSIGN_OR_RETURN(std::string name, ExpectName());
  MOE_ASSIGN_OR_RETURN(
      ExpressionPtr test,
      Make(ExpressionKind::kTest, line, name, Operands(std::move(operand))));
  const Token::Kind kind = token().kind;
  const bool has_operand =
      (kind == Token::Kind::kName && !IsName("else") && !IsName("or") &&
       !IsName("and") && !IsName("is") && !IsName("if")) ||
      kind == Token::Kind::kString || kind == Token::Kind::kInteger ||
      kind == Token::Kind::kFloat || IsOperator("[") || IsOperator("{");
  if (SkipOperator("(")) {
    MOE_RETURN_IF_ERROR(ParseArguments(*test));
  } else if (has_operand) {
    MOE_ASSIGN_OR_RETURN(ExpressionPtr argument, ParsePrimary());
    MOE_ASSIGN_OR_RETURN(argument, ParsePostfix(std::move(argument)));
    std::vector<ExpressionPtr> operands =
        Operands(std::move(test->operands[0]), std::move(argument));
    MOE_ASSIGN_OR_RETURN(
        test, Make(ExpressionKind::kTest, line, name, std::move(operands)));
  }
  if (!is_negated) return test;
  return Make(ExpressionKind::kUnary, line, "not", Operands(std::move(test)));
}

}  // namespace moe::text::jinja
