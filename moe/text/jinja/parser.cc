#include "moe/text/jinja/parser.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/text/jinja/ast.h"
#include "moe/text/jinja/expression_parser.h"
#include "moe/text/jinja/lexer.h"

namespace moe::text::jinja {
namespace {

using StatementKind = Statement::Kind;
using MadeStatement = absl::StatusOr<std::unique_ptr<Statement>>;

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : parser_(std::move(tokens)) {}

  // Parses up to a tag with one of the names in `ends`, and does not take it.
  absl::StatusOr<Block> ParseBlock(const std::vector<absl::string_view>& ends) {
    const Level level(parser_.depth());
    MOE_RETURN_IF_ERROR(parser_.CheckDepth());
    Block block;
    while (parser_.token().kind != Token::Kind::kEnd) {
      if (parser_.token().kind == Token::Kind::kBlockBegin &&
          std::count(ends.begin(), ends.end(), parser_.next_token().text) > 0) {
        return block;
      }
      MOE_ASSIGN_OR_RETURN(auto statement, ParseStatement());
      block.push_back(std::move(statement));
    }
    if (ends.empty()) return block;
    return parser_.Unexpected(
        absl::StrCat("the tag ", absl::StrJoin(ends, " or ")));
  }

 private:
  MadeStatement ParseStatement() {
    auto statement = std::make_unique<Statement>();
    statement->line = parser_.token().line;
    if (parser_.token().kind == Token::Kind::kData) {
      statement->text = parser_.Take().text;
      return statement;
    }
    const Token begin = parser_.Take();
    if (begin.kind == Token::Kind::kVariableBegin) {
      statement->kind = StatementKind::kOutput;
      MOE_ASSIGN_OR_RETURN(statement->value, parser_.ParseTuple());
      MOE_RETURN_IF_ERROR(Expect(Token::Kind::kVariableEnd, "}}"));
      return statement;
    }
    MOE_ASSIGN_OR_RETURN(const std::string name, parser_.ExpectName());
    return ParseTag(name, std::move(statement));
  }

  MadeStatement ParseTag(const std::string& name,
                         std::unique_ptr<Statement> statement) {
    if (name == "if") return ParseIf(std::move(statement));
    if (name == "for") return ParseFor(std::move(statement));
    if (name == "set") return ParseSet(std::move(statement));
    if (name == "macro") return ParseMacro(std::move(statement));
    if (name == "generation") {
      statement->kind = StatementKind::kGeneration;
      MOE_RETURN_IF_ERROR(ParseBody("endgeneration", *statement));
      return statement;
    }
    if (name == "break" || name == "continue") {
      if (num_loops_ == 0) {
        return AtLine(statement->line,
                      absl::StrCat("the tag ", name, " is not in a loop"));
      }
      statement->kind =
          name == "break" ? StatementKind::kBreak : StatementKind::kContinue;
      MOE_RETURN_IF_ERROR(EndOfTag());
      return statement;
    }
    return absl::UnimplementedError(
        absl::StrCat("line ", statement->line, ": the tag \"",
                     name.substr(0, 40), "\" is not supported here"));
  }

  absl::Status Expect(Token::Kind kind, absl::string_view what) {
    if (parser_.token().kind != kind) return parser_.Unexpected(what);
    parser_.Take();
    return absl::OkStatus();
  }
  absl::Status EndOfTag() { return Expect(Token::Kind::kBlockEnd, "%}"); }

  // Takes the name of the tag that ended a block.
  std::string TakeTagName() {
    parser_.Take();
    return parser_.Take().text;
  }

  // Parses the rest of the tag, the body, and the tag `end`.
  absl::Status ParseBody(absl::string_view end, Statement& statement) {
    MOE_RETURN_IF_ERROR(EndOfTag());
    MOE_ASSIGN_OR_RETURN(statement.body, ParseBlock({end}));
    TakeTagName();
    return EndOfTag();
  }

  MadeStatement ParseIf(std::unique_ptr<Statement> statement) {
    statement->kind = StatementKind::kIf;
    std::string name = "if";
    while (name != "endif") {
      Statement::Branch branch;
      if (name != "else") {
        MOE_ASSIGN_OR_RETURN(branch.condition, parser_.ParseTuple());
      }
      MOE_RETURN_IF_ERROR(EndOfTag());
      const bool is_last = name == "else";
      MOE_ASSIGN_OR_RETURN(branch.body,
                           is_last ? ParseBlock({"endif"})
                                   : ParseBlock({"elif", "else", "endif"}));
      statement->branches.push_back(std::move(branch));
      name = TakeTagName();
    }
    MOE_RETURN_IF_ERROR(EndOfTag());
    return statement;
  }

  absl::Status ParseTargets(Statement& statement) {
    const bool in_parentheses = parser_.SkipOperator("(");
    do {
      MOE_ASSIGN_OR_RETURN(std::string name, parser_.ExpectName());
      statement.targets.push_back(std::move(name));
    } while (parser_.SkipOperator(","));
    return in_parentheses ? parser_.ExpectOperator(")") : absl::OkStatus();
  }

  MadeStatement ParseFor(std::unique_ptr<Statement> statement) {
    statement->kind = StatementKind::kFor;
    MOE_RETURN_IF_ERROR(ParseTargets(*statement));
    if (!parser_.SkipName("in")) return parser_.Unexpected("\"in\"");
    MOE_ASSIGN_OR_RETURN(statement->value, parser_.Parse(false));
    if (parser_.SkipName("if")) {
      MOE_ASSIGN_OR_RETURN(statement->condition, parser_.Parse());
    }
    if (parser_.IsName("recursive")) {
      return absl::UnimplementedError(
          absl::StrCat("line ", statement->line,
                       ": a recursive loop is not supported here"));
    }
    MOE_RETURN_IF_ERROR(EndOfTag());
    ++num_loops_;
    absl::StatusOr<Block> body = ParseBlock({"else", "endfor"});
    --num_loops_;
    if (!body.ok()) return body.status();
    statement->body = *std::move(body);
    if (TakeTagName() == "else") {
      MOE_RETURN_IF_ERROR(EndOfTag());
      MOE_ASSIGN_OR_RETURN(statement->else_body, ParseBlock({"endfor"}));
      TakeTagName();
    }
    MOE_RETURN_IF_ERROR(EndOfTag());
    return statement;
  }

  MadeStatement ParseSet(std::unique_ptr<Statement> statement) {
    MOE_RETURN_IF_ERROR(ParseTargets(*statement));
    if (parser_.SkipOperator(".")) {
      MOE_ASSIGN_OR_RETURN(statement->attribute, parser_.ExpectName());
    }
    if (parser_.SkipOperator("=")) {
      statement->kind = StatementKind::kSet;
      MOE_ASSIGN_OR_RETURN(statement->value, parser_.ParseTuple());
      MOE_RETURN_IF_ERROR(EndOfTag());
      return statement;
    }
    statement->kind = StatementKind::kSetBlock;
    // The filters apply to a nameless variable, which gets the body's text.
    auto body = std::make_unique<Expression>();
    body->kind = Expression::Kind::kName;
    body->line = statement->line;
    MOE_ASSIGN_OR_RETURN(statement->value,
                         parser_.ParseFilters(std::move(body)));
    MOE_RETURN_IF_ERROR(ParseBody("endset", *statement));
    return statement;
  }

  MadeStatement ParseMacro(std::unique_ptr<Statement> statement) {
    statement->kind = StatementKind::kMacro;
    if (num_loops_ > 0 || in_macro_) {
      return absl::UnimplementedError(
          absl::StrCat("line ", statement->line,
                       ": a macro within a loop or a macro is not supported"));
    }
    MOE_ASSIGN_OR_RETURN(statement->text, parser_.ExpectName());
    MOE_RETURN_IF_ERROR(parser_.ExpectOperator("("));
    while (!parser_.IsOperator(")")) {
      if (!statement->targets.empty()) {
        MOE_RETURN_IF_ERROR(parser_.ExpectOperator(","));
      }
      MOE_ASSIGN_OR_RETURN(std::string name, parser_.ExpectName());
      statement->targets.push_back(std::move(name));
      ExpressionPtr value;
      if (parser_.SkipOperator("=")) {
        MOE_ASSIGN_OR_RETURN(value, parser_.Parse());
      }
      statement->defaults.push_back(std::move(value));
    }
    MOE_RETURN_IF_ERROR(parser_.ExpectOperator(")"));
    in_macro_ = true;
    MOE_RETURN_IF_ERROR(ParseBody("endmacro", *statement));
    in_macro_ = false;
    return statement;
  }

  ExpressionParser parser_;
  int num_loops_ = 0;
  bool in_macro_ = false;
};

}  // namespace

absl::StatusOr<Block> ParseTemplate(absl::string_view text) {
  MOE_ASSIGN_OR_RETURN(std::vector<Token> tokens, Lex(text));
  return Parser(std::move(tokens)).ParseBlock({});
}

}  // namespace moe::text::jinja
