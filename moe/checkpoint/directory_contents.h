// What a directory holds in which a checkpoint was looked for and not found.

#ifndef MOE_CHECKPOINT_DIRECTORY_CONTENTS_H_
#define MOE_CHECKPOINT_DIRECTORY_CONTENTS_H_

#include <string>

#include "absl/strings/string_view.h"

namespace moe {

// An adapter that PEFT saved: its weights stand for nothing without a base.
inline constexpr char kAdapterConfigFile[] = "adapter_config.json";

// The end of an error's message: what is at the path instead of a Hugging Face
// checkpoint in safetensors, and what to do: "; it holds pytorch_model.bin,
// weights in another format: ...". Knows adapters, shards without an index,
// weights in other formats (PyTorch's, Meta's, GGUF, TensorFlow's, Flax's,
// DeepSpeed's), a cache of the Hugging Face hub, and checkpoints one folder
// below. Says what is wanted where it knows nothing. Never fails.
std::string WhatIsThereInstead(absl::string_view path);

}  // namespace moe

#endif  // MOE_CHECKPOINT_DIRECTORY_CONTENTS_H_
