#include "moe/text/tokenizer/post_processor.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

namespace moe {
namespace {

// The special tokens of the pieces up to the first text.
template <typename Iterator>
std::vector<int32_t> IdsUpToText(Iterator begin, Iterator end) {
  std::vector<int32_t> ids;
  for (; begin != end; ++begin) {
    const auto* const special = std::get_if<std::vector<int32_t>>(&*begin);
    if (special == nullptr) break;
    ids.insert(ids.end(), special->begin(), special->end());
  }
  return ids;
}

}  // namespace

std::vector<int32_t> PostProcessor::IdsBefore() const {
  return IdsUpToText(pieces_.begin(), pieces_.end());
}

std::vector<int32_t> PostProcessor::IdsBehind() const {
  const auto last_text =
      std::find_if(pieces_.rbegin(), pieces_.rend(), [](const auto& piece) {
        return std::holds_alternative<TextPlace>(piece);
      });
  // Where there is no text, all stands before it.
  if (last_text == pieces_.rend()) return {};
  return IdsUpToText(last_text.base(), pieces_.end());
}

std::vector<int32_t> PostProcessor::Run(std::vector<int32_t> ids,
                                        bool add_special_tokens) const {
  if (pieces_.size() == 1 && std::holds_alternative<TextPlace>(pieces_[0])) {
    return ids;
  }
  std::vector<int32_t> out;
  out.reserve(ids.size() + pieces_.size());
  for (const TemplatePiece& piece : pieces_) {
    const auto* const special = std::get_if<std::vector<int32_t>>(&piece);
    if (special == nullptr) {
      out.insert(out.end(), ids.begin(), ids.end());
    } else if (add_special_tokens) {
      out.insert(out.end(), special->begin(), special->end());
    }
  }
  return out;
}

}  // namespace moe
