// The part of Jinja2 in which chat templates are written.
//
//   MOE_ASSIGN_OR_RETURN(const Template chat, Template::Parse(text));
//   MOE_ASSIGN_OR_RETURN(const Rendered rendered, chat.Render(variables));
//
// Renders as transformers does (trim_blocks, lstrip_blocks, its filter tojson,
// raise_exception, the tags generation, break and continue). An unsupported
// feature is an error with its name and line. There are no imports, inheritance
// or recursive loops, and no access to anything outside the template.
// strftime_now is undefined: a date would make results irreproducible.
//
// A stranger wrote the template. Rendering ends within limits on steps, bytes
// and depth, and has no effect but its result.

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

namespace moe::text::jinja {

// A hundred times the longest chat template in use.
inline constexpr size_t kMaxTemplateBytes = size_t{1} << 20;

struct Rendered {
  std::string text;
  // The texts between generation tags: [begin, end) bytes of the text.
  std::vector<std::pair<size_t, size_t>> generated;
};

class Template {
 public:
  // InvalidArgument or Unimplemented, "line N: ...", if the text is not a
  // template; ResourceExhausted beyond kMaxTemplateBytes.
  static absl::StatusOr<Template> Parse(absl::string_view text);

  // Whether the template has a generation tag.
  bool has_generation() const { return has_generation_; }

  // Texts in `variables` must be well-formed UTF-8. InvalidArgument or
  // Unimplemented if the template does something invalid or calls
  // raise_exception; ResourceExhausted if it takes more than 20 million steps,
  // or makes more than 64 MiB and 256 bytes for each byte of `size_hint`, the
  // bytes of the variables. Thread-safe.
  absl::StatusOr<Rendered> Render(const Value::Dict& variables,
                                  size_t size_hint = 0) const;

 private:
  explicit Template(Block block);

  std::shared_ptr<const Block> block_;
  bool has_generation_;
};

}  // namespace moe::text::jinja

#endif  // MOE_TEXT_JINJA_TEMPLATE_H_
