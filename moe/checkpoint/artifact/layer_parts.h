// A value for the attention block and one for the MLP block of a layer.

#ifndef MOE_CHECKPOINT_ARTIFACT_LAYER_PARTS_H_
#define MOE_CHECKPOINT_ARTIFACT_LAYER_PARTS_H_

#include <array>
#include <optional>
#include <utility>

#include "absl/strings/string_view.h"

namespace moe::checkpoint {

template <typename T>
struct LayerParts {
  std::optional<T> attn;
  std::optional<T> mlp;

  // The parts with their names, in a fixed order.
  std::array<std::pair<absl::string_view, std::optional<T>*>, 2> Named() {
    return {{{"attn", &attn}, {"mlp", &mlp}}};
  }
  std::array<std::pair<absl::string_view, const std::optional<T>*>, 2> Named()
      const {
    return {{{"attn", &attn}, {"mlp", &mlp}}};
  }
  bool empty() const { return !attn.has_value() && !mlp.has_value(); }

  friend bool operator==(const LayerParts&, const LayerParts&) = default;
};

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_ARTIFACT_LAYER_PARTS_H_
