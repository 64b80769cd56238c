// A plugin that another compiler built.

#include "moe/base/torch_plugin.h"

namespace moe::base {

TorchPluginIdentity llama_moe_torch_identity() {
  TorchPluginIdentity identity = ThisTorchPluginIdentity();
  identity.build = "border 1, compiler of tomorrow";
  return identity;
}

}  // namespace moe::base
