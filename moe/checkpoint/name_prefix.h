// Tensor names as wrappers of a model write them, and as the model has them.
//
// A model that was saved through a wrapper has names with the wrapper's prefix
// ("module.", "_orig_mod.", "base_model.model."); one that was saved without
// its head has names without "model.". Both are the same tensors.

#ifndef MOE_CHECKPOINT_NAME_PREFIX_H_
#define MOE_CHECKPOINT_NAME_PREFIX_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace moe {

// From a file's name to the model's: `wrapper` is taken off, and where
// `lacks_model` is set, "model." is put before all but lm_head.
struct NamePrefix {
  std::string wrapper;
  bool lacks_model = false;

  bool IsNone() const { return wrapper.empty() && !lacks_model; }
  // `name` must begin with `wrapper`.
  std::string ModelName(absl::string_view name) const;
};

// The prefix of the names of a checkpoint's tensors, by the embedding's name.
// None where not all names have the wrapper.
NamePrefix FindNamePrefix(const std::vector<std::string>& names);

// Which of `names` is most like `wanted`: the one with which it shares most
// parts ("mlp.up_proj.weight" are three) from the end on, the first of those;
// where none shares two, the first name. Empty if there are no names.
std::string NearestTensorName(absl::string_view wanted,
                              const std::vector<std::string>& names);

}  // namespace moe

#endif  // MOE_CHECKPOINT_NAME_PREFIX_H_
