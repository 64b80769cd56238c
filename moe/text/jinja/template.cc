#include "moe/text/jinja/template.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/text/jinja/ast.h"
#include "moe/text/jinja/builtins.h"
#include "moe/text/jinja/evaluator.h"
#include "moe/text/jinja/parser.h"
#include "moe/text/jinja/value.h"
#include "moe/text/tokenizer/unicode.h"

namespace moe::jinja {
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

}  // namespace

Template::Template(Block block)
    : block_(std::make_shared<const Block>(std::move(block))),
      has_generation_(HasGeneration(*block_)) {}

absl::StatusOr<Template> Template::Parse(absl::string_view text) {
  if (text.size() > kMaxTemplateBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the template has ", text.size(), " bytes; supported are ",
                     kMaxTemplateBytes));
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
  return Evaluate(*block_, variables,
                  Budget(kMaxSteps, kMaxBytes + kBytesPerByte * size));
}

}  // namespace moe::jinja
