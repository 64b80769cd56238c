// The part of Jinja2 in which chat templates are written.
//
//   MOE_ASSIGN_OR_RETURN(const Template chat, Template::Parse(text));
//   MOE_ASSIGN_OR_RETURN(const Rendered rendered, chat.Render(variables));
//
// Renders as transformers does (trim_blocks, lstrip_blocks, its filter tojson,
// raise_exception, the tags generation, break and continue). What is not known
// is refused by its name, with its line, never passed over: there are no
// imports, inheritance, recursive loops, nor anything outside the template.
// strftime_now is undefined: a date would make results irreproducible.
//
// A template comes from a stranger. Rendering ends within a bound of steps, of
// bytes and of depth, and has no other effect than its result.

#ifndef MOE_TEXT_JINJA_TEMPLATE_H_
#define MOE_TEXT_JINJA_TEMPLATE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/text/jinja/ast.h"
#include "moe/text/jinja/value.h"

namespace moe::jinja {

// A hundred times the longest chat template in use.
inline constexpr size_t kMaxTemplateBytes = size_t{1} << 20;

struct Rendered {
  std::string text;
  // What the tags generation enclose: [begin, end) bytes of the text.
  std::vector<std::pair<size_t, size_t>> generated;
};

class Template {
 public:
  // InvalidArgument or Unimplemented, "line N: ...", for what is no template;
  // ResourceExhausted beyond kMaxTemplateBytes.
  static absl::StatusOr<Template> Parse(absl::string_view text);

  // Whether there is a tag generation.
  bool has_generation() const { return has_generation_; }

  // Texts in `variables` must be well-formed UTF-8. InvalidArgument or
  // Unimplemented for what the template cannot do, raise_exception among it;
  // ResourceExhausted if it takes more than 20 million steps, or makes more
  // than 64 MiB and 256 bytes for each byte of `size_hint`, the bytes of the
  // variables. Thread-safe.
  absl::StatusOr<Rendered> Render(const Value::Dict& variables,
                                  size_t size_hint = 0) const;

 private:
  explicit Template(Block block);

  std::shared_ptr<const Block> block_;
  bool has_generation_;
};

}  // namespace moe::jinja

#endif  // MOE_TEXT_JINJA_TEMPLATE_H_
