#include "moe/base/torch_plugin.h"

moe::base::TorchPluginIdentity moe::base::llama_moe_torch_identity() {
  return ThisTorchPluginIdentity();
}
