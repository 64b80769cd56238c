#include "moe/base/torch_plugin.h"

namespace moe {

TorchPluginIdentity llama_moe_torch_identity() {
  return ThisTorchPluginIdentity();
}

}  // namespace moe
