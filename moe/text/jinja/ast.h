// The tree of a parsed template.

#ifndef MOE_TEXT_JINJA_AST_H_
#define MOE_TEXT_JINJA_AST_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "moe/text/jinja/value.h"

namespace moe::text::jinja {

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

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

struct Expression {
  enum class Kind {
    kLiteral,      // value
    kName,         // text
    kList,         // operands
    kDict,         // operands: key, value, key, value...
    kAttribute,    // operands[0].text
    kItem,         // operands[0][operands[1]]
    kSlice,        // operands[0][operands[1]:operands[2]:operands[3]], or null
    kCall,         // operands[0](the others, keywords)
    kFilter,       // operands[0] | text(the others, keywords)
    kTest,         // operands[0] is text(the others)
    kUnary,        // text operands[0]
    kBinary,       // operands[0] text operands[1]
    kAnd,          // operands[0] and operands[1]
    kOr,           // operands[0] or operands[1]
    kComparison,   // operands[0] operators[0] operands[1] operators[1] ...
    kConditional,  // operands[0] if operands[1] else operands[2], or null
  };
  Kind kind = Kind::kLiteral;
  int line = 0;
  // The depth of the tree below, which bounds the recursion over it.
  int depth = 1;
  std::string text;
  Value value;
  std::vector<ExpressionPtr> operands;
  std::vector<std::string> operators;
  std::vector<std::pair<std::string, ExpressionPtr>> keywords;
};

struct Statement;
using Block = std::vector<std::unique_ptr<Statement>>;

struct Statement {
  enum class Kind {
    kText,        // text
    kOutput,      // value
    kIf,          // branches
    kFor,         // for targets in value if condition: body else else_body
    kSet,         // set targets = value
    kSetBlock,    // set targets: body, by the filters of `value`
    kMacro,       // macro text(targets = defaults): body
    kGeneration,  // body: what the assistant says
    kBreak,
    kContinue,
  };
  struct Branch {
    ExpressionPtr condition;  // Null for else.
    Block body;
  };
  Kind kind = Kind::kText;
  int line = 0;
  std::string text;
  std::vector<std::string> targets;
  std::optional<std::string> attribute;  // In the namespace targets[0].
  std::vector<ExpressionPtr> defaults;   // One for each target; may be null.
  ExpressionPtr value;
  ExpressionPtr condition;
  std::vector<Branch> branches;
  Block body;
  Block else_body;
};

}  // namespace moe::text::jinja

#endif  // MOE_TEXT_JINJA_AST_H_
