#include "moe/experiment/spec_name.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace moe {
namespace {

// Leaves room for endings in the 255 bytes of a file's name.
constexpr size_t kMaxNameBytes = 64;

bool IsNameCharacter(char c) {
  return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_';
}

}  // namespace

absl::Status CheckSpecName(absl::string_view name, absl::string_view field) {
  if (!name.empty() && name.size() <= kMaxNameBytes &&
      absl::ascii_islower(name[0]) &&
      std::all_of(name.begin(), name.end(), IsNameCharacter)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is \"", name,
                   "\"; allowed: lower-case letters, digits and underscores, a "
                   "letter first, at most ",
                   kMaxNameBytes));
}

}  // namespace moe
