#include "moe/checkpoint/path_fields.h"

#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"

namespace moe::checkpoint {

bool IsAbsolutePath(absl::string_view value) {
  if (value.size() > 1 && value[0] == '/') return true;
  if (absl::StartsWith(value, "~/") || absl::StartsWith(value, "\\\\") ||
      absl::StartsWithIgnoreCase(value, "file:")) {
    return true;
  }
  return value.size() > 2 && absl::ascii_isalpha(value[0]) && value[1] == ':' &&
         (value[2] == '\\' || value[2] == '/');
}

std::vector<std::string> RemovePathFields(base::Json& object) {
  std::vector<std::string> names;
  for (const auto& [name, value] : object.items()) {
    if (value.is_string() && !absl::EndsWith(name, "_token") &&
        IsAbsolutePath(value.get_ref<const std::string&>())) {
      names.push_back(name);
    }
  }
  for (const std::string& name : names) object.erase(name);
  return names;
}

}  // namespace moe::checkpoint
