#include "moe/text/jinja/template.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/text/jinja/ast.h"
#include "moe/text/jinja/builtins.h"
#include "moe/text/jinja/operators.h"
#include "moe/text/jinja/parser.h"
#include "moe/text/jinja/value.h"
#include "moe/text/tokenizer/unicode.h"

namespace moe::text::jinja {
namespace {

constexpr int64_t kMaxSteps = 20'000'000;
constexpr int64_t kMaxBytes = int64_t{64} << 20;
constexpr int64_t kBytesPerByte = 256;

bool HasGeneration(const Block& block) {
  return std::any_of(block.begin(), block.end(), [](const auto& statement) {
    if (statement->kind == Statement::Kind::kGeneration) return true;
    for (const Statement::Branch& branch : statement->branches) {
      if (HasGeneration(branch.body)) return true;
    }
    return HasGeneration(statement->body) ||
           HasGeneration(statement->else_body);
  });
}

using Made = absl::StatusOr<Value>;

// The limit on the nesting of expressions, blocks and macros while they run.
constexpr int kMaxDepth = 400;

// Adds the line to a message that does not have it yet.
absl::Status Located(const absl::Status& status, int line) {
  return base::Annotate(status, absl::StrCat("line ", line));
}

template <typename T>
absl::StatusOr<T> Located(absl::StatusOr<T> result, int line) {
  if (result.ok()) return result;
  return Located(result.status(), line);
}

struct Scope {
  Value::Dict names;
  const Scope* parent = nullptr;
};

const Value* FindIn(const Value::Dict& names, absl::string_view name) {
  for (const auto& item : names) {
    if (item.first == name) return &item.second;
  }
  return nullptr;
}

class Evaluator {
 public:
  Evaluator(const Value::Dict& variables, Budget budget)
      : variables_(variables), budget_(budget) {}

  absl::StatusOr<Rendered> Run(const Block& block) {
    Scope root;
    root_ = &root;
    scope_ = &root;
    MOE_RETURN_IF_ERROR(Execute(block).status());
    return Rendered{std::move(text_), std::move(generated_)};
  }

 private:
  enum class Flow { kNext, kBreak, kContinue };

  absl::Status Enter(int line) {
    if (depth_ > kMaxDepth) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "line ", line, ": calls nest deeper than the limit allows"));
    }
    return Located(budget_.Spend(1), line);
  }

  // ---- Statements ----

  absl::StatusOr<Flow> Execute(const Block& block) {
    for (const auto& statement : block) {
      const Level level(&depth_);
      MOE_RETURN_IF_ERROR(Enter(statement->line));
      MOE_ASSIGN_OR_RETURN(const Flow flow, ExecuteOne(*statement));
      if (flow != Flow::kNext) return flow;
    }
    return Flow::kNext;
  }

  absl::StatusOr<Flow> ExecuteOne(const Statement& statement) {
    switch (statement.kind) {
      case Statement::Kind::kText:
        MOE_RETURN_IF_ERROR(Write(statement.text, statement.line));
        return Flow::kNext;
      case Statement::Kind::kOutput: {
        MOE_ASSIGN_OR_RETURN(const Value value, Evaluate(*statement.value));
        MOE_RETURN_IF_ERROR(Write(value.ToString(), statement.line));
        return Flow::kNext;
      }
      case Statement::Kind::kIf:
        return ExecuteIf(statement);
      case Statement::Kind::kFor:
        return ExecuteFor(statement);
      case Statement::Kind::kSet:
      case Statement::Kind::kSetBlock:
        MOE_RETURN_IF_ERROR(ExecuteSet(statement));
        return Flow::kNext;
      case Statement::Kind::kMacro:
        Set(statement.text, Value(Value::Function{statement.text, &statement}));
        return Flow::kNext;
      case Statement::Kind::kGeneration:
        return ExecuteGeneration(statement);
      case Statement::Kind::kBreak:
        return Flow::kBreak;
      case Statement::Kind::kContinue:
        return Flow::kContinue;
    }
    return Flow::kNext;
  }

  absl::Status Write(absl::string_view text, int line) {
    MOE_RETURN_IF_ERROR(Located(budget_.Allocate(text.size()), line));
    absl::StrAppend(&text_, text);
    return absl::OkStatus();
  }

  void Set(const std::string& name, Value value) {
    Assign(scope_->names, name, std::move(value));
  }

  absl::StatusOr<Flow> ExecuteIf(const Statement& statement) {
    for (const Statement::Branch& branch : statement.branches) {
      bool holds = true;
      if (branch.condition != nullptr) {
        MOE_ASSIGN_OR_RETURN(const Value value, Evaluate(*branch.condition));
        holds = value.IsTrue();
      }
      if (holds) return Execute(branch.body);
    }
    return Flow::kNext;
  }

  // Runs `body` in the scope.
  template <typename Body>
  auto InScope(Scope* scope, Body body) {
    Scope* const before = scope_;
    scope_ = scope;
    auto result = body();
    scope_ = before;
    return result;
  }

  absl::Status SetTargets(const Statement& statement, const Value& value) {
    if (statement.targets.size() == 1) {
      Set(statement.targets[0], value);
      return absl::OkStatus();
    }
    MOE_ASSIGN_OR_RETURN(const Value::List items,
                         Located(Iterate(value, budget_), statement.line));
    if (items.size() != statement.targets.size()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "line ", statement.line, ": expected ", statement.targets.size(),
          " values, found ", items.size()));
    }
    for (size_t i = 0; i < items.size(); ++i) {
      Set(statement.targets[i], items[i]);
    }
    return absl::OkStatus();
  }

  // The items that pass the loop's condition.
  absl::StatusOr<Value::List> LoopItems(const Statement& statement) {
    MOE_ASSIGN_OR_RETURN(const Value over, Evaluate(*statement.value));
    MOE_ASSIGN_OR_RETURN(Value::List items,
                         Located(Iterate(over, budget_), statement.line));
    if (statement.condition == nullptr) return items;
    Value::List kept;
    for (Value& item : items) {
      Scope scope{{}, scope_};
      MOE_ASSIGN_OR_RETURN(const Value holds, InScope(&scope, [&]() -> Made {
                             MOE_RETURN_IF_ERROR(SetTargets(statement, item));
                             return Evaluate(*statement.condition);
                           }));
      if (holds.IsTrue()) kept.push_back(std::move(item));
    }
    return kept;
  }

  // The variable `loop` at the i-th item.
  absl::StatusOr<Value> LoopValue(const Value::List& items, size_t i) {
    const int64_t index = static_cast<int64_t>(i);
    const int64_t size = static_cast<int64_t>(items.size());
    const auto neighbour = [&](bool is_there, int64_t at) {
      return is_there ? items[static_cast<size_t>(at)]
                      : Value(Value::Undefined{"the item beside the loop"});
    };
    return Value::FromDict(
        {{"index", Value(index + 1)},
         {"index0", Value(index)},
         {"revindex", Value(size - index)},
         {"revindex0", Value(size - index - 1)},
         {"first", Value(index == 0)},
         {"last", Value(index + 1 == size)},
         {"length", Value(size)},
         {"depth", Value(int64_t{1})},
         {"depth0", Value(int64_t{0})},
         {"previtem", neighbour(index > 0, index - 1)},
         {"nextitem", neighbour(index + 1 < size, index + 1)}});
  }

  absl::StatusOr<Flow> ExecuteFor(const Statement& statement) {
    MOE_ASSIGN_OR_RETURN(const Value::List items, LoopItems(statement));
    for (size_t i = 0; i < items.size(); ++i) {
      MOE_RETURN_IF_ERROR(Enter(statement.line));
      Scope scope{{}, scope_};
      MOE_ASSIGN_OR_RETURN(
          const Flow flow, InScope(&scope, [&]() -> absl::StatusOr<Flow> {
            MOE_ASSIGN_OR_RETURN(Value loop, LoopValue(items, i));
            Set("loop", std::move(loop));
            MOE_RETURN_IF_ERROR(SetTargets(statement, items[i]));
            return Execute(statement.body);
          }));
      if (flow == Flow::kBreak) break;
    }
    if (items.empty()) return Execute(statement.else_body);
    return Flow::kNext;
  }

  absl::Status ExecuteSet(const Statement& statement) {
    Value value;
    if (statement.kind == Statement::Kind::kSet) {
      MOE_ASSIGN_OR_RETURN(value, Evaluate(*statement.value));
    } else {
      Scope scope{{}, scope_};
      MOE_ASSIGN_OR_RETURN(std::string text, Captured(statement.body, &scope));
      Scope filtered{{{"", Value(std::move(text))}}, scope_};
      MOE_ASSIGN_OR_RETURN(value, InScope(&filtered, [&] {
                             return Evaluate(*statement.value);
                           }));
    }
    if (!statement.attribute.has_value()) return SetTargets(statement, value);
    const Value space = Lookup(statement.targets[0]);
    if (!space.IsNamespace() || statement.targets.size() != 1) {
      return absl::InvalidArgumentError(absl::StrCat(
          "line ", statement.line, ": \"", statement.targets[0],
          "\": expected a namespace to set an attribute of, found ",
          space.TypeName()));
    }
    return Located(
        SetKey(space.space(), *statement.attribute, std::move(value)),
        statement.line);
  }

  // Returns the text of a body instead of writing it.
  absl::StatusOr<std::string> Captured(const Block& body, Scope* scope) {
    std::string outer = std::move(text_);
    text_.clear();
    ++num_captures_;
    const absl::Status status =
        InScope(scope, [&] { return Execute(body).status(); });
    --num_captures_;
    std::string text = std::move(text_);
    text_ = std::move(outer);
    if (!status.ok()) return status;
    return text;
  }

  absl::StatusOr<Flow> ExecuteGeneration(const Statement& statement) {
    if (num_captures_ > 0) {
      return absl::UnimplementedError(
          absl::StrCat("line ", statement.line,
                       ": the tag generation within a macro or a set block"));
    }
    const size_t begin = text_.size();
    Scope scope{{}, scope_};
    MOE_ASSIGN_OR_RETURN(const Flow flow, InScope(&scope, [&] {
                           return Execute(statement.body);
                         }));
    generated_.emplace_back(begin, text_.size());
    return flow;
  }

  // ---- Expressions ----

  Value Lookup(const std::string& name) const {
    for (const Scope* scope = scope_; scope != nullptr; scope = scope->parent) {
      const Value* const found = FindIn(scope->names, name);
      if (found != nullptr) return *found;
    }
    const Value* const found = FindIn(variables_, name);
    if (found != nullptr) return *found;
    return IsFunctionName(name) ? Value(Value::Function{name, nullptr})
                                : Value(Value::Undefined{name});
  }

  Made Evaluate(const Expression& node) {
    const Level level(&depth_);
    MOE_RETURN_IF_ERROR(Enter(node.line));
    switch (node.kind) {
      case Expression::Kind::kLiteral:
        return node.value;
      case Expression::Kind::kName:
        return Lookup(node.text);
      case Expression::Kind::kAnd:
      case Expression::Kind::kOr:
        return EvaluateLogic(node);
      case Expression::Kind::kConditional:
        return EvaluateConditional(node);
      case Expression::Kind::kComparison:
        return EvaluateComparison(node);
      case Expression::Kind::kCall:
        return EvaluateCall(node);
      default:
        return EvaluateOperands(node);
    }
  }

  // Evaluates the operands from the `first` on, undefined for null, and the
  // keywords.
  absl::StatusOr<Arguments> EvaluateAll(const Expression& node, size_t first) {
    Arguments all;
    for (size_t i = first; i < node.operands.size(); ++i) {
      Value value;
      if (node.operands[i] != nullptr) {
        MOE_ASSIGN_OR_RETURN(value, Evaluate(*node.operands[i]));
      }
      all.values.push_back(std::move(value));
    }
    for (const auto& [name, expression] : node.keywords) {
      MOE_ASSIGN_OR_RETURN(Value value, Evaluate(*expression));
      all.named.emplace_back(name, std::move(value));
    }
    return all;
  }

  // Evaluates a node all of whose operands count.
  Made EvaluateOperands(const Expression& node) {
    MOE_ASSIGN_OR_RETURN(Arguments operands, EvaluateAll(node, 0));
    return Located(Apply(node, std::move(operands)), node.line);
  }

  Made Apply(const Expression& node, Arguments all) {
    Value::List& operands = all.values;
    switch (node.kind) {
      case Expression::Kind::kList:
        return MakeList(std::move(operands), budget_);
      case Expression::Kind::kDict:
        return MakeDict(operands);
      case Expression::Kind::kAttribute:
        return GetAttribute(operands[0], node.text);
      case Expression::Kind::kItem:
        return GetItem(operands[0], operands[1]);
      case Expression::Kind::kSlice:
        return Slice(operands[0], operands[1], operands[2], operands[3],
                     budget_);
      case Expression::Kind::kUnary:
        return ApplyUnary(node.text, operands[0]);
      case Expression::Kind::kBinary:
        return BinaryOperator(node.text, operands[0], operands[1], budget_);
      default:
        break;
    }
    const Value input = operands[0];
    operands.erase(operands.begin());
    if (node.kind == Expression::Kind::kFilter) {
      return ApplyFilter(node.text, input, all, budget_);
    }
    MOE_ASSIGN_OR_RETURN(const bool holds,
                         ApplyTest(node.text, input, all, budget_));
    return Value(holds);
  }

  Made MakeDict(const Value::List& operands) {
    Value::Dict items;
    MOE_RETURN_IF_ERROR(budget_.Allocate(operands.size() * sizeof(Value)));
    for (size_t i = 0; i + 1 < operands.size(); i += 2) {
      if (!operands[i].IsString()) {
        return absl::UnimplementedError(
            absl::StrCat("a mapping's key: expected a text, found ",
                         operands[i].TypeName()));
      }
      MOE_RETURN_IF_ERROR(SetKey(items, operands[i].string(), operands[i + 1]));
    }
    return Value::FromDict(std::move(items));
  }

  static Made ApplyUnary(const std::string& name, const Value& operand) {
    if (name == "not") return Value(!operand.IsTrue());
    if (operand.IsUndefined() || !operand.IsNumber()) {
      return absl::InvalidArgumentError(
          absl::StrCat("the operator ", name, ": expected a number, found ",
                       operand.TypeName()));
    }
    if (operand.IsFloat()) {
      return Value(name == "-" ? -operand.number() : operand.number());
    }
    const int64_t value = operand.int_value();
    if (value == std::numeric_limits<int64_t>::min()) {
      return absl::InvalidArgumentError("a whole number is beyond 64 bits");
    }
    return Value(name == "-" ? -value : value);
  }

  Made EvaluateLogic(const Expression& node) {
    MOE_ASSIGN_OR_RETURN(Value left, Evaluate(*node.operands[0]));
    if (left.IsTrue() == (node.kind == Expression::Kind::kOr)) return left;
    return Evaluate(*node.operands[1]);
  }

  Made EvaluateConditional(const Expression& node) {
    MOE_ASSIGN_OR_RETURN(const Value condition, Evaluate(*node.operands[1]));
    if (condition.IsTrue()) return Evaluate(*node.operands[0]);
    if (node.operands[2] != nullptr) return Evaluate(*node.operands[2]);
    return Value(Value::Undefined{"an if without an else"});
  }

  Made EvaluateComparison(const Expression& node) {
    MOE_ASSIGN_OR_RETURN(Value left, Evaluate(*node.operands[0]));
    for (size_t i = 0; i < node.operators.size(); ++i) {
      MOE_ASSIGN_OR_RETURN(Value right, Evaluate(*node.operands[i + 1]));
      MOE_ASSIGN_OR_RETURN(
          const bool holds,
          Located(ComparisonOperator(node.operators[i], left, right),
                  node.line));
      if (!holds) return Value(false);
      left = std::move(right);
    }
    return Value(true);
  }

  Made EvaluateCall(const Expression& node) {
    MOE_ASSIGN_OR_RETURN(const Arguments arguments, EvaluateAll(node, 1));
    const Expression& callee = *node.operands[0];
    if (callee.kind == Expression::Kind::kAttribute) {
      MOE_ASSIGN_OR_RETURN(const Value self, Evaluate(*callee.operands[0]));
      return Located(self.IsUndefined()
                         ? IsUndefinedError(self)
                         : CallMethod(callee.text, self, arguments, budget_),
                     node.line);
    }
    MOE_ASSIGN_OR_RETURN(const Value function, Evaluate(callee));
    if (function.IsFunction() && function.function().macro != nullptr) {
      return CallMacro(*function.function().macro, arguments);
    }
    return Located(CallFunction(function, arguments, budget_), node.line);
  }

  Made CallMacro(const Statement& macro, const Arguments& arguments) {
    const std::vector<absl::string_view> names(macro.targets.begin(),
                                               macro.targets.end());
    MOE_ASSIGN_OR_RETURN(
        const Value::List bound,
        Located(Bind(macro.text, arguments, names), macro.line));
    Scope scope{{}, root_};
    for (size_t i = 0; i < bound.size(); ++i) {
      Value value = bound[i];
      if (value.IsUndefined() && macro.defaults[i] != nullptr) {
        MOE_ASSIGN_OR_RETURN(value, InScope(&scope, [&] {
                               return Evaluate(*macro.defaults[i]);
                             }));
      }
      scope.names.emplace_back(macro.targets[i], std::move(value));
    }
    MOE_ASSIGN_OR_RETURN(std::string text, Captured(macro.body, &scope));
    return Value(std::move(text));
  }

  const Value::Dict& variables_;
  Budget budget_;
  std::string text_;
  std::vector<std::pair<size_t, size_t>> generated_;
  Scope* root_ = nullptr;
  Scope* scope_ = nullptr;
  int depth_ = 0;
  int num_captures_ = 0;
};

}  // namespace

Template::Template(Block block)
    : block_(std::make_shared<const Block>(std::move(block))),
      has_generation_(HasGeneration(*block_)) {}

absl::StatusOr<Template> Template::Parse(absl::string_view text) {
  if (text.size() > kMaxTemplateBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the template: expected at most ", kMaxTemplateBytes,
                     " bytes, found ", text.size()));
  }
  if (!IsWellFormedUtf8(text)) {
    return absl::InvalidArgumentError("the template is not UTF-8");
  }
  MOE_ASSIGN_OR_RETURN(Block block, ParseTemplate(text));
  return Template(std::move(block));
}

absl::StatusOr<Rendered> Template::Render(const Value::Dict& variables,
                                          size_t size_hint) const {
  const int64_t size =
      static_cast<int64_t>(std::min(size_hint, size_t{1} << 32));
  return Evaluator(variables,
                   Budget(kMaxSteps, kMaxBytes + kBytesPerByte * size))
      .Run(*block_);
}

}  // namespace moe::text::jinja
