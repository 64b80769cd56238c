#include "tools/cli/nearest_name.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"

namespace moe::cli {
namespace {

// Allows one typing mistake in a short name, and as many as a third of the
// characters in a long one.
int MaxDistance(absl::string_view name) {
  return std::max(1, static_cast<int>(name.size()) / 3);
}

std::string Normalized(absl::string_view name) {
  return absl::AsciiStrToLower(absl::StrReplaceAll(name, {{"-", "_"}}));
}

int Distance(absl::string_view name, absl::string_view candidate) {
  const std::string a = Normalized(name);
  const std::string b = Normalized(candidate);
  if (a.size() > 2 && absl::StartsWith(b, a)) return 0;
  return EditDistance(a, b);
}

}  // namespace

int EditDistance(absl::string_view a, absl::string_view b) {
  // distance[i][j] is that of the first i characters of a and the first j of b.
  std::vector<std::vector<int>> distance(a.size() + 1,
                                         std::vector<int>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        distance[i][j] = static_cast<int>(i + j);
        continue;
      }
      const int replaced =
          distance[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      distance[i][j] =
          std::min({distance[i - 1][j] + 1, distance[i][j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        distance[i][j] = std::min(distance[i][j], distance[i - 2][j - 2] + 1);
      }
    }
  }
  return distance[a.size()][b.size()];
}

std::vector<std::string> NearestNames(absl::string_view name,
                                      const std::vector<std::string>& names) {
  int nearest = MaxDistance(name);
  std::vector<std::string> found;
  for (const std::string& candidate : names) {
    const int distance = Distance(name, candidate);
    if (distance > nearest) continue;
    if (distance < nearest) found.clear();
    nearest = distance;
    found.push_back(candidate);
  }
  return found;
}

std::string DidYouMean(absl::string_view name,
                       const std::vector<std::string>& names) {
  const std::vector<std::string> found = NearestNames(name, names);
  if (found.empty()) return "";
  return absl::StrCat("; did you mean ", absl::StrJoin(found, " or "), "?");
}

}  // namespace moe::cli
