#include "moe/text/tokenizer/post_processor.h"

#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

namespace moe {

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
