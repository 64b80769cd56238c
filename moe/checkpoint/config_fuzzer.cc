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
  const absl::StatusOr<moe::checkpoint::ShardIndex> index =
      moe::checkpoint::ParseShardIndex(text);
  if (index.ok()) {
    const std::string written = moe::checkpoint::FormatShardIndex(*index);
    MOE_CHECK(moe::checkpoint::FormatShardIndex(
                  moe::checkpoint::ParseShardIndex(written).value()) ==
              written);
  }
  const absl::StatusOr<moe::checkpoint::CheckpointConfig> config =
      moe::checkpoint::ParseCheckpointConfig(text);
  if (!config.ok()) return 0;
  const moe::checkpoint::MoeConfig* const moe_config =
      std::get_if<moe::checkpoint::MoeConfig>(&*config);
  if (moe_config == nullptr) return 0;
  const std::string written = moe::checkpoint::FormatMoeConfig(*moe_config);
  MOE_CHECK(moe::checkpoint::FormatMoeConfig(
                moe::checkpoint::ParseMoeConfig(written).value()) == written);
  return 0;
}
