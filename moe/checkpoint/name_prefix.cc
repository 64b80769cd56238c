#include "moe/checkpoint/name_prefix.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace moe {
namespace {

constexpr absl::string_view kEmbedding = "embed_tokens.weight";
constexpr absl::string_view kModel = "model.";
constexpr absl::string_view kHead = "lm_head.";

// What stands before "embed_tokens.weight"; nothing if no name, or more than
// one, ends so.
std::optional<absl::string_view> BeforeEmbedding(
    const std::vector<std::string>& names) {
  std::optional<absl::string_view> found;
  for (absl::string_view name : names) {
    if (!absl::ConsumeSuffix(&name, kEmbedding)) continue;
    if (!name.empty() && name.back() != '.') continue;
    if (found.has_value()) return std::nullopt;
    found = name;
  }
  return found;
}

size_t SharedParts(const std::vector<absl::string_view>& a,
                   const std::vector<absl::string_view>& b) {
  return static_cast<size_t>(
      std::mismatch(a.rbegin(), a.rend(), b.rbegin(), b.rend()).first -
      a.rbegin());
}

}  // namespace

std::string NamePrefix::ModelName(absl::string_view name) const {
  absl::ConsumePrefix(&name, wrapper);
  if (!lacks_model || absl::StartsWith(name, kHead)) return std::string(name);
  return absl::StrCat(kModel, name);
}

NamePrefix FindNamePrefix(const std::vector<std::string>& names) {
  const std::optional<absl::string_view> before = BeforeEmbedding(names);
  if (!before.has_value()) return {};
  absl::string_view wrapper = *before;
  NamePrefix prefix;
  prefix.lacks_model = wrapper != kModel && !absl::EndsWith(wrapper, ".model.");
  if (!prefix.lacks_model) absl::ConsumeSuffix(&wrapper, kModel);
  prefix.wrapper = std::string(wrapper);
  const bool all_have_it =
      std::all_of(names.begin(), names.end(), [&](const std::string& name) {
        return absl::StartsWith(name, prefix.wrapper);
      });
  return all_have_it ? prefix : NamePrefix();
}

std::string NearestTensorName(absl::string_view wanted,
                              const std::vector<std::string>& names) {
  if (names.empty()) return "";
  const std::vector<absl::string_view> parts = absl::StrSplit(wanted, '.');
  std::string nearest = names[0];
  size_t most = 1;
  for (const std::string& name : names) {
    const size_t shared = SharedParts(parts, absl::StrSplit(name, '.'));
    if (shared <= most) continue;
    most = shared;
    nearest = name;
  }
  return nearest;
}

}  // namespace moe
