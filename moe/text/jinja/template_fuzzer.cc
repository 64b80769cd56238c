// Any bytes as a template: it is refused, or renders or fails over a
// conversation, and never crashes or runs for long. What is rendered is within
// the text that it says.

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/check.h"
#include "moe/base/json.h"
#include "moe/text/jinja/template.h"
#include "moe/text/jinja/value.h"

namespace {

const moe::text::jinja::Value::Dict& Variables() {
  static const auto& variables = *new moe::text::jinja::Value(
      moe::text::jinja::Value::FromJson(
          moe::base::ParseJson(
              R"({"messages": [{"role": "system", "content": " Be kind. "},
                  {"role": "user", "content": "a\nb"},
                  {"role": "assistant", "content": "x",
                   "tool_calls": [{"function": {"name": "f"}}]}],
                  "bos_token": "<s>", "n": 3, "f": 0.5, "d": {"b": 2, "A": 1},
                  "xs": [3, 1, 2, 1], "s": "Zoë", "e": "", "tools": null})")
              .value())
          .value());
  return variables.dict();
}

void Check(absl::string_view text) {
  const absl::StatusOr<moe::text::jinja::Template> parsed =
      moe::text::jinja::Template::Parse(text);
  if (!parsed.ok()) return;
  const absl::StatusOr<moe::text::jinja::Rendered> rendered =
      parsed->Render(Variables());
  if (!rendered.ok()) return;
  for (const auto& [begin, end] : rendered->generated) {
    MOE_CHECK(begin <= end && end <= rendered->text.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Check(absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
