// The label of a token that the loss leaves out.

#ifndef MOE_BASE_IGNORED_LABEL_H_
#define MOE_BASE_IGNORED_LABEL_H_

#include <cstdint>

namespace moe::base {

// As in Hugging Face transformers and torch's cross_entropy.
inline constexpr int32_t kIgnoredLabel = -100;

}  // namespace moe::base

#endif  // MOE_BASE_IGNORED_LABEL_H_
