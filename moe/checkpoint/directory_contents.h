// Describes a directory in which a checkpoint was expected and not found.

#ifndef MOE_CHECKPOINT_DIRECTORY_CONTENTS_H_
#define MOE_CHECKPOINT_DIRECTORY_CONTENTS_H_

#include <string>

#include "absl/strings/string_view.h"

namespace moe::checkpoint {

// The configuration of an adapter that PEFT saved. Its weights are useless
// without a base model.
inline constexpr char kAdapterConfigFile[] = "adapter_config.json";

// The end of an error message: what is at the path instead of a Hugging Face
// checkpoint in safetensors, and what to do: "; it holds pytorch_model.bin,
// weights in another format: ...". Knows adapters, shards without an index,
// weights in other formats (PyTorch's, Meta's, GGUF, TensorFlow's, Flax's,
// DeepSpeed's), a cache of the Hugging Face hub, and checkpoints one folder
// below. If it recognises nothing, says what to give. Never fails.
std::string WhatIsThereInstead(absl::string_view path);

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_DIRECTORY_CONTENTS_H_
