#include "moe/text/tokenizer/testing/slow_bpe.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace moe::text::testing {

std::vector<std::string> SlowBpe(
    std::vector<std::string> symbols,
    const std::vector<std::pair<std::string, std::string>>& merges) {
  bool joined = true;
  while (joined) {
    joined = false;
    for (size_t rank = 0; rank < merges.size() && !joined; ++rank) {
      for (size_t i = 0; i + 1 < symbols.size() && !joined; ++i) {
        if (symbols[i] != merges[rank].first) continue;
        if (symbols[i + 1] != merges[rank].second) continue;
        symbols[i] += symbols[i + 1];
        symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        joined = true;
      }
    }
  }
  return symbols;
}

}  // namespace moe::text::testing
