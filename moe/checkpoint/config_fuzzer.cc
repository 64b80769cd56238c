// Any text as config.json and as a shard index: parsed or refused, never a
// crash; and what is parsed is written and parsed again to the same text.

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/check.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/sharded_tensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<moe::ShardIndex> index = moe::ParseShardIndex(text);
  if (index.ok()) {
    const std::string written = moe::FormatShardIndex(*index);
    MOE_CHECK(moe::FormatShardIndex(moe::ParseShardIndex(written).value()) ==
              written);
  }
  const absl::StatusOr<moe::CheckpointConfig> config =
      moe::ParseCheckpointConfig(text);
  if (!config.ok()) return 0;
  const moe::MoeConfig* const moe_config =
      std::get_if<moe::MoeConfig>(&*config);
  if (moe_config == nullptr) return 0;
  const std::string written = moe::FormatMoeConfig(*moe_config);
  MOE_CHECK(moe::FormatMoeConfig(moe::ParseMoeConfig(written).value()) ==
            written);
  return 0;
}
